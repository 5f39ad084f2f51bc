// SPDX-License-Identifier: GPL-2.0-only
//! A device that comes back: after its backend went, after a fault, in a new domain.
use super::*;

#[test]
fn a_backend_that_closes_but_stays_is_reconnected() {
    for kind in [Kind::Blkback, Kind::Netback] {
        let mut world = connected(kind);
        world.log.clear();
        world.backend.state = PeerState::Is(S::Closing);
        world.input(Input::Backend(world.backend));
        assert_eq!(world.log.first(), Some(&Action::Close));
        world.settle();
        assert!(world.machine.is_connected(), "{kind:?}: {:?}", world.log);
    }
}

#[test]
fn a_backend_that_vanishes_and_returns() {
    let mut world = connected(Kind::Blkback);
    world.backend = Backend {
        state: PeerState::Missing,
        online: false,
    };
    world.input(Input::Backend(world.backend));
    assert!(!world.published);
    assert_eq!(world.machine.deadline(), None);
    world.backend = Backend {
        state: PeerState::Is(S::InitWait),
        online: true,
    };
    world.input(Input::Backend(world.backend));
    world.settle();
    assert!(world.machine.is_connected());
}

#[test]
fn a_backend_restarted_behind_our_back() {
    let mut world = connected(Kind::Blkback);
    world.log.clear();
    world.backend.state = PeerState::Is(S::InitWait);
    world.input(Input::Backend(world.backend));
    assert_eq!(
        world.log[..2],
        [Action::Close, Action::WriteState(S::Closed)]
    );
    world.settle();
    assert!(world.machine.is_connected());
}

#[test]
fn a_fault_recovers_ever_more_slowly_and_is_forgiven_after_a_good_while() {
    let mut world = connected(Kind::Blkback);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let before = world.now;
        world.input(Input::Fault);
        world.settle();
        assert!(world.machine.is_connected(), "{:?}", world.log);
        pauses.push(world.now - before);
    }
    assert_eq!(pauses[..4], [250, 500, 1000, 2000]);
    assert_eq!(pauses[11], BACKOFF_MAX);
    world.now += STABLE;
    let before = world.now;
    world.input(Input::Fault);
    world.settle();
    assert_eq!(world.now - before, BACKOFF_MIN);
}

#[test]
fn resume_begins_anew_from_anywhere() {
    let mut world = connected(Kind::Netback);
    world.backend.state = PeerState::Is(S::InitWait);
    world.log.clear();
    world.input(Input::Resume);
    assert_eq!(
        world.log,
        [Action::Close, Action::WriteState(S::Initialising)]
    );
    world.settle();
    assert!(world.machine.is_connected());
}

/// The domain is suspended while a driver leaves: the backend that it waits for is in the old domain.
#[test]
fn resumed_on_the_way_out() {
    for input in [None, Some(Input::Tick)] {
        let mut world = connected(Kind::Netback);
        world.kind = Kind::Dead;
        world.input(Input::Unbind);
        if let Some(input) = input {
            world.now += CLOSE_LIMIT;
            world.input(input);
        }
        assert!(!world.machine.is_gone());
        world.log.clear();
        world.input(Input::Resume);
        assert_eq!(world.log, [Action::Remove]);
        assert!(world.machine.is_gone());
    }
}

/// A backend that had failed again and again says nothing about the next one.
#[test]
fn resumed_while_holding_back() {
    let mut world = connected(Kind::Netback);
    for _ in 0..5 {
        world.input(Input::Fault);
        world.settle();
    }
    world.backend.state = PeerState::Is(S::InitWait);
    world.input(Input::Resume);
    world.settle();
    assert!(world.machine.is_connected());
    assert_eq!(world.machine.attempts, 0);
}

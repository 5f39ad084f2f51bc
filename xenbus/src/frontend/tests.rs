// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use std::vec::Vec;
use XenbusState as S;

mod comeback;

/// How a backend of Linux reacts to its frontend's state (`frontend_changed` of
/// drivers/block/xen-blkback/xenbus.c and drivers/net/xen-netback/xenbus.c).
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Blkback,
    Netback,
    /// Never moves.
    Dead,
}

/// A device between the machine and a backend, with the clock of both.
struct World {
    machine: Machine,
    kind: Kind,
    backend: Backend,
    frontend: S,
    mapped: bool,
    published: bool,
    now: Millis,
    log: Vec<Action>,
}

impl World {
    fn new(kind: Kind, state: S) -> World {
        let backend = Backend {
            state: PeerState::Is(state),
            online: true,
        };
        World {
            machine: Machine::new(),
            kind,
            backend,
            frontend: S::Initialising,
            mapped: state == S::Connected,
            published: false,
            now: 1000,
            log: Vec::new(),
        }
    }

    fn backend_state(&self) -> S {
        match self.backend.state {
            PeerState::Is(state) => state,
            _ => S::Unknown,
        }
    }

    /// The backend sees the frontend's state node.
    fn backend_reacts(&mut self) {
        let state = self.backend_state();
        let next = match (self.kind, self.frontend) {
            (Kind::Dead, _) => state,
            (Kind::Blkback, S::Initialising) if state == S::Closed => S::InitWait,
            (Kind::Blkback, S::Initialised | S::Connected) => S::Connected,
            (Kind::Netback, S::Initialising) => S::InitWait,
            (Kind::Netback, S::Connected) => S::Connected,
            (_, S::Closing) => S::Closing,
            (_, S::Closed) => S::Closed,
            _ => state,
        };
        if next == S::Connected && state != S::Connected {
            assert!(self.published, "the backend maps rings that are not there");
        }
        self.mapped = next == S::Connected;
        self.backend.state = PeerState::Is(next);
    }

    /// Hands `input` over and carries out all that follows.
    fn input(&mut self, input: Input) {
        self.machine.handle(input, self.now);
        while let Some(action) = self.machine.next_action() {
            self.log.push(action);
            match action {
                Action::Publish => {
                    assert!(!self.published);
                    self.published = true;
                    let state = if self.kind == Kind::Netback {
                        S::Connected
                    } else {
                        S::Initialised
                    };
                    self.machine.handle(Input::Published(Some(state)), self.now);
                }
                Action::Connect => {
                    assert!(self.published);
                    self.machine.handle(Input::Connected(true), self.now);
                }
                Action::Close => self.published = false,
                Action::WriteState(state) => self.frontend = state,
                Action::Changed | Action::ReportStall | Action::Remove => {}
            }
        }
    }

    /// Lets backend and machine look at each other, and time pass, until nothing changes.
    fn settle(&mut self) {
        for _ in 0..40 {
            let before = (self.log.len(), self.backend.state);
            self.backend_reacts();
            self.input(Input::Backend(self.backend));
            if before == (self.log.len(), self.backend.state) {
                match self.machine.deadline() {
                    Some(deadline) => {
                        self.now = self.now.max(deadline);
                        self.input(Input::Tick);
                    }
                    None => return,
                }
            }
            if self.machine.is_connected() && self.backend_state() == S::Connected {
                return;
            }
        }
    }

    fn states_written(&self) -> Vec<S> {
        let state = |action: &Action| match action {
            Action::WriteState(state) => Some(*state),
            _ => None,
        };
        self.log.iter().filter_map(state).collect()
    }
}

fn connected(kind: Kind) -> World {
    let mut world = World::new(kind, S::InitWait);
    world.settle();
    assert!(world.machine.is_connected(), "{:?}", world.log);
    world
}

#[test]
fn bring_up() {
    let blk = connected(Kind::Blkback);
    assert_eq!(
        blk.states_written(),
        [S::Initialising, S::Initialised, S::Connected]
    );
    let net = connected(Kind::Netback);
    assert_eq!(net.states_written(), [S::Initialising, S::Connected]);
}

#[test]
fn every_state_a_former_driver_can_leave_behind() {
    for kind in [Kind::Blkback, Kind::Netback] {
        for state in [
            S::Initialising,
            S::InitWait,
            S::Connected,
            S::Closing,
            S::Closed,
        ] {
            let mut world = World::new(kind, state);
            world.frontend = if state == S::Connected {
                S::Connected
            } else {
                S::Closed
            };
            world.settle();
            if (kind, state) == (Kind::Blkback, S::Initialising) {
                world.backend.state = PeerState::Is(S::InitWait);
                world.settle();
            }
            assert!(
                world.machine.is_connected(),
                "{kind:?} from {state:?}: {:?}",
                world.log
            );
        }
    }
}

/// A backend that starts anew finds the rings of the connection before in the store. It may map them just when they go.
#[test]
fn a_backend_that_starts_anew_must_show_that_it_knows_of_the_end() {
    let mut world = connected(Kind::Blkback);
    world.log.clear();
    for state in [S::InitWait, S::Connected] {
        world.backend.state = PeerState::Is(state);
        world.input(Input::Backend(world.backend));
        // Longer than the pause before an attempt to come back.
        world.now += 1000;
        world.input(Input::Tick);
        assert_eq!(world.frontend, S::Closed, "while it is in {state:?}");
    }
    assert_eq!(world.states_written(), [S::Closed]);
    world.settle();
    assert!(world.machine.is_connected(), "{:?}", world.log);
}

#[test]
fn a_backend_that_starts_anew_and_never_shows_it_is_waited_for_within_limits() {
    let mut world = connected(Kind::Blkback);
    world.kind = Kind::Dead;
    world.backend.state = PeerState::Is(S::InitWait);
    world.settle();
    assert!(world.published, "{:?}", world.log);
}

#[test]
fn a_backend_that_stays_connected_is_used_as_it_stands_after_the_limit() {
    let mut world = World::new(Kind::Dead, S::Connected);
    world.settle();
    assert!(world.machine.is_connected());
    assert_eq!(
        world.states_written(),
        [
            S::Closing,
            S::Closed,
            S::Initialising,
            S::Initialised,
            S::Connected
        ]
    );
    assert_eq!(world.now, 1000 + 2 * CLOSE_LIMIT);
}

#[test]
fn unbind_leaves_the_device_for_the_next_driver() {
    for kind in [Kind::Blkback, Kind::Netback] {
        let mut world = connected(kind);
        world.log.clear();
        world.input(Input::Unbind);
        world.settle();
        assert!(world.machine.is_gone());
        assert_eq!(
            world.states_written(),
            [S::Closing, S::Closed, S::Initialising]
        );
        assert_eq!(world.log.first(), Some(&Action::Close));
        assert_eq!(world.log.last(), Some(&Action::Remove));
        world.backend_reacts();
        assert_eq!(world.backend_state(), S::InitWait);
    }
}

#[test]
fn another_kernel_finds_the_device_as_another_driver_does() {
    for kind in [Kind::Blkback, Kind::Netback] {
        let mut world = connected(kind);
        world.log.clear();
        world.input(Input::Retire);
        world.settle();
        assert!(world.machine.is_gone());
        assert_eq!(
            world.states_written(),
            [S::Closing, S::Closed, S::Initialising]
        );
        assert_eq!(world.log.first(), Some(&Action::Close));
        assert!(!world.log.contains(&Action::Remove));
        // The driver has it still, and is told if it goes before that kernel comes.
        for _ in 0..2 {
            world.input(Input::Vanish);
            world.input(Input::Unbind);
        }
        let removals = world.log.iter().filter(|action| **action == Action::Remove);
        assert_eq!(removals.count(), 1);
    }
}

#[test]
fn unbind_with_a_dead_backend_ends_in_bounded_time_and_tells_the_truth() {
    let mut world = connected(Kind::Blkback);
    world.kind = Kind::Dead;
    world.log.clear();
    let before = world.now;
    world.input(Input::Unbind);
    world.settle();
    assert!(world.machine.is_gone());
    assert_eq!(world.states_written(), [S::Closing, S::Closed]);
    assert!(world.now - before <= 2 * CLOSE_LIMIT);
}

#[test]
fn a_backend_about_to_map_the_rings_is_waited_for() {
    let mut world = World::new(Kind::Blkback, S::InitWait);
    world.input(Input::Backend(world.backend));
    assert_eq!(world.frontend, S::Initialised);
    world.input(Input::Unbind);
    assert_eq!(
        world.frontend,
        S::Closing,
        "InitWait does not show that it has let go"
    );
    world.settle();
    assert!(world.machine.is_gone());
    assert_eq!(world.frontend, S::Initialising);
}

#[test]
fn detach_by_the_toolstack() {
    let mut world = connected(Kind::Blkback);
    world.log.clear();
    world.backend = Backend {
        state: PeerState::Is(S::Closing),
        online: false,
    };
    world.input(Input::Backend(world.backend));
    world.settle();
    assert_eq!(world.log, [Action::Close, Action::WriteState(S::Closed)]);
    assert_eq!(world.machine.deadline(), None, "it does not come back");
    world.input(Input::Vanish);
    assert_eq!(world.log.last(), Some(&Action::Remove));
}

#[test]
fn surprise_removal_says_nothing_to_anybody() {
    let mut world = connected(Kind::Netback);
    world.log.clear();
    world.input(Input::Vanish);
    world.input(Input::Vanish);
    world.input(Input::Unbind);
    world.input(Input::Backend(world.backend));
    assert_eq!(world.log, [Action::Close, Action::Remove]);
}

/// A backend is bound anew while the nodes are those of a machine that crashed.
#[test]
fn rings_of_a_former_machine_are_withdrawn_before_others_are_made() {
    for found in [S::Initialised, S::Connected] {
        for state in [S::Initialising, S::InitWait] {
            let mut world = World::new(Kind::Blkback, state);
            world.machine = Machine::following(found);
            world.input(Input::Backend(world.backend));
            assert_eq!(world.states_written(), [S::Closing]);
            // It may map the former rings at any time until it has seen that they are gone.
            world.input(Input::Backend(world.backend));
            assert!(!world.log.contains(&Action::Publish), "{:?}", world.log);
            world.settle();
            assert!(world.machine.is_connected(), "{:?}", world.log);
            assert_eq!(
                world.states_written(),
                [
                    S::Closing,
                    S::Closed,
                    S::Initialising,
                    S::Initialised,
                    S::Connected
                ]
            );
        }
    }
    // Nothing was offered, or the backend has let go.
    for (found, state) in [
        (S::Initialising, S::InitWait),
        (S::Closed, S::InitWait),
        (S::Connected, S::Closed),
    ] {
        let mut world = World::new(Kind::Blkback, state);
        world.machine = Machine::following(found);
        world.input(Input::Backend(world.backend));
        assert_eq!(world.states_written().first(), Some(&S::Initialising));
    }
}

#[test]
fn failures_of_the_driver() {
    let mut machine = Machine::new();
    let invite = Backend {
        state: PeerState::Is(S::InitWait),
        online: true,
    };
    machine.handle(Input::Backend(invite), 0);
    while machine.next_action() != Some(Action::Publish) {}
    machine.handle(Input::Published(None), 0);
    assert_eq!(machine.next_action(), Some(Action::Close));
    assert_eq!(machine.next_action(), Some(Action::WriteState(S::Closing)));
    assert_eq!(machine.next_action(), Some(Action::WriteState(S::Closed)));
    assert_eq!(machine.next_action(), None);
    assert_eq!(machine.deadline(), Some(BACKOFF_MIN));
    machine.handle(Input::Tick, BACKOFF_MIN);
    assert_eq!(
        machine.next_action(),
        Some(Action::WriteState(S::Initialising))
    );
    assert_eq!(machine.next_action(), Some(Action::Publish));
    machine.handle(Input::Published(Some(S::Initialised)), 300);
    machine.handle(
        Input::Backend(Backend {
            state: PeerState::Is(S::Connected),
            online: true,
        }),
        300,
    );
    while machine.next_action() != Some(Action::Connect) {}
    machine.handle(Input::Connected(false), 300);
    assert_eq!(machine.next_action(), Some(Action::Close));
}

#[test]
fn a_stall_is_reported_once() {
    let mut world = World::new(Kind::Dead, S::InitWait);
    world.input(Input::Backend(world.backend));
    for _ in 0..5 {
        world.now += STALL_LIMIT;
        world.input(Input::Tick);
    }
    let stalls = world
        .log
        .iter()
        .filter(|action| **action == Action::ReportStall)
        .count();
    assert_eq!(stalls, 1);
}

#[test]
fn repeated_announcements_are_passed_on_and_nonsense_is_not() {
    let mut world = connected(Kind::Blkback);
    world.log.clear();
    for state in [S::Connected, S::Reconfiguring, S::Reconfigured] {
        world.input(Input::Backend(Backend {
            state: PeerState::Is(state),
            online: true,
        }));
    }
    assert_eq!(world.log, [Action::Changed; 3]);
    world.log.clear();
    world.input(Input::Backend(Backend {
        state: PeerState::Nonsense,
        online: true,
    }));
    world.input(Input::Tick);
    assert!(world.log.is_empty() && world.machine.is_connected());
}

#[test]
fn state_nodes() {
    for (text, state) in [
        (None, PeerState::Missing),
        (Some(&b"0"[..]), PeerState::Missing),
        (Some(b"6"), PeerState::Is(S::Closed)),
        (Some(b"9"), PeerState::Nonsense),
        (Some(b"4294967298"), PeerState::Nonsense),
        (Some(b""), PeerState::Nonsense),
    ] {
        assert_eq!(PeerState::parse(text), state);
    }
}

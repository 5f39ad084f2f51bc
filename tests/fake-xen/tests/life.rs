// SPDX-License-Identifier: GPL-2.0-only
//! A disk's life from attachment to the end, through store, grants, events and ring, with everything that goes wrong.
mod common;

use common::device::World;
use fake_xen::{Backend, Blkback, Call};
use xen_sys::XenError;
use xen_sys::XenbusState as S;
use xenbus::frontend::Input;

const SECTORS: usize = 128;

fn connected() -> World {
    let mut world = World::new(SECTORS);
    world.settle();
    assert!(world.machine.is_connected(), "{:?}", world.announced);
    world
}

#[test]
fn it_comes_up_and_works() {
    let mut world = connected();
    assert_eq!(
        world.announced,
        [S::Initialising, S::Initialised, S::Connected]
    );
    assert_eq!(world.driver.state(), S::Connected);
    let properties = world.properties.unwrap();
    assert_eq!(properties.sectors, SECTORS as u64);
    assert_eq!(properties.flush, Some(vbd_core::Flush::Cache));
    assert!(!properties.read_only);
    world.use_disk(1);
}

/// Large requests are what the backend of the moment takes: the next one may take fewer pages, or none beyond a direct
/// request's, or say nonsense.
#[test]
fn its_backend_comes_back_with_smaller_requests() {
    let node = format!("{}/feature-max-indirect-segments", Blkback::OTHEREND);
    let mut world = World::new(4096);
    world.settle();
    let offers: [(Option<&[u8]>, usize); 6] = [
        (Some(b"256"), 256),
        (Some(b"32"), 32),
        (Some(b"0"), 11),
        (None, 11),
        (Some(b"18446744073709551615"), 256),
        (Some(b"256"), 256),
    ];
    for (offer, segments) in offers {
        match offer {
            Some(value) => world.store.write(node.as_bytes(), value),
            None => world.store.remove(node.as_bytes()),
        };
        world.input(Input::Fault);
        world.run_for(60_000);
        assert!(world.machine.is_connected(), "{offer:?}");
        assert_eq!(world.properties.unwrap().segments, segments, "{offer:?}");
        world.move_data(segments as u8, segments * 4096);
        let back = world.driver.back.as_ref().unwrap();
        assert_eq!(back.indirect(), if segments > 11 { 2 } else { 0 });
    }
}

#[test]
fn it_is_detached() {
    let mut world = connected();
    world.use_disk(1);
    world.driver.detach(&mut world.store);
    world.run_for(120_000);
    assert!(world.front.is_none());
    assert_eq!(world.driver.state(), S::Closed);
    assert_eq!(world.announced.last(), Some(&S::Closed));
    assert!(world.driver.back.is_none());
    world.assert_clean();
}

#[test]
fn it_is_detached_with_requests_in_flight() {
    let mut world = connected();
    let disk = world.front.as_mut().unwrap();
    for tag in 0..10 {
        assert!(disk.submit(tag, 0, 4096, None));
    }
    disk.commit();
    world.driver.detach(&mut world.store);
    world.run_for(1000);
    assert!(world.front.is_none());
    world.assert_clean();
}

/// The driver goes and comes again, as with rmmod and insmod.
#[test]
fn its_driver_is_unbound_and_bound_again() {
    let mut world = connected();
    for round in 0..5 {
        world.use_disk(round);
        world.input(Input::Unbind);
        world.settle();
        assert!(world.removed, "round {round}");
        assert_eq!(world.announced.last(), Some(&S::Initialising));
        world.assert_clean();
        world.machine = xenbus::frontend::Machine::new();
        world.removed = false;
        world.settle();
        assert!(world.machine.is_connected(), "round {round}");
    }
}

/// A driver that died left the backend connected: it is reset first.
#[test]
fn it_is_taken_over_from_a_driver_that_died() {
    let mut world = connected();
    world.use_disk(3);
    world.front = None;
    world.machine = xenbus::frontend::Machine::new();
    world.settle();
    assert!(world.machine.is_connected());
    world.use_disk(4);
}

#[test]
fn it_recovers_from_a_fault() {
    let mut world = connected();
    for round in 0..6 {
        world.use_disk(round);
        world.input(Input::Fault);
        assert!(world.front.is_none());
        assert!(!world.machine.is_connected());
        world.run_for(60_000);
        assert!(world.machine.is_connected(), "round {round}");
    }
    world.use_disk(99);
}

#[test]
fn its_backend_vanishes() {
    let mut world = connected();
    world.driver.vanish(&mut world.store);
    world.run_for(120_000);
    assert!(world.front.is_none());
    assert!(!world.removed);
    world.assert_clean();
    world.input(Input::Vanish);
    assert!(world.removed);
}

#[test]
fn the_domain_is_resumed() {
    let mut world = connected();
    world.use_disk(1);
    let disk = world.driver.disk().to_vec();
    // Ports and grants are lost, and a new backend waits.
    world.driver.vanish(&mut world.store);
    world.driver = fake_xen::BlkbackDriver::attach(&world.xen, &mut world.store, disk);
    world.input(Input::Resume);
    assert!(world.front.is_none());
    world.settle();
    assert!(world.machine.is_connected());
    world.use_disk(2);
}

/// Each hypercall of coming up fails in turn: the device comes up all the same, later, and nothing is left behind of
/// the attempt that failed.
#[test]
fn each_hypercall_fails_in_turn() {
    let mut failures = 0;
    for n in 0.. {
        let mut world = World::new(SECTORS);
        world.xen.faults().fail_after(n, XenError::ENOMEM);
        world.settle();
        if !world.machine.is_connected() {
            failures += 1;
            assert!(world.front.is_none());
            world.assert_clean();
        }
        world.run_for(60_000);
        assert!(world.machine.is_connected(), "call {n}");
        world.use_disk(n as u8);
        if world.xen.faults().heal() {
            break;
        }
    }
    assert!(failures > 0);
}

/// While a hypercall fails for good, the device tries ever more slowly, and comes up when that is over.
#[test]
fn ports_that_are_exhausted_for_a_while() {
    let mut world = World::new(SECTORS);
    let faults = world.xen.faults();
    faults.fail_all(Call::EvtchnAllocUnbound, XenError::ENOSPC);
    world.run_for(600_000);
    assert!(!world.machine.is_connected());
    let attempts = world.xen.faults().calls_of(Call::EvtchnAllocUnbound);
    assert!(
        (8..40).contains(&attempts),
        "{attempts} attempts in ten minutes"
    );
    world.assert_clean();
    world.xen.faults().heal();
    world.run_for(61_000);
    assert!(world.machine.is_connected());
    world.use_disk(7);
}

/// The store's bytes come one by one, and others write to it meanwhile.
#[test]
fn it_comes_up_through_a_slow_store() {
    let mut world = World::new(SECTORS);
    world.store.set_chunk(1);
    world.settle();
    assert!(world.machine.is_connected());
}

/// A backend that never answers is reported, and can still be left.
#[test]
fn a_backend_that_does_not_go_on() {
    let mut world = World::new(SECTORS);
    world.look();
    assert_eq!(world.announced, [S::Initialising, S::Initialised]);
    for _ in 0..10 {
        world.now += 20_000;
        world.input(Input::Tick);
    }
    assert_eq!(world.stalls, 1);
    world.input(Input::Unbind);
    for _ in 0..10 {
        world.now += 5_000;
        world.input(Input::Tick);
    }
    assert!(world.removed);
    assert!(world.front.is_none());
    world.assert_clean();
}

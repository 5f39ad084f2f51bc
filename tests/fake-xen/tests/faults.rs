// SPDX-License-Identifier: GPL-2.0-only
//! Whatever Xen or the store refuses in a disk's life, whenever and for whatever reason: nothing panics, nothing is left
//! behind, and the disk works when the refusals are over.
mod common;

use common::device::World;
use fake_xen::{Call, FakeXen, Grants};
use xen_sys::{XenError, XenbusState};
use xenbus::errors::StoreError;

const SECTORS: usize = 64;

/// Reasons for which Xen refuses a call.
const ERRORS: [XenError; 9] = [
    XenError::EPERM,
    XenError::ESRCH,
    XenError::EAGAIN,
    XenError::ENOMEM,
    XenError::EFAULT,
    XenError::EBUSY,
    XenError::EINVAL,
    XenError::ENOSPC,
    XenError::ENOSYS,
];

/// A whole life: up, used, detached. With `strict`, every port is closed in the end. A store that has said of a node that it
/// is not there may have let the frontend believe that it is wanted still; then it waits for a backend that does not come.
fn live(world: &mut World, what: &str, strict: bool) {
    world.settle();
    world.run_for(120_000);
    assert!(world.machine.is_connected(), "{what}: not up");
    world.use_disk(5);
    world.driver.detach(&mut world.store);
    world.run_for(120_000);
    assert!(world.front.is_none(), "{what}: not closed");
    let waits = matches!(
        world.announced.last(),
        Some(XenbusState::Closed | XenbusState::Initialising)
    );
    assert!(waits, "{what}: {:?}", world.announced);
    if strict {
        world.assert_clean();
    } else {
        world.grants.tick(world.now / 1000);
        world.xen.assert_sound();
        assert_eq!(world.grants.counters().in_use, 0, "{what}");
        assert_eq!(world.xen.guest_pages(), 1, "{what}");
    }
}

#[test]
fn each_hypercall_of_a_life_fails_in_turn_for_each_reason() {
    for error in ERRORS {
        let mut n = 0;
        loop {
            let mut world = World::new(SECTORS);
            world.xen.faults().fail_after(n, error);
            world.run_for(120_000);
            let what = format!("call {n}, {error}");
            // A port that Xen does not close stays Xen's.
            live(&mut world, &what, false);
            if world.xen.faults().heal() {
                break;
            }
            n += 1;
        }
        assert!(n >= 3, "a life of {n} hypercalls");
    }
}

/// Each call, with what a disk's life is without it: whether it comes up, and whether its ports are closed.
const CALLS: [(Call, bool, bool); 6] = [
    (Call::EvtchnAllocUnbound, false, true),
    (Call::EvtchnSend, true, true),
    (Call::EvtchnClose, true, false),
    (Call::EvtchnUnmask, true, true),
    (Call::GrantQuerySize, true, true),
    (Call::AddToPhysmap, true, true),
];

#[test]
fn each_kind_of_hypercall_fails_for_good_and_then_works_again() {
    for (call, comes_up, closes) in CALLS {
        for error in ERRORS {
            let what = format!("{call:?}, {error}");
            let mut world = World::new(SECTORS);
            world.xen.faults().fail_all(call, error);
            world.run_for(120_000);
            assert_eq!(world.machine.is_connected(), comes_up, "{what}");
            if !comes_up {
                world.assert_clean();
            }
            world.input(xenbus::frontend::Input::Fault);
            world.run_for(60_000);
            world.xen.faults().heal();
            live(&mut world, &what, closes);
        }
    }
}

#[test]
fn each_hypercall_of_the_grant_table_fails_in_turn_and_it_can_be_had_again() {
    for error in ERRORS {
        let mut n = 0;
        loop {
            let xen = FakeXen::new(1, 100);
            xen.faults().fail_after(n, error);
            let grants = Grants::new(&xen, 2);
            if xen.faults().heal() {
                assert!(grants.is_ok());
                break;
            }
            assert_eq!(grants.err(), Some(error), "call {n}");
            let grants = Grants::new(&xen, 2).unwrap();
            assert_eq!(grants.counters().in_use, 0);
            n += 1;
        }
        assert_eq!(n, 4, "version, size, and each of two frames");
    }
}

#[test]
fn each_reply_of_the_store_is_a_refusal_in_turn_for_each_reason() {
    for &error in StoreError::ALL {
        let mut n = 0;
        loop {
            let mut world = World::new(SECTORS);
            world.store.refuse_after(n, error);
            let what = format!("request {n}, {error:?}");
            live(&mut world, &what, true);
            assert_eq!(world.client.in_flight(), 0, "{what}");
            if world.store.heal() {
                break;
            }
            n += 1;
        }
        assert!(n >= 20, "a life of {n} requests");
    }
}

#[test]
fn each_grant_status_has_its_error() {
    let table = [
        (0, Ok(())),
        (-1, Err(XenError::EIO)),
        (-2, Err(XenError::ESRCH)),
        (-3, Err(XenError::EINVAL)),
        (-4, Err(XenError::EINVAL)),
        (-5, Err(XenError::EINVAL)),
        (-6, Err(XenError::EINVAL)),
        (-7, Err(XenError::ENOSPC)),
        (-8, Err(XenError::EPERM)),
        (-9, Err(XenError::EINVAL)),
        (-10, Err(XenError::EINVAL)),
        (-11, Err(XenError::ERANGE)),
        (-12, Err(XenError::EAGAIN)),
        (-13, Err(XenError::ENOSPC)),
        (-14, Err(XenError::EIO)),
        (i16::MIN, Err(XenError::EIO)),
        (1, Ok(())),
    ];
    for (status, result) in table {
        assert_eq!(XenError::from_grant_status(status), result, "{status}");
    }
}

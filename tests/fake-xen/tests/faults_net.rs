// SPDX-License-Identifier: GPL-2.0-only
//! Whatever fails in an interface's life, a hypercall, a grant, the store, an answer of the backend's, at whichever
//! moment: nothing panics, nothing is left behind, and the interface works when that is over.
mod common;

use common::device::World;
use common::net::Nic;
use fake_xen::hostile::LawlessRing;
use fake_xen::{BackendDriver, Call};
use vnif_core::Violation;
use xen_sys::netif::{
    NetifRxRequest, NetifRxResponse, NetifRxSlot, NetifTxResponse, NetifTxSlot, RxFlags, TxFlags,
};
use xen_sys::{Hypervisor, Suspended, XenError, XenbusState};
use xenbus::errors::StoreError;
use xenbus::frontend::Input;

/// Longer than any pause between two attempts.
const PATIENCE_MS: u64 = 120_000;
/// Frames of the grant table, as [`World`] makes it.
const FRAMES: u32 = 2;
/// Grants of a connection: two rings and a page for each of their slots.
const GRANTS: usize = 2 + 2 * vnif_core::RING_SLOTS;

#[track_caller]
fn works(world: &mut World<Nic>, what: &str) {
    world.settle();
    world.run_for(PATIENCE_MS);
    assert!(
        world.machine.is_connected(),
        "{what}: {:?}",
        world.announced
    );
    assert!(world.properties.is_some_and(|agreed| agreed.link), "{what}");
    world.use_interface(5);
}

/// Saves the domain with a packet under way, and goes on in another one with another backend, unless Xen refuses.
fn suspend(world: &mut World<Nic>) {
    let (front, _) = world.ends();
    front.send(&[7; 5000], TxFlags::empty()).unwrap();
    front.show().unwrap();
    if world.xen.sched_suspend() != Ok(Suspended::Resumed) {
        let (_, back) = world.ends();
        assert_eq!(back.take_packets().unwrap().len(), 1);
        return;
    }
    // The platform module's part, which one refusal may hit.
    let remake = || grant_table::remake(&*world.xen, world.grants.layout(), FRAMES);
    remake().or_else(|_| remake()).unwrap();
    world.driver = BackendDriver::attach(&world.xen, &mut world.store, ());
    world.input(Input::Resume);
}

/// A whole life: up, taken down for a fault and up again, suspended, detached. Traffic both ways in between.
fn live(world: &mut World<Nic>, what: &str, lost: impl FnOnce(&World<Nic>) -> usize) {
    works(world, what);
    world.input(Input::Fault);
    works(world, what);
    suspend(world);
    end(world, what, lost);
}

/// The end of a life: it works, and is detached. Xen has not closed `lost` of its ports then.
fn end(world: &mut World<Nic>, what: &str, lost: impl FnOnce(&World<Nic>) -> usize) {
    works(world, what);
    world.driver.detach(&mut world.store);
    world.run_for(PATIENCE_MS);
    assert!(world.front.is_none(), "{what}: not closed");
    let waits = matches!(
        world.announced.last(),
        Some(XenbusState::Closed | XenbusState::Initialising)
    );
    assert!(waits, "{what}: {:?}", world.announced);
    let lost = lost(world);
    world.assert_clean_but(lost);
}

#[test]
fn each_hypercall_of_a_life_fails_in_turn() {
    let errors = [XenError::ENOMEM, XenError::EINVAL, XenError::EAGAIN];
    let mut failed = Vec::new();
    for (n, &error) in errors.iter().cycle().enumerate() {
        let mut world = World::<Nic>::with(());
        world.xen.faults().fail_after(n, error);
        // A port that Xen does not close stays Xen's; what the suspend leaves behind goes with the domain.
        let lost = |world: &World<Nic>| {
            let close = world.xen.faults().failed() == Some(Call::EvtchnClose);
            usize::from(close && world.xen.open_ports() != 0)
        };
        live(&mut world, &format!("call {n}, {error}"), lost);
        failed.extend(world.xen.faults().failed());
        if world.xen.faults().heal() {
            break;
        }
    }
    let table = [
        (Call::EvtchnAllocUnbound, 3),
        (Call::EvtchnSend, 6),
        (Call::EvtchnClose, 2),
        (Call::SchedSuspend, 1),
        (Call::AddToPhysmap, 2),
    ];
    for (call, least) in table {
        let count = failed.iter().filter(|failed| **failed == call).count();
        assert!(count >= least, "{call:?}: {count}");
    }
}

/// Each call, with whether an interface comes up without it.
const CALLS: [(Call, bool); 4] = [
    (Call::EvtchnAllocUnbound, false),
    (Call::EvtchnSend, true),
    (Call::EvtchnUnmask, true),
    (Call::GrantQuerySize, true),
];

#[test]
fn each_kind_of_hypercall_fails_for_good_and_then_works_again() {
    for (call, comes_up) in CALLS {
        let what = format!("{call:?}");
        let mut world = World::<Nic>::with(());
        world.xen.faults().fail_all(call, XenError::ENOSPC);
        world.run_for(PATIENCE_MS);
        assert_eq!(world.machine.is_connected(), comes_up, "{what}");
        if comes_up {
            world.use_interface(1);
        } else {
            assert!(world.front.is_none(), "{what}");
            world.assert_clean();
        }
        world.xen.faults().heal();
        live(&mut world, &what, |_| 0);
    }
}

/// The first and the last grant of each kind, of each of a life's three connections.
#[test]
fn each_grant_of_a_life_is_refused_in_turn() {
    let slots = vnif_core::RING_SLOTS;
    let mut ahead = 0;
    for connection in 0..=3 {
        for grant in [0, 1, 2, slots + 1, slots + 2, GRANTS - 1] {
            let mut world = World::<Nic>::with(());
            world.grants.refuse_after(connection * GRANTS + grant);
            let what = format!("grant {grant} of connection {connection}");
            world.settle();
            if connection == 0 {
                assert!(
                    !world.machine.is_connected() && world.front.is_none(),
                    "{what}"
                );
                world.assert_clean();
            }
            live(&mut world, &what, |_| 0);
            ahead += usize::from(world.grants.heal());
        }
    }
    assert_eq!(ahead, 6, "three connections in a life");
}

/// Whether the store, with this error, says of a node that there is none.
fn denies(error: StoreError) -> bool {
    matches!(error, StoreError::NotFound | StoreError::Access)
}

#[test]
fn each_reply_of_the_store_is_a_refusal_in_turn() {
    let errors = || StoreError::ALL.iter().filter(|error| !denies(**error));
    let mut n = 0;
    // Each reason comes about many times; all of them for each request would be some thousand lives.
    for &error in errors().cycle() {
        let mut world = World::<Nic>::with(());
        world.store.refuse_after(n, error);
        let what = format!("request {n}, {error:?}");
        works(&mut world, &what);
        world.input(Input::Fault);
        end(&mut world, &what, |_| 0);
        assert_eq!(world.client.in_flight(), 0, "{what}");
        if world.store.heal() {
            break;
        }
        n += 1;
    }
    assert!(n >= 40, "a life of {n} requests");
}

/// What is said not to be there is not: a feature for as long as the connection lives, a backend until the store tells of a
/// change again.
#[test]
fn each_node_is_denied_in_turn() {
    for n in 0.. {
        let error = [StoreError::NotFound, StoreError::Access][n % 2];
        let mut world = World::<Nic>::with(());
        world.store.refuse_after(n, error);
        world.run_for(PATIENCE_MS);
        world.input(Input::Fault);
        world.run_for(PATIENCE_MS);
        world.settle();
        let ahead = world.store.heal();
        end(&mut world, &format!("request {n}, {error:?}"), |_| 0);
        if ahead {
            assert!(n >= 40, "{n} requests");
            break;
        }
    }
}

/// What becomes of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Dropped,
    Broken(Violation),
}

fn reconnects(mut world: World<Nic>, what: &str) {
    world.input(Input::Fault);
    assert!(world.front.is_none(), "{what}");
    end(&mut world, what, |_| 0);
}

#[test]
fn each_answer_to_a_packet() {
    let table = [
        (0, 0, Fate::Taken),
        (0, -1, Fate::Dropped),
        (0, -2, Fate::Dropped),
        (0, 1, Fate::Broken(Violation::Status)),
        (0, 2, Fate::Broken(Violation::Status)),
        (0, -3, Fate::Broken(Violation::Status)),
        (0, i16::MIN, Fate::Broken(Violation::Status)),
        (0, i16::MAX, Fate::Broken(Violation::Status)),
        (1, 0, Fate::Broken(Violation::Id)),
        (256, 0, Fate::Broken(Violation::Id)),
        (u16::MAX, -1, Fate::Broken(Violation::Id)),
    ];
    for (wrong, status, fate) in table {
        let what = format!("id {wrong} too large, status {status}");
        let mut world = World::<Nic>::with(());
        world.settle();
        let (front, _) = world.ends();
        let mut ring = LawlessRing::<NetifTxSlot, NetifTxResponse>::new(front.tx_page().memory());
        front.send(&[1; 300], TxFlags::empty()).unwrap();
        front.show().unwrap();
        let id = ring.next_request().unwrap().as_request().id;
        let id = id.wrapping_add(wrong);
        ring.respond(&NetifTxResponse { id, status });
        let got = match front.reap() {
            Ok(0) => Fate::Taken,
            Ok(_) => Fate::Dropped,
            Err(violation) => Fate::Broken(violation),
        };
        assert_eq!(got, fate, "{what}");
        let broken = matches!(fate, Fate::Broken(_));
        assert_eq!(front.answered, u64::from(!broken), "{what}");
        assert_eq!(front.show().is_err(), broken, "{what}: the error stays");
        reconnects(world, &what);
    }
}

#[test]
fn each_answer_to_a_buffer() {
    let table = [
        (0, 0, 60, Fate::Taken),
        (0, 4036, 60, Fate::Taken),
        (0, 4037, 60, Fate::Dropped),
        (0, u16::MAX, 60, Fate::Dropped),
        (0, 0, 4096, Fate::Taken),
        (0, 0, 4097, Fate::Dropped),
        (0, 0, i16::MAX, Fate::Dropped),
        (0, 0, 0, Fate::Dropped),
        (0, 0, 13, Fate::Dropped),
        (0, 0, -1, Fate::Dropped),
        (0, 0, i16::MIN, Fate::Dropped),
        (1, 0, 60, Fate::Broken(Violation::Id)),
        (u16::MAX, 0, -1, Fate::Broken(Violation::Id)),
    ];
    for (wrong, offset, status, fate) in table {
        let what = format!("id {wrong} too large, {status} at {offset}");
        let mut world = World::<Nic>::with(());
        world.settle();
        let (front, _) = world.ends();
        let mut ring = LawlessRing::<NetifRxRequest, NetifRxSlot>::new(front.rx_page().memory());
        front.post(9);
        front.show().unwrap();
        let id = ring.next_request().unwrap().id;
        let answer = NetifRxResponse {
            id: id.wrapping_add(wrong),
            offset,
            flags: RxFlags::empty(),
            status,
        };
        ring.respond(&answer.into());
        let mut frames = Vec::new();
        let got = match front.receive(&mut frames) {
            Ok(0) => Fate::Taken,
            Ok(_) => Fate::Dropped,
            Err(violation) => Fate::Broken(violation),
        };
        assert_eq!(got, fate, "{what}");
        assert_eq!(frames.len(), usize::from(fate == Fate::Taken), "{what}");
        reconnects(world, &what);
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What the queues refuse: packets that do not fit as a whole, and backends that their owner has found out.
use super::rings::{Front, Honest, Slot, PAGE};
use crate::gso::{Gso, Kind};
use crate::tx::{Fragment, Headers, Plan, HEAD_MAX};
use crate::{Part, Received, Violation, RING_SLOTS};
use core::num::NonZeroU16;
use ring::{BackRing, SharedMemory};
use xen_sys::netif::{NetifTxResponse, TxFlags, GSO_TYPE_TCPV6, RSP_NULL};
use xen_sys::{Gfn, GrantRef};

fn pair() -> (Front, Honest) {
    let (tx, rx) = (SharedMemory::zeroed(PAGE), SharedMemory::zeroed(PAGE));
    let front = Front::new(&tx, &rx);
    let back = Honest {
        tx: BackRing::attach(&tx).unwrap(),
        rx: BackRing::attach(&rx).unwrap(),
    };
    (front, back)
}

/// Writes one slot of a packet, if the queue takes it.
fn push(front: &mut Front, plan: &Plan<'_>, index: u16) -> bool {
    let part = Part {
        index,
        gref: GrantRef(8),
        offset: 0,
        len: 1000,
    };
    front.tx.push(plan, &part, Slot::Copied).is_ok()
}

/// An interface that is taken down with a full ring and up again gets packets before there is room.
#[test]
fn a_packet_is_begun_only_if_it_fits_as_a_whole() {
    let (mut front, mut back) = pair();
    let one = Plan::copied_whole(HEAD_MAX, TxFlags::empty()).unwrap();
    let fragments = [Fragment {
        gfn: Gfn(1),
        offset: 0,
        len: 3 * PAGE as u32,
    }];
    let three = Plan::new(
        3 * PAGE as u32,
        Headers::Linear,
        &fragments,
        TxFlags::empty(),
    );
    let three = three.unwrap();
    assert_eq!(three.slots(), 3);
    for _ in 0..RING_SLOTS - 3 {
        assert!(push(&mut front, &one, 0));
    }
    for index in 0..3 {
        assert!(push(&mut front, &three, index), "it fits exactly");
    }
    assert!(!push(&mut front, &one, 0), "the ring is full");
    let _ = front.tx.show().unwrap();
    for _ in 0..2 {
        let id = back.tx.next_request().unwrap().unwrap().as_request().id;
        let response = NetifTxResponse { id, status: 0 };
        back.tx.push_response(&response).unwrap();
    }
    let _ = back.tx.push_responses_and_check_notify();
    front.reap();
    assert!(!push(&mut front, &three, 0), "two of its slots would fit");
    assert!(push(&mut front, &one, 0));
    assert!(push(&mut front, &one, 0));
}

/// The extra info takes a slot, too.
#[test]
fn a_packet_to_be_cut_is_begun_only_if_its_extra_info_fits() {
    let (mut front, mut back) = pair();
    let one = Plan::copied_whole(HEAD_MAX, TxFlags::empty()).unwrap();
    let gso = Gso {
        kind: Kind::TcpV6,
        size: NonZeroU16::new(100).unwrap(),
    };
    let two = one.with_gso(Some(gso));
    for _ in 0..RING_SLOTS - 1 {
        assert!(push(&mut front, &one, 0));
    }
    assert!(!push(&mut front, &two, 0), "one slot is left");
    let _ = front.tx.show().unwrap();
    let id = back.tx.next_request().unwrap().unwrap().as_request().id;
    let response = NetifTxResponse { id, status: 0 };
    back.tx.push_response(&response).unwrap();
    let _ = back.tx.push_responses_and_check_notify();
    front.reap();
    assert!(push(&mut front, &two, 0));
    assert_eq!(front.tx.in_flight(), RING_SLOTS as u32);
    let _ = front.tx.show().unwrap();
    let mut last = None;
    while let Some(request) = back.tx.next_request().unwrap() {
        last = Some((last.map_or(request, |(_, request)| request), request));
    }
    let (request, extra) = last.unwrap();
    let (request, extra) = (request.as_request(), extra.as_extra_info());
    assert!(request.flags.contains(TxFlags::EXTRA_INFO));
    assert!(!extra.has_more());
    let said = extra.gso().unwrap();
    assert_eq!((said.kind, said.size), (GSO_TYPE_TCPV6, 100));
}

/// Answers to slots of extra info have no id, so they are counted.
#[test]
fn no_more_answers_without_an_id_than_slots_without_one() {
    for extras in [0, 1, 3] {
        let (mut front, mut back) = pair();
        let gso = Gso {
            kind: Kind::TcpV4,
            size: NonZeroU16::new(1448).unwrap(),
        };
        let fragments = [Fragment {
            gfn: Gfn(1),
            offset: 0,
            len: 3000,
        }];
        for _ in 0..extras {
            assert!(front.send_segments(&fragments, Some(gso)));
        }
        assert!(front.send(&fragments));
        assert_eq!(front.tx.in_flight(), 2 * extras + 1);
        for _ in 0..=extras {
            let _ = back.tx.next_request().unwrap().unwrap();
            let response = NetifTxResponse {
                id: 9,
                status: RSP_NULL,
            };
            back.tx.push_response(&response).unwrap();
        }
        let _ = back.tx.push_responses_and_check_notify();
        assert_eq!(front.tx.reap(|_| ()).err(), Some(Violation::Status));
        assert_eq!(front.tx.counters().responses, extras.into());
    }
}

#[test]
fn distrust_lasts() {
    let (mut front, mut back) = pair();
    front.refill();
    let fragments = [Fragment {
        gfn: Gfn(1),
        offset: 0,
        len: 1514,
    }];
    assert!(front.send(&fragments));
    let broken = Violation::StillMapped;
    assert_eq!(front.tx.distrust(broken), broken);
    assert_eq!(front.rx.distrust(broken), broken);

    let one = Plan::copied_whole(HEAD_MAX, TxFlags::empty()).unwrap();
    assert!(push(&mut front, &one, 0));
    assert_eq!(front.tx.show().err(), Some(broken));
    assert_eq!(front.tx.reap(|_| ()).err(), Some(broken));
    assert_eq!(front.tx.arm(true), Err(broken));
    assert!(back.tx.next_request().unwrap().is_some());
    assert!(
        back.tx.next_request().unwrap().is_none(),
        "what came later is not shown"
    );
    assert_eq!(front.rx.receive(), Err::<Received, _>(broken));
    assert_eq!(front.rx.arm(), Err(broken));
    assert_eq!(front.tx.drain().count(), 2);
    assert_eq!(front.rx.drain().count(), RING_SLOTS);
}

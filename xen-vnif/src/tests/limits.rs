// SPDX-License-Identifier: GPL-2.0-only
//! What the queues refuse: packets that do not fit as a whole or cannot be copied, and backends that were found out.
use super::rings::{Front, Honest, PAGE};
use crate::gso::{Gso, Kind};
use crate::tx::Packet;
use crate::{NotPushed, Received, Violation, RING_SLOTS};
use core::num::NonZeroU16;
use ring::{BackRing, SharedMemory};
use std::vec::Vec;
use xen_sys::netif::{NetifTxResponse, TxFlags, GSO_TYPE_TCPV6, RSP_NULL};
use xen_sys::GrantRef;

fn pair() -> (Front, Honest) {
    let (tx, rx) = (SharedMemory::zeroed(PAGE), SharedMemory::zeroed(PAGE));
    let front = Front::new(&tx, &rx);
    let back = Honest {
        tx: BackRing::attach(&tx).unwrap(),
        rx: BackRing::attach(&rx).unwrap(),
    };
    (front, back)
}

const ONE: [u8; 100] = [1; 100];
const THREE: [u8; 3 * PAGE] = [3; 3 * PAGE];

fn gso(kind: Kind, size: u16) -> Option<Gso> {
    NonZeroU16::new(size).map(|size| Gso { kind, size })
}

fn answer(back: &mut Honest, count: usize) {
    for _ in 0..count {
        let id = back.tx.next_request().unwrap().unwrap().as_request().id;
        let response = NetifTxResponse { id, status: 0 };
        back.tx.push_response(&response).unwrap();
    }
    let _ = back.tx.push_responses_and_check_notify();
}

/// An interface that is taken down with a full ring and up again gets packets before there is room.
#[test]
fn a_packet_is_begun_only_if_it_fits_as_a_whole() {
    let (mut front, mut back) = pair();
    for _ in 0..RING_SLOTS - 3 {
        assert!(front.push(&ONE, None).is_ok());
    }
    assert!(front.push(&THREE, None).is_ok(), "it fits exactly");
    assert_eq!(front.push(&ONE, None), Err(NotPushed), "the ring is full");
    let _ = front.tx.show().unwrap();
    answer(&mut back, 2);
    front.tx.reap(|_| ()).unwrap();
    let three = front.push(&THREE, None);
    assert_eq!(three, Err(NotPushed), "two of its slots would fit");
    assert!(front.push(&ONE, None).is_ok());
    assert!(front.push(&ONE, None).is_ok());
}

/// Part of a packet in the ring would run into the next one.
#[test]
fn a_packet_that_cannot_be_copied_leaves_nothing_behind() {
    for (len, parts) in [(100, 1), (3 * PAGE, 3), (65535, 16)] {
        for bad in 0..parts {
            let (mut front, mut back) = pair();
            let packet = Packet::new(len as u32, TxFlags::empty(), None).unwrap();
            let mut ids = std::collections::BTreeSet::new();
            let pushed = front.tx.push(&packet, |id, part| {
                assert!(ids.insert(id), "each part has a page of its own");
                let index = part.offset / PAGE as u32;
                (index != bad).then_some(GrantRef(7))
            });
            assert_eq!(pushed, Err(NotPushed));
            assert_eq!(front.tx.in_flight(), 0);
            assert_eq!(front.tx.counters().requests, 0);
            for _ in 0..RING_SLOTS {
                assert!(front.push(&ONE, None).is_ok(), "no id is lost");
            }
            let _ = front.tx.show().unwrap();
            answer(&mut back, RING_SLOTS);
            assert_eq!(front.tx.reap(|_| ()).unwrap().slots, RING_SLOTS as u32);
        }
    }
}

/// The extra info takes a slot, too.
#[test]
fn a_packet_to_be_cut_is_begun_only_if_its_extra_info_fits() {
    let (mut front, mut back) = pair();
    let two = gso(Kind::TcpV6, 100);
    for _ in 0..RING_SLOTS - 1 {
        assert!(front.push(&ONE, None).is_ok());
    }
    assert_eq!(front.push(&ONE, two), Err(NotPushed), "one slot is left");
    let _ = front.tx.show().unwrap();
    answer(&mut back, 1);
    front.tx.reap(|_| ()).unwrap();
    assert!(front.push(&ONE, two).is_ok());
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
        for _ in 0..extras {
            front.send(&[1; 3000], gso(Kind::TcpV4, 1448));
        }
        front.send(&[1; 3000], None);
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
    front.send(&[1; 1514], None);
    let request = back.rx.next_request().unwrap().unwrap();
    let wrong = xen_sys::netif::NetifRxResponse {
        id: request.id + 1,
        offset: 0,
        flags: xen_sys::netif::RxFlags::empty(),
        status: 60,
    };
    back.rx.push_response(&wrong.into()).unwrap();
    let _ = back.rx.push_responses_and_check_notify();
    let response = NetifTxResponse { id: 200, status: 0 };
    let _ = back.tx.next_request().unwrap().unwrap();
    back.tx.push_response(&response).unwrap();
    let _ = back.tx.push_responses_and_check_notify();
    let broken = Violation::Id;
    assert_eq!(front.tx.reap(|_| ()).err(), Some(broken));
    assert!(front.push(&ONE, None).is_ok());
    assert_eq!(front.tx.show().err(), Some(broken));
    assert_eq!(front.tx.reap(|_| ()).err(), Some(broken));
    assert_eq!(front.tx.arm(true), Err(broken));
    assert!(
        back.tx.next_request().unwrap().is_none(),
        "what came later is not shown"
    );
    for _ in 0..2 {
        assert_eq!(front.rx.receive(|_| ()), Err::<Received<()>, _>(broken));
    }
    assert_eq!(front.rx.arm(), Err(broken));
    front.refill();
    let shown = std::iter::from_fn(|| back.rx.next_request().unwrap()).count();
    assert_eq!(shown, RING_SLOTS - 1, "nothing more is offered");
    assert_eq!(front.tx.let_go().count(), 1);
}

/// A backend that answers nothing keeps no packet for ever; what it answers late ends its slots all the same.
#[test]
fn packets_are_let_go_of_at_the_second_look() {
    let (mut front, mut back) = pair();
    let mut gone = Vec::new();
    assert!(!front.tx.keeps());
    front.send(&THREE, None);
    front.tx.let_go_old(|len| gone.push(len));
    front.send(&ONE, None);
    assert!(gone.is_empty() && front.tx.keeps());
    front.tx.let_go_old(|len| gone.push(len));
    assert_eq!(gone, [THREE.len()]);
    assert!(front.tx.keeps(), "the second one");
    front.tx.let_go_old(|len| gone.push(len));
    assert_eq!(gone, [THREE.len(), ONE.len()]);
    assert!(!front.tx.keeps());
    assert_eq!(front.tx.in_flight(), 4);
    answer(&mut back, 4);
    let reaped = front.tx.reap(|len| gone.push(len)).unwrap();
    assert_eq!((reaped.slots, gone.len()), (4, 2));
    assert_eq!(front.tx.in_flight(), 0);
    front.send(&ONE, None);
    answer(&mut back, 1);
    front.tx.reap(|len| gone.push(len)).unwrap();
    assert_eq!(gone.len(), 3);
    assert!(!front.tx.keeps());
}

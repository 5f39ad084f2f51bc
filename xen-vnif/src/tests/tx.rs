// SPDX-License-Identifier: GPL-2.0-only
use crate::gso::{Gso, Kind};
use crate::tx::{BadResponse, Ended, Entry, Packet, Part, TxTable, PACKET_SLOTS_MAX};
use core::num::NonZeroU16;
use proptest::prelude::*;
use std::vec::Vec;
use xen_sys::netif::{NetifTxResponse, TxFlags, RSP_DROPPED, RSP_ERROR, RSP_OKAY};
use xen_sys::GrantRef;

fn table<P>(ids: usize) -> TxTable<P, Vec<Entry<P>>> {
    TxTable::new((0..ids).map(|_| Entry::FREE).collect())
}

#[test]
fn lengths_that_no_packet_has() {
    for len in [0, 13, 65536, u32::MAX] {
        assert_eq!(Packet::new(len, TxFlags::empty(), None), None);
    }
}

#[test]
fn a_packet_of_one_page_takes_one_slot() {
    for len in [14, 66, 1514, 4096] {
        let packet = Packet::new(len.into(), TxFlags::CSUM_BLANK, None).unwrap();
        assert_eq!((packet.slots(), packet.ring_slots()), (1, 1));
        assert_eq!(packet.part(0), Part { offset: 0, len });
        let request = packet.request(0, 5, GrantRef(99));
        assert_eq!(request.flags, TxFlags::CSUM_BLANK);
        assert_eq!((request.size, request.offset), (len, 0));
        assert_eq!((request.id, request.gref.0), (5, 99));
    }
}

#[test]
fn the_first_slot_has_the_size_of_the_packet() {
    let flags = TxFlags::CSUM_BLANK | TxFlags::DATA_VALIDATED;
    let size = NonZeroU16::new(1448).unwrap();
    let kind = Kind::TcpV4;
    let packet = Packet::new(8193, flags, Some(Gso { kind, size })).unwrap();
    assert_eq!((packet.slots(), packet.ring_slots()), (3, 4));
    let more = TxFlags::MORE_DATA;
    let expected = [
        (flags | more | TxFlags::EXTRA_INFO, 8193),
        (more, 4096),
        (TxFlags::empty(), 1),
    ];
    for (index, (flags, size)) in (0..).zip(expected) {
        let request = packet.request(index, 0, GrantRef(1));
        assert_eq!((request.flags, request.size), (flags, size), "{index}");
    }
}

#[test]
fn ids_are_claimed_once() {
    let mut table = table::<&str>(4);
    let ids: Vec<_> = (0..4).map(|_| table.take().unwrap()).collect();
    assert_eq!(table.take(), None);
    assert_eq!(table.keep(ids[2], "c"), Ok(()));
    assert_eq!(table.keep(ids[2], "d"), Err("d"), "it keeps one thing");
    assert_eq!(table.keep(4, "e"), Err("e"));
    let ok = |id| NetifTxResponse {
        id,
        status: RSP_OKAY,
    };
    assert_eq!(table.complete(ok(ids[2])), Ok((Ended::Sent, Some("c"))));
    assert_eq!(
        table.complete(ok(ids[2])),
        Err(BadResponse::Id(ids[2])),
        "a duplicate"
    );
    assert_eq!(table.keep(ids[2], "f"), Err("f"), "not in flight");
    assert_eq!(table.complete(ok(4)), Err(BadResponse::Id(4)));
    assert_eq!(table.complete(ok(u16::MAX)), Err(BadResponse::Id(u16::MAX)));
    for status in [1, 2, -3, i16::MIN, i16::MAX] {
        let response = NetifTxResponse { id: ids[0], status };
        assert_eq!(table.complete(response), Err(BadResponse::Status(status)));
    }
    for (id, status) in [(ids[0], RSP_ERROR), (ids[1], RSP_DROPPED)] {
        let response = NetifTxResponse { id, status };
        assert_eq!(table.complete(response), Ok((Ended::Dropped, None)));
    }
    assert_eq!(table.in_flight(), 1);
}

#[test]
fn what_is_taken_from_an_id_leaves_it_in_flight() {
    let mut table = table::<&str>(3);
    for name in ["a", "b"] {
        let id = table.take().unwrap();
        table.keep(id, name).unwrap();
    }
    let id = table.take().unwrap();
    assert_eq!(table.payloads().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(table.payloads().count(), 0);
    assert_eq!(table.in_flight(), 3);
    assert_eq!(table.give_back(id), Some(None));
    assert_eq!(table.give_back(id), None);
    assert_eq!(table.take(), Some(id), "the one used last");
}

#[test]
fn what_is_kept_is_old_at_the_second_look() {
    let mut table = table::<&str>(3);
    let old = |table: &mut TxTable<&'static str, _>| table.old_payloads().collect::<Vec<_>>();
    let [first, second, third] = [(); 3].map(|()| table.take().unwrap());
    table.keep(first, "a").unwrap();
    assert_eq!(old(&mut table), [""; 0]);
    table.keep(second, "b").unwrap();
    assert_eq!(old(&mut table), ["a"]);
    assert_eq!(
        table.give_back(second),
        Some(Some("b")),
        "seen, and answered"
    );
    assert_eq!(table.take(), Some(second));
    assert_eq!(table.keep(second, "c"), Ok(()), "not what was seen");
    assert_eq!(table.keep(first, "d"), Ok(()), "it keeps nothing any more");
    assert_eq!(old(&mut table), [""; 0]);
    assert_eq!(old(&mut table), ["d", "c"]);
    assert_eq!(old(&mut table), [""; 0]);
    assert_eq!(table.in_flight(), 3);
    assert_eq!(table.give_back(third), Some(None));
}

proptest! {
    /// The parts are the packet: in order, without gap or overlap, none empty or longer than a page.
    #[test]
    fn slots_cover_the_packet_exactly(len in 14u32..=65535) {
        let packet = Packet::new(len, TxFlags::empty(), None).unwrap();
        prop_assert!(usize::from(packet.slots()) <= PACKET_SLOTS_MAX);
        let mut next = 0;
        for index in 0..packet.slots() {
            let part = packet.part(index);
            prop_assert_eq!(part.offset, next);
            prop_assert!((1..=4096).contains(&part.len));
            next += u32::from(part.len);
            let more = packet.request(index, 0, GrantRef(1)).flags.contains(TxFlags::MORE_DATA);
            prop_assert_eq!(more, next < len);
        }
        prop_assert_eq!(next, len);
        prop_assert!(u32::from(packet.part(0).len) >= len.min(128), "the headers are in the first slot");
    }

    /// The table against a model: a set of ids in flight.
    #[test]
    fn the_table_agrees_with_a_set(operations in prop::collection::vec((0u8..3, 0u16..20, -3i16..3), 0..200)) {
        let mut table = table::<u32>(16);
        let mut model = std::collections::BTreeMap::new();
        for (serial, (operation, id, status)) in (0u32..).zip(operations) {
            match operation {
                0 => match table.take() {
                    Some(id) => prop_assert_eq!(model.insert(id, None), None),
                    None => prop_assert_eq!(model.len(), 16),
                },
                1 => {
                    let kept = table.keep(id, serial);
                    match model.get_mut(&id) {
                        Some(place @ None) => {
                            *place = Some(serial);
                            prop_assert!(kept.is_ok());
                        }
                        _ => prop_assert_eq!(kept, Err(serial)),
                    }
                }
                _ => match table.complete(NetifTxResponse { id, status }) {
                    Ok((_, payload)) => prop_assert_eq!(model.remove(&id), Some(payload)),
                    Err(BadResponse::Id(_)) => prop_assert!(!model.contains_key(&id)),
                    Err(BadResponse::Status(_)) => prop_assert!(!(-2..=0).contains(&status)),
                },
            }
            prop_assert_eq!(usize::from(table.in_flight()), model.len());
        }
    }
}

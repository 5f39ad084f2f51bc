// SPDX-License-Identifier: GPL-2.0-only
use crate::tx::{BadResponse, Ended, Entry, Fragment, Headers, Plan, Refused, TxTable, HEAD_MAX};
use crate::PAGE_SIZE;
use proptest::prelude::*;
use std::vec::Vec;
use xen_sys::netif::{NetifTxResponse, TxFlags, RSP_DROPPED, RSP_ERROR, RSP_OKAY};
use xen_sys::{Gfn, GrantRef};

fn fragment(gfn: u64, offset: u32, len: u32) -> Fragment {
    Fragment {
        gfn: Gfn(gfn),
        offset,
        len,
    }
}

fn table<P>(ids: usize) -> TxTable<P, Vec<Entry<P>>> {
    TxTable::new((0..ids).map(|_| Entry::FREE).collect())
}

fn parts(plan: &Plan<'_>) -> Vec<(u64, u16, u16)> {
    plan.granted()
        .map(|part| (part.gfn.0, part.offset, part.len))
        .collect()
}

#[test]
fn a_small_packet_is_one_copied_slot() {
    for len in [14, 66, 106, 256] {
        let fragments = [fragment(7, 4090, len)];
        let plan = Plan::new(len, Headers::Unknown, &fragments, TxFlags::empty()).unwrap();
        assert_eq!((plan.copied(), plan.slots()), (len as u16, 1));
        assert_eq!(plan.granted().count(), 0);
        let whole = Plan::copied_whole(len, TxFlags::empty()).unwrap();
        assert_eq!(
            whole.request(0, 3, GrantRef(9), 0, len as u16),
            plan.request(0, 3, GrantRef(9), 0, len as u16)
        );
    }
    assert!(Plan::copied_whole(13, TxFlags::empty()).is_none());
    assert!(Plan::copied_whole(257, TxFlags::empty()).is_none());
}

#[test]
fn a_large_linear_packet_is_granted_in_place() {
    let fragments = [fragment(7, 0x140, 1514)];
    let plan = Plan::new(1514, Headers::Linear, &fragments, TxFlags::CSUM_BLANK).unwrap();
    assert_eq!((plan.copied(), plan.slots()), (0, 1));
    assert_eq!(parts(&plan), [(7, 0x140, 1514)]);
    let request = plan.request(0, 5, GrantRef(99), 0x140, 1514);
    assert_eq!(
        (
            request.flags.bits(),
            request.size,
            request.id,
            request.gref.0
        ),
        (1, 1514, 5, 99)
    );
}

#[test]
fn headers_and_page_fragments() {
    let fragments = [fragment(7, 0x100, 66), fragment(20, 0xc00, 1448)];
    let plan = Plan::new(
        1514,
        Headers::Linear,
        &fragments,
        TxFlags::CSUM_BLANK | TxFlags::DATA_VALIDATED,
    )
    .unwrap();
    assert_eq!((plan.copied(), plan.slots()), (66, 3));
    assert_eq!(parts(&plan), [(20, 0xc00, 0x400), (21, 0, 424)]);
    assert_eq!(
        plan.request(0, 0, GrantRef(1), 0, 66).flags.bits(),
        1 | 2 | 4
    );
    assert_eq!(plan.request(0, 0, GrantRef(1), 0, 66).size, 1514);
    assert_eq!(
        plan.request(1, 1, GrantRef(2), 0xc00, 0x400).flags.bits(),
        4
    );
    assert_eq!(plan.request(2, 2, GrantRef(3), 0, 424).flags.bits(), 0);
    assert_eq!(plan.request(2, 2, GrantRef(3), 0, 424).size, 424);
}

#[test]
fn headers_are_gathered_when_they_may_be_in_fragments() {
    let fragments = [
        fragment(7, 0x100, 14),
        fragment(20, 0xf00, 100),
        fragment(30, 0, 1400),
    ];
    let plan = Plan::new(1514, Headers::Unknown, &fragments, TxFlags::empty()).unwrap();
    assert_eq!((plan.copied(), plan.slots()), (128, 2));
    assert_eq!(parts(&plan), [(30, 14, 1386)]);
}

#[test]
fn headers_are_never_split_by_a_page_end() {
    let fragments = [fragment(7, 4000, 1514)];
    let plan = Plan::new(1514, Headers::Linear, &fragments, TxFlags::empty()).unwrap();
    assert_eq!((plan.copied(), plan.slots()), (256, 2));
    assert_eq!(parts(&plan), [(8, 160, 1258)]);
    let fragments = [fragment(7, PAGE_SIZE - HEAD_MAX, 1514)];
    let plan = Plan::new(1514, Headers::Linear, &fragments, TxFlags::empty()).unwrap();
    assert_eq!((plan.copied(), plan.slots()), (0, 2));
}

#[test]
fn refusals() {
    let fragments = [fragment(7, 0, 70000)];
    for len in [0, 13, 65536, u32::MAX] {
        assert_eq!(
            Plan::new(len, Headers::Unknown, &fragments, TxFlags::empty()).unwrap_err(),
            Refused::Length
        );
    }
    let mut many = [fragment(7, 0, 1000); 18];
    many[0].len = 100;
    let len = many.iter().map(|part| part.len).sum();
    assert_eq!(
        Plan::new(len, Headers::Unknown, &many, TxFlags::empty())
            .unwrap()
            .slots(),
        18
    );
    many[3] = fragment(9, 4095, 1000);
    assert_eq!(
        Plan::new(len, Headers::Unknown, &many, TxFlags::empty()).unwrap_err(),
        Refused::TooManySlots
    );
}

#[test]
fn ids_are_claimed_once() {
    let mut table = table::<&str>(4);
    let ids: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| table.insert(name).unwrap())
        .into();
    assert_eq!(table.next_id(), None);
    assert_eq!(table.insert("e"), Err("e"));
    let ok = |id| NetifTxResponse {
        id,
        status: RSP_OKAY,
    };
    assert_eq!(table.complete(ok(ids[2])), Ok((Ended::Sent, "c")));
    assert_eq!(
        table.complete(ok(ids[2])),
        Err(BadResponse::Id(ids[2])),
        "a duplicate"
    );
    assert_eq!(table.complete(ok(4)), Err(BadResponse::Id(4)));
    assert_eq!(table.complete(ok(u16::MAX)), Err(BadResponse::Id(u16::MAX)));
    for status in [1, 2, -3, i16::MIN, i16::MAX] {
        let response = NetifTxResponse { id: ids[0], status };
        assert_eq!(table.complete(response), Err(BadResponse::Status(status)));
    }
    for status in [RSP_ERROR, RSP_DROPPED] {
        let id = table.next_id().unwrap_or(ids[0]);
        if table.in_flight() < 4 {
            table.insert("again").unwrap();
        }
        assert_eq!(
            table.complete(NetifTxResponse { id, status }).unwrap().0,
            Ended::Dropped
        );
    }
    let mut rest: Vec<_> = table.drain().collect();
    rest.sort_unstable();
    assert_eq!(rest, ["a", "b", "d"]);
    assert_eq!(table.in_flight(), 0);
}

fn fragments() -> impl Strategy<Value = Vec<Fragment>> {
    prop::collection::vec((0u64..1000, 0u32..20000, 0u32..6000), 1..19).prop_map(|list| {
        list.into_iter()
            .map(|(gfn, offset, len)| fragment(gfn * 100, offset, len))
            .collect()
    })
}

/// Every byte address of the packet, in order.
fn bytes(fragments: &[Fragment]) -> impl Iterator<Item = u64> + '_ {
    fragments.iter().flat_map(|part| {
        (0..u64::from(part.len)).map(|at| part.gfn.0 * 4096 + u64::from(part.offset) + at)
    })
}

proptest! {
    /// What is granted is exactly the packet without its copied head; no slot is empty or crosses a page, and the
    /// head is in the first slot.
    #[test]
    fn slots_cover_the_packet_exactly(list in fragments()) {
        let len: u32 = list.iter().map(|part| part.len).sum();
        match Plan::new(len, Headers::Unknown, &list, TxFlags::empty()) {
            Err(Refused::Length) => prop_assert!(!(14..=65535).contains(&len)),
            Err(Refused::TooManySlots) => prop_assert!(list.len() > 1),
            Ok(plan) => {
                let copied = u32::from(plan.copied());
                let mut expected = bytes(&list).skip(copied as usize);
                let mut first = copied;
                let mut slots = u16::from(copied != 0);
                for part in plan.granted() {
                    prop_assert!(part.len > 0 && u32::from(part.offset) + u32::from(part.len) <= PAGE_SIZE);
                    if first == 0 {
                        first = part.len.into();
                    }
                    slots += 1;
                    for at in 0..part.len {
                        prop_assert_eq!(expected.next(), Some(part.gfn.0 * 4096 + u64::from(part.offset + at)));
                    }
                }
                prop_assert_eq!(expected.next(), None);
                prop_assert_eq!(slots, plan.slots());
                prop_assert!(slots <= 18);
                prop_assert!(first >= len.min(128), "the headers are in the first slot");
                prop_assert!(copied <= HEAD_MAX);
            }
        }
    }

    /// A linear packet of any size always fits, so that making a packet linear is a way out.
    #[test]
    fn linear_packets_always_fit(offset in 0u32..4096, len in 14u32..=65535) {
        let list = [fragment(1, offset, len)];
        prop_assert!(Plan::new(len, Headers::Unknown, &list, TxFlags::empty()).is_ok());
    }

    /// The table against a model: a set of ids in flight.
    #[test]
    fn the_table_agrees_with_a_set(operations in prop::collection::vec((any::<bool>(), 0u16..20, -3i16..3), 0..200)) {
        let mut table = table::<u32>(16);
        let mut model = std::collections::BTreeMap::new();
        for (serial, (insert, id, status)) in (0u32..).zip(operations) {
            if insert {
                let next = table.next_id();
                match table.insert(serial) {
                    Ok(id) => {
                        prop_assert_eq!(next, Some(id));
                        prop_assert_eq!(model.insert(id, serial), None);
                    }
                    Err(_) => prop_assert_eq!(model.len(), 16),
                }
            } else {
                match table.complete(NetifTxResponse { id, status }) {
                    Ok((_, payload)) => prop_assert_eq!(model.remove(&id), Some(payload)),
                    Err(BadResponse::Id(_)) => prop_assert!(!model.contains_key(&id)),
                    Err(BadResponse::Status(_)) => prop_assert!(!(-2..=0).contains(&status)),
                }
            }
            prop_assert_eq!(usize::from(table.in_flight()), model.len());
        }
    }
}

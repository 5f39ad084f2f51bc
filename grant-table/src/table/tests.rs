// SPDX-License-Identifier: GPL-2.0-only
//! The table by itself.

use super::*;
use std::vec::Vec;

type Table = RefTable<u32, Vec<Slot<u32>>, 3>;

const PEER: Domid = Domid(7);
const ME: AccountId = AccountId::NOBODY;

fn chunk(len: usize) -> Vec<Slot<u32>> {
    (0..len).map(|_| Slot::new()).collect()
}

fn table(frames: usize, per_frame: usize) -> Table {
    let mut table = Table::new(RevokePolicy::DEFAULT);
    for _ in 0..frames {
        table.add_frame(chunk(per_frame), 0, |_| None).unwrap();
    }
    table
}

#[test]
fn empty_table_has_nothing() {
    let mut table = table(0, 0);
    assert_eq!(
        table.allocate(ME),
        Err(NoSpace::Table { wanted: 1, free: 0 })
    );
    assert_eq!(table.free(GrantRef(0)), Err(NotInUse));
    assert_eq!(table.counters(), Counters::default());
    assert_eq!(table.allocate_many(ME, &mut []), Ok(()));
}

#[test]
fn reserved_entries_are_never_handed_out() {
    let mut table = table(1, 16);
    let mut all: Vec<u32> = (0..8).map(|_| table.allocate(ME).unwrap().0).collect();
    all.sort_unstable();
    assert_eq!(all, (8..16).collect::<Vec<u32>>());
    assert!(table.allocate(ME).is_err());
    for reserved in 0..RESERVED_ENTRIES {
        assert_eq!(table.free(GrantRef(reserved)), Err(NotInUse));
    }
}

#[test]
fn frames_smaller_than_the_reserved_range() {
    let table = table(3, 4);
    assert_eq!(table.counters().total, 12);
    assert_eq!(table.counters().free, 4);
}

#[test]
fn bulk_is_all_or_nothing() {
    let mut table = table(1, 16);
    let mut out = [GrantRef(99); 9];
    assert_eq!(
        table.allocate_many(ME, &mut out),
        Err(NoSpace::Table { wanted: 9, free: 8 })
    );
    assert_eq!(out, [GrantRef(99); 9]);
    assert_eq!(table.counters().free, 8);
    table.allocate_many(ME, &mut out[..8]).unwrap();
    assert_eq!(table.counters().free, 0);
    assert_eq!(table.counters().in_use, 8);
}

#[test]
fn double_free_is_detected() {
    let mut table = table(1, 16);
    let gref = table.allocate(ME).unwrap();
    assert_eq!(table.free(gref), Ok(()));
    assert_eq!(table.free(gref), Err(NotInUse));
    assert_eq!(table.free(GrantRef(16)), Err(NotInUse));
    assert_eq!(table.free(GrantRef(u32::MAX)), Err(NotInUse));
    assert_eq!(table.counters().free, 8);
}

#[test]
fn deferred_reference_can_be_neither_freed_nor_deferred_again() {
    let mut table = table(1, 16);
    let gref = table.allocate(ME).unwrap();
    table.defer(gref, PEER, Some(1), 0).unwrap();
    assert_eq!(table.free(gref), Err(NotInUse));
    assert_eq!(
        table.defer(gref, PEER, Some(2), 0),
        Err((NotInUse, Some(2)))
    );
    assert_eq!(table.counters().deferred, 1);
}

#[test]
fn a_frame_of_an_odd_size_is_refused() {
    for len in [0, 3, 12, 511] {
        let mut table = table(0, 0);
        assert!(table.add_frame(chunk(len), 0, |_| None).is_err(), "{len}");
        assert_eq!(table.counters(), Counters::default());
    }
}

#[test]
fn every_reference_of_every_frame_is_one() {
    for per_frame in [1, 2, 4, 512] {
        let mut table = table(3, per_frame);
        let mut all: Vec<u32> = core::iter::from_fn(|| Some(table.allocate(ME).ok()?.0)).collect();
        all.sort_unstable();
        assert_eq!(all, (8..3 * per_frame as u32).collect::<Vec<_>>());
        assert_eq!(table.free(GrantRef(3 * per_frame as u32)), Err(NotInUse));
        assert!(all.iter().all(|&gref| table.free(GrantRef(gref)).is_ok()));
    }
}

#[test]
fn growth_stops_at_the_last_frame_and_keeps_its_size() {
    let mut table = table(1, 16);
    assert_eq!(table.add_frame(chunk(8), 0, |_| None).unwrap_err().len(), 8);
    assert!(table.add_frame(chunk(0), 0, |_| None).is_err());
    assert!(table.add_frame(chunk(24), 0, |_| None).is_err());
    table.add_frame(chunk(16), 0, |_| None).unwrap();
    table.add_frame(chunk(16), 0, |_| None).unwrap();
    assert!(table.add_frame(chunk(16), 0, |_| None).is_err());
    assert_eq!(table.counters().free, 40);
    assert_eq!(table.counters().frames, 3);
}

#[test]
fn dismantled_table_gives_its_storage_back_and_nothing_else() {
    let mut table = table(2, 16);
    let gref = table.allocate(ME).unwrap();
    table.defer(gref, PEER, Some(5), 0).unwrap();
    let chunks: Vec<_> = core::iter::from_fn(|| table.dismantle()).collect();
    assert_eq!(chunks.len(), 2);
    assert_eq!(table.counters(), Counters::default());
    assert!(table.allocate(ME).is_err());
    assert_eq!(table.free(gref), Err(NotInUse));
    let mut tick = table.begin_tick(100);
    assert_eq!(table.step(&mut tick, |_| true), crate::Step::Done);
    table.add_frame(chunk(16), 0, |_| None).unwrap();
    assert_eq!(table.counters().free, 8);
}

#[test]
fn references_of_a_previous_load_are_not_handed_out() {
    let mut table = Table::new(RevokePolicy::DEFAULT);
    table
        .add_frame(chunk(16), 0, |gref| {
            matches!(gref.0, 0 | 9 | 11).then_some(PEER)
        })
        .unwrap();
    assert_eq!(table.counters().deferred, 2);
    let mut all = [GrantRef(0); 6];
    table.allocate_many(ME, &mut all).unwrap();
    assert_eq!(all.map(|gref| gref.0), [8, 10, 12, 13, 14, 15]);
    assert!(table.allocate(ME).is_err());
}

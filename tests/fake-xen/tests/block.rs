// SPDX-License-Identifier: GPL-2.0-only
//! The block frontend's core against an honest backend, grants and events included.
mod common;

use std::sync::Arc;

use common::block::{Disk, End};
use fake_xen::{Blkback, FakeXen, Grants, Order};
use proptest::prelude::*;
use vbd_core::Outcome;

const SECTORS: usize = 2048;

fn machine() -> (Arc<FakeXen>, Arc<Grants>) {
    let xen = FakeXen::new(1, 1000);
    let grants = Grants::new(&xen, 4).unwrap();
    (xen, grants)
}

fn pair(xen: &Arc<FakeXen>, grants: &Arc<Grants>, disk: Vec<u8>) -> (Disk, Blkback) {
    let mut front = Disk::new(xen, grants);
    front.allow_indirect();
    let back = Blkback::connect(xen, front.ring_ref(), front.port, disk).unwrap();
    (front, back)
}

fn pattern(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

/// Nothing is left of a device that has gone.
#[track_caller]
fn assert_clean(xen: &Arc<FakeXen>, grants: &Arc<Grants>) {
    xen.assert_sound();
    assert_eq!(grants.counters().in_use, 0);
    assert_eq!(grants.counters().deferred, 0);
    assert_eq!(xen.granted(), []);
    assert_eq!(xen.guest_pages(), 0);
    assert_eq!(xen.open_ports(), 0);
}

#[test]
fn a_write_is_read_back() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants, vec![0; SECTORS * 512]);
    let data = pattern(1, 11 * 4096);
    assert!(front.submit(0, 100, data.len(), Some(&data)));
    front.commit();
    assert!(back.was_notified());
    assert_eq!(back.run(99), 1);
    front.collect().unwrap();
    assert_eq!(&back.disk()[100 * 512..][..data.len()], &data[..]);
    assert!(front.submit(7, 100, data.len(), None));
    assert!(front.flush(8));
    front.commit();
    assert_eq!(back.run(99), 2);
    front.collect().unwrap();
    assert_eq!(front.data(1), data);
    assert_eq!(back.flushes(), 1);
    drop(back);
    drop(front);
    assert_clean(&xen, &grants);
}

/// Two pages more than a direct request holds, and as many as fit an indirect one; with pages mapped each time and for good.
#[test]
fn a_large_write_is_read_back() {
    for (persistent, pages) in [(false, 13), (true, 13), (false, 256), (true, 256)] {
        let (xen, grants) = machine();
        let (mut front, mut back) = pair(&xen, &grants, vec![0; 2 * SECTORS * 512]);
        if persistent {
            back.set_persistent();
        }
        let data = pattern(pages as u8, pages * 4096 - 512);
        assert!(front.submit(0, 100, data.len(), None));
        front.commit();
        assert_eq!(back.run(99), 1);
        front.collect().unwrap();
        assert_eq!(front.data(0), vec![0; data.len()]);
        // This frontend's writes are granted read-only, which is too little for a page that stays mapped.
        if !persistent {
            assert!(front.submit(31, 100, data.len(), Some(&data)));
            front.commit();
            assert_eq!(back.run(99), 1);
            front.collect().unwrap();
            assert_eq!(&back.disk()[100 * 512..][..data.len()], &data[..]);
        }
        assert_eq!(back.indirect(), 2 - u64::from(persistent));
        drop((back, front));
        grants.tick(1);
        assert_clean(&xen, &grants);
    }
}

#[test]
fn errors_are_told_apart() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants, vec![0; 8 * 512]);
    assert!(front.submit(0, 7, 1024, None), "the backend is to refuse");
    front.commit();
    back.run(9);
    front.collect().unwrap();
    assert!(matches!(front.ended[&0], End::Answered(Outcome::Failed, _)));
    assert!(!front.submit(0, 0, 0, None));
    assert!(!front.submit(0, 0, 511, None));
    assert!(!front.submit(0, 0, 256 * 4096 + 512, None));
    assert!(!front.submit(32, 0, 512, None), "a tag beyond the ring");
}

#[test]
fn the_whole_ring_and_not_one_more() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants, vec![7; SECTORS * 512]);
    for round in 0..5 {
        for tag in 0..front.queue.depth() {
            assert!(front.submit(tag, tag as u64, 512, None), "round {round}");
            assert!(!front.submit(tag, 0, 512, None), "the tag is taken");
        }
        front.commit();
        assert_eq!(back.run(99), 32);
        front.collect().unwrap();
        assert_eq!(front.ended.len(), 32 * (round + 1));
    }
    assert!(front.queue.counters().notifies_saved() >= 150);
}

/// A page that the backend keeps mapped is neither freed nor reused, and comes back when it lets go.
#[test]
fn a_backend_that_keeps_pages() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants, vec![0; SECTORS * 512]);
    back.set_persistent();
    let data = pattern(3, 3 * 4096);
    // A persistent backend maps for writing; this frontend grants writes read-only, so only reads are kept.
    assert!(front.submit(0, 0, data.len(), None));
    front.commit();
    back.run(9);
    front.collect().unwrap();
    assert_eq!(grants.counters().deferred, 3);
    assert_eq!(
        xen.guest_pages(),
        36,
        "the ring, its 32 pages of segments, and three"
    );
    assert_eq!(grants.tick(1), 0);
    drop(back);
    assert_eq!(grants.tick(2), 3);
    drop(front);
    assert_clean(&xen, &grants);
}

#[test]
fn the_backend_goes_away() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants, vec![0; SECTORS * 512]);
    for tag in 0..10 {
        assert!(front.submit(tag, 0, 4096, None));
    }
    front.commit();
    assert_eq!(back.run(4), 4);
    front.collect().unwrap();
    drop(back);
    front.take_back();
    let taken_back = front.ended.values().filter(|end| **end == End::TakenBack);
    assert_eq!(taken_back.count(), 6);
    assert_eq!(front.ended.len(), 10);
    drop(front);
    assert_clean(&xen, &grants);
}

/// The ring's own page too is left to a backend that does not let go.
#[test]
fn the_frontend_goes_first() {
    let (xen, grants) = machine();
    let (mut front, back) = pair(&xen, &grants, vec![0; SECTORS * 512]);
    assert!(front.submit(0, 0, 4096, None));
    front.commit();
    drop(front);
    assert_eq!(grants.counters().deferred, 1);
    xen.assert_sound();
    drop(back);
    assert_eq!(grants.tick(1), 1);
    assert_clean(&xen, &grants);
}

#[test]
fn reconnecting_again_and_again() {
    let (xen, grants) = machine();
    let mut disk = vec![0; SECTORS * 512];
    for round in 0..20u8 {
        let (mut front, mut back) = pair(&xen, &grants, disk);
        let data = pattern(round, 4096);
        assert!(front.submit(3, u64::from(round) * 8, 4096, Some(&data)));
        front.commit();
        back.run(9);
        front.collect().unwrap();
        disk = back.disk().to_vec();
        drop((front, back));
        grants.tick(u64::from(round));
        assert_clean(&xen, &grants);
        assert_eq!(&disk[usize::from(round) * 4096..][..4096], &data[..]);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Read {
        sector: u64,
        sectors: usize,
    },
    Write {
        sector: u64,
        sectors: usize,
        seed: u8,
    },
    Flush,
    Commit,
    Serve(usize),
    Collect,
    Order(Order),
}

fn op() -> impl Strategy<Value = Op> {
    let sectors = || prop_oneof![1usize..=88, 89usize..=400];
    let place = || (0..(SECTORS - 400) as u64, sectors());
    let order = prop::sample::select(vec![Order::Fifo, Order::Lifo, Order::Interleaved]);
    prop_oneof![
        4 => place().prop_map(|(sector, sectors)| Op::Read { sector, sectors }),
        4 => (place(), any::<u8>())
            .prop_map(|((sector, sectors), seed)| Op::Write { sector, sectors, seed }),
        1 => Just(Op::Flush),
        3 => Just(Op::Commit),
        3 => (0usize..40).prop_map(Op::Serve),
        3 => Just(Op::Collect),
        1 => order.prop_map(Op::Order),
    ]
}

/// The frontend and backend, and what each read ought to give if nothing overlaps it in flight.
struct Model {
    front: Disk,
    back: Blkback,
    tags: Vec<Option<(u64, u64, usize, bool)>>,
    disk: Vec<u8>,
    expected: Vec<(u64, Vec<u8>)>,
}

impl Model {
    /// A tag, unless a write in flight overlaps the range (or anything does, for a write).
    fn tag(&self, sector: u64, sectors: usize, write: bool) -> Option<usize> {
        let end = sector + sectors as u64;
        let clash = self.tags.iter().flatten().any(|&(_, other, count, wrote)| {
            (write || wrote) && sector < other + count as u64 && other < end
        });
        let free = self.tags.iter().position(Option::is_none)?;
        (!clash).then_some(free)
    }

    fn submit(&mut self, sector: u64, sectors: usize, seed: Option<u8>) {
        let Some(tag) = self.tag(sector, sectors, seed.is_some()) else {
            return;
        };
        let (start, bytes) = (sector as usize * 512, sectors * 512);
        let number = self.front.submitted;
        let data = seed.map(|seed| pattern(seed, bytes));
        assert!(self.front.submit(tag, sector, bytes, data.as_deref()));
        match data {
            Some(data) => self.disk[start..start + bytes].copy_from_slice(&data),
            None => {
                let data = self.disk[start..start + bytes].to_vec();
                self.expected.push((number, data));
            }
        }
        self.tags[tag] = Some((number, sector, sectors, seed.is_some()));
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Read { sector, sectors } => self.submit(sector, sectors, None),
            Op::Write {
                sector,
                sectors,
                seed,
            } => self.submit(sector, sectors, Some(seed)),
            Op::Flush => {
                if let Some(tag) = self.tags.iter().position(Option::is_none) {
                    self.tags[tag] = Some((self.front.submitted, 0, 0, false));
                    assert!(self.front.flush(tag));
                }
            }
            Op::Commit => self.front.commit(),
            Op::Serve(most) => drop(self.back.run(most)),
            Op::Collect => {
                self.front.collect().unwrap();
                for tag in &mut self.tags {
                    let ended = &self.front.ended;
                    *tag = tag.filter(|(number, ..)| !ended.contains_key(number));
                }
            }
            Op::Order(order) => self.back.set_order(order),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is asked in whatever order and answered in whatever other: the disk is what the writes made it, and
    /// each read gives what was there.
    #[test]
    fn the_disk_is_what_was_written(ops in prop::collection::vec(op(), 0..120)) {
        let (xen, grants) = machine();
        let (front, back) = pair(&xen, &grants, vec![0; SECTORS * 512]);
        let depth = front.queue.depth();
        let mut model = Model {
            front,
            back,
            tags: vec![None; depth],
            disk: vec![0; SECTORS * 512],
            expected: Vec::new(),
        };
        for op in ops.iter().chain(&[Op::Commit, Op::Serve(99), Op::Collect]) {
            model.apply(op);
        }
        prop_assert_eq!(model.front.ended.len() as u64, model.front.submitted);
        for (number, data) in std::mem::take(&mut model.expected) {
            prop_assert_eq!(model.front.data(number), data);
        }
        prop_assert!(model.back.disk() == model.disk);
        drop(model);
        grants.tick(1);
        assert_clean(&xen, &grants);
    }
}

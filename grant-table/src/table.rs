// SPDX-License-Identifier: GPL-2.0-only
//! Which grant references are free, in use, or still mapped by a peer.
//!
//! Every reference has one [`Slot`], and a slot is on at most one list, so one
//! link field serves them all: allocate, free, defer and one retry are O(1) and
//! touch no memory but the slots.

use crate::deferred::RevokePolicy;
use crate::kept::{Account, Ledger, TooManyKept};
use crate::list::{List, NIL};
use core::marker::PhantomData;
use core::ops::DerefMut;
use xen_sys::{Domid, GrantRef};

/// The first entries of the table belong to the toolstack (console, xenstore)
/// and are never handed out: `GNTTAB_NR_RESERVED_ENTRIES`.
pub const RESERVED_ENTRIES: u32 = 8;

/// Not enough free references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpace {
    /// References asked for.
    pub wanted: u32,
    /// References free at that moment; none of them was taken.
    pub free: u32,
}

/// The reference is not one that was handed out: freed twice, reserved, on the
/// deferred list, or outside the table. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInUse;

/// State of one reference.
#[derive(Debug)]
pub(crate) enum State<T> {
    /// The toolstack's.
    Reserved,
    /// On the free list.
    Free,
    /// Handed out.
    InUse,
    /// On the fresh or the stale list until the peer lets go.
    Deferred {
        /// What may be released then, if it is ours to release.
        owner: Option<T>,
        /// Retries that found it still mapped.
        tries: u32,
        /// Where the page is counted.
        account: Account,
    },
}

/// Bookkeeping of one reference. `T` is what owns a granted page while the
/// page waits for its peer.
#[derive(Debug)]
pub struct Slot<T> {
    pub(crate) state: State<T>,
    pub(crate) link: u32,
}

impl<T> Slot<T> {
    /// A slot as [`RefTable::add_frame`] wants it.
    pub const fn new() -> Self {
        Self {
            state: State::Reserved,
            link: NIL,
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// How the references of a table are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All references of the frames added so far, the reserved ones too.
    pub total: u32,
    /// References that can be allocated now.
    pub free: u32,
    /// References handed out.
    pub in_use: u32,
    /// References waiting for their peer to let go.
    pub deferred: u32,
    /// Frames added so far.
    pub frames: u32,
}

/// All references of a grant table of at most `FRAMES` frames.
///
/// `C` is the caller's storage for the slots of one frame, such as a boxed
/// slice; every frame has as many slots as the first, a power of two.
#[derive(Debug)]
pub struct RefTable<T, C, const FRAMES: usize> {
    chunks: [Option<C>; FRAMES],
    /// The lower bits of a reference, so many, are its place in its frame, the
    /// others the frame. A division would cost more than all the rest.
    frame_shift: u32,
    /// Those lower bits.
    frame_mask: u32,
    counters: Counters,
    free: List,
    /// Deferred references that are tried at every tick.
    pub(crate) fresh: List,
    /// Deferred references that are tried rarely.
    pub(crate) stale: List,
    /// Who keeps the deferred ones.
    pub(crate) kept: Ledger,
    pub(crate) policy: RevokePolicy,
    /// When the stale list is due, in the caller's seconds.
    pub(crate) stale_due: u64,
    owner: PhantomData<T>,
}

impl<T, C, const FRAMES: usize> RefTable<T, C, FRAMES> {
    /// A table without frames.
    pub const fn new(policy: RevokePolicy) -> Self {
        Self {
            chunks: [const { None }; FRAMES],
            frame_shift: 0,
            frame_mask: 0,
            counters: Counters {
                total: 0,
                free: 0,
                in_use: 0,
                deferred: 0,
                frames: 0,
            },
            free: List::EMPTY,
            fresh: List::EMPTY,
            stale: List::EMPTY,
            kept: Ledger::EMPTY,
            policy,
            stale_due: 0,
            owner: PhantomData,
        }
    }

    /// How the references are spread now.
    pub fn counters(&self) -> Counters {
        let deferred = self.fresh.len.saturating_add(self.stale.len);
        let taken = self.free.len.saturating_add(deferred);
        Counters {
            free: self.free.len,
            deferred,
            in_use: self
                .counters
                .total
                .saturating_sub(taken)
                .saturating_sub(self.reserved()),
            ..self.counters
        }
    }

    /// Whether the domains have let go of enough to share more pages with `domid`.
    ///
    /// # Errors
    /// [`TooManyKept`], by the limits of the [`RevokePolicy`].
    pub fn may_share_with(&self, domid: Domid) -> Result<(), TooManyKept> {
        let (own, all) = (self.kept.pages_of(domid), self.counters().deferred);
        if own > self.policy.kept_by_domain {
            return Err(TooManyKept::ByDomain(own));
        }
        if all > self.policy.kept_by_all {
            return Err(TooManyKept::ByAll(all));
        }
        Ok(())
    }

    fn reserved(&self) -> u32 {
        self.counters.total.min(RESERVED_ENTRIES)
    }
}

impl<T, C: DerefMut<Target = [Slot<T>]>, const FRAMES: usize> RefTable<T, C, FRAMES> {
    /// Adds the slots of the next frame.
    ///
    /// `holder` tells to whom a reference's entry already grants something: a
    /// previous load of the module may have left pages which a peer still maps.
    /// Such a reference goes to the deferred list instead of the free one.
    ///
    /// # Errors
    /// The chunk comes back when the table is full, or the chunk's length is no
    /// power of two or differs from the first one's.
    pub fn add_frame(
        &mut self,
        chunk: C,
        mut holder: impl FnMut(GrantRef) -> Option<Domid>,
    ) -> Result<(), C> {
        let Ok(len) = u32::try_from(chunk.len()) else {
            return Err(chunk);
        };
        let Some(shift) = len.checked_ilog2().filter(|_| len.is_power_of_two()) else {
            return Err(chunk);
        };
        let first = self.counters.total;
        let end = first.checked_add(len).filter(|&end| end < NIL);
        let (Some(end), true) = (end, first == 0 || shift == self.frame_shift) else {
            return Err(chunk);
        };
        let Some(place) = self.chunks.get_mut(self.counters.frames as usize) else {
            return Err(chunk);
        };
        *place = Some(chunk);
        self.frame_shift = shift;
        self.frame_mask = len.wrapping_sub(1);
        self.counters.total = end;
        self.counters.frames = self.counters.frames.saturating_add(1);
        for index in (first.max(RESERVED_ENTRIES)..end).rev() {
            match holder(GrantRef(index)) {
                Some(domid) => self.enter_deferred(index, domid, None),
                None => self.enter_free(index),
            }
        }
        Ok(())
    }

    /// Takes one free reference, the one most recently freed.
    ///
    /// # Errors
    /// [`NoSpace`].
    pub fn allocate(&mut self) -> Result<GrantRef, NoSpace> {
        let index = self.take_free().ok_or(NoSpace { wanted: 1, free: 0 })?;
        Ok(GrantRef(index))
    }

    /// Fills `out` with free references: all of it or nothing.
    ///
    /// # Errors
    /// [`NoSpace`]; `out` is unchanged.
    pub fn allocate_many(&mut self, out: &mut [GrantRef]) -> Result<(), NoSpace> {
        let free = self.free.len;
        let wanted = u32::try_from(out.len()).unwrap_or(u32::MAX);
        if wanted > free {
            return Err(NoSpace { wanted, free });
        }
        for place in out {
            *place = self.allocate()?;
        }
        Ok(())
    }

    /// Gives a reference back whose entry grants nothing any more.
    ///
    /// # Errors
    /// [`NotInUse`].
    pub fn free(&mut self, gref: GrantRef) -> Result<(), NotInUse> {
        match self.slot(gref.0) {
            Some(slot) if matches!(slot.state, State::InUse) => {
                self.enter_free(gref.0);
                Ok(())
            }
            _ => Err(NotInUse),
        }
    }

    /// Leaves a reference, and what owns its page, to the deferred list: the
    /// peer, `domid`, still maps the page.
    ///
    /// # Errors
    /// [`NotInUse`], with the owner.
    pub fn defer(
        &mut self,
        gref: GrantRef,
        domid: Domid,
        owner: Option<T>,
    ) -> Result<(), (NotInUse, Option<T>)> {
        match self.slot(gref.0) {
            Some(slot) if matches!(slot.state, State::InUse) => {
                self.enter_deferred(gref.0, domid, owner);
                Ok(())
            }
            _ => Err((NotInUse, owner)),
        }
    }

    /// Takes the table apart: gives the storage of one frame back at each call,
    /// and has no references any more. Owners that still wait are in the
    /// storage and dropped with it.
    pub fn dismantle(&mut self) -> Option<C> {
        self.free = List::EMPTY;
        self.fresh = List::EMPTY;
        self.stale = List::EMPTY;
        self.kept = Ledger::EMPTY;
        self.counters = Counters::default();
        self.chunks.iter_mut().find_map(Option::take)
    }

    #[inline]
    pub(crate) fn slot(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let frame = index.wrapping_shr(self.frame_shift);
        let offset = index & self.frame_mask;
        let chunk = self.chunks.get_mut(frame as usize)?.as_mut()?;
        chunk.get_mut(offset as usize)
    }

    /// Puts `index` at the front of the free list: the entry used last is the
    /// one most likely in the cache.
    pub(crate) fn enter_free(&mut self, index: u32) {
        let head = self.free.head;
        if let Some(slot) = self.slot(index) {
            slot.state = State::Free;
            slot.link = head;
            self.free.head = index;
            // No list is longer than the table.
            self.free.len = self.free.len.wrapping_add(1);
        }
    }

    fn take_free(&mut self) -> Option<u32> {
        let index = self.free.head;
        let slot = self.slot(index)?;
        slot.state = State::InUse;
        self.free.head = slot.link;
        self.free.len = self.free.len.wrapping_sub(1);
        Some(index)
    }

    fn enter_deferred(&mut self, index: u32, domid: Domid, owner: Option<T>) {
        let account = self.kept.add(domid);
        if let Some(slot) = self.slot(index) {
            slot.state = State::Deferred {
                owner,
                tries: 0,
                account,
            };
            self.fresh = self.appended(self.fresh, index);
        }
    }

    /// `list` with `index` as its new last element.
    pub(crate) fn appended(&mut self, mut list: List, index: u32) -> List {
        if let Some(slot) = self.slot(index) {
            slot.link = NIL;
            match self.slot(list.tail) {
                Some(last) => last.link = index,
                None => list.head = index,
            }
            list.tail = index;
            list.len = list.len.saturating_add(1);
        }
        list
    }

    /// `list` without its first element.
    pub(crate) fn shortened(&mut self, mut list: List) -> List {
        if let Some(slot) = self.slot(list.head) {
            list.head = slot.link;
            list.len = list.len.saturating_sub(1);
            if list.head == NIL {
                list.tail = NIL;
            }
        }
        list
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    type Table = RefTable<u32, Vec<Slot<u32>>, 3>;

    const PEER: Domid = Domid(7);

    fn chunk(len: usize) -> Vec<Slot<u32>> {
        (0..len).map(|_| Slot::new()).collect()
    }

    fn table(frames: usize, per_frame: usize) -> Table {
        let mut table = Table::new(RevokePolicy::DEFAULT);
        for _ in 0..frames {
            table.add_frame(chunk(per_frame), |_| None).unwrap();
        }
        table
    }

    #[test]
    fn empty_table_has_nothing() {
        let mut table = table(0, 0);
        assert_eq!(table.allocate(), Err(NoSpace { wanted: 1, free: 0 }));
        assert_eq!(table.free(GrantRef(0)), Err(NotInUse));
        assert_eq!(table.counters(), Counters::default());
        assert_eq!(table.allocate_many(&mut []), Ok(()));
    }

    #[test]
    fn reserved_entries_are_never_handed_out() {
        let mut table = table(1, 16);
        let mut all: Vec<u32> = (0..8).map(|_| table.allocate().unwrap().0).collect();
        all.sort_unstable();
        assert_eq!(all, (8..16).collect::<Vec<u32>>());
        assert!(table.allocate().is_err());
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
            table.allocate_many(&mut out),
            Err(NoSpace { wanted: 9, free: 8 })
        );
        assert_eq!(out, [GrantRef(99); 9]);
        assert_eq!(table.counters().free, 8);
        table.allocate_many(&mut out[..8]).unwrap();
        assert_eq!(table.counters().free, 0);
        assert_eq!(table.counters().in_use, 8);
    }

    #[test]
    fn double_free_is_detected() {
        let mut table = table(1, 16);
        let gref = table.allocate().unwrap();
        assert_eq!(table.free(gref), Ok(()));
        assert_eq!(table.free(gref), Err(NotInUse));
        assert_eq!(table.free(GrantRef(16)), Err(NotInUse));
        assert_eq!(table.free(GrantRef(u32::MAX)), Err(NotInUse));
        assert_eq!(table.counters().free, 8);
    }

    #[test]
    fn deferred_reference_can_be_neither_freed_nor_deferred_again() {
        let mut table = table(1, 16);
        let gref = table.allocate().unwrap();
        table.defer(gref, PEER, Some(1)).unwrap();
        assert_eq!(table.free(gref), Err(NotInUse));
        assert_eq!(table.defer(gref, PEER, Some(2)), Err((NotInUse, Some(2))));
        assert_eq!(table.counters().deferred, 1);
    }

    #[test]
    fn a_frame_of_an_odd_size_is_refused() {
        for len in [0, 3, 12, 511] {
            let mut table = table(0, 0);
            assert!(table.add_frame(chunk(len), |_| None).is_err(), "{len}");
            assert_eq!(table.counters(), Counters::default());
        }
    }

    #[test]
    fn every_reference_of_every_frame_is_one() {
        for per_frame in [1, 2, 4, 512] {
            let mut table = table(3, per_frame);
            let mut all: Vec<u32> =
                core::iter::from_fn(|| Some(table.allocate().ok()?.0)).collect();
            all.sort_unstable();
            assert_eq!(all, (8..3 * per_frame as u32).collect::<Vec<_>>());
            assert_eq!(table.free(GrantRef(3 * per_frame as u32)), Err(NotInUse));
            assert!(all.iter().all(|&gref| table.free(GrantRef(gref)).is_ok()));
        }
    }

    #[test]
    fn growth_stops_at_the_last_frame_and_keeps_its_size() {
        let mut table = table(1, 16);
        assert_eq!(table.add_frame(chunk(8), |_| None).unwrap_err().len(), 8);
        assert!(table.add_frame(chunk(0), |_| None).is_err());
        assert!(table.add_frame(chunk(24), |_| None).is_err());
        table.add_frame(chunk(16), |_| None).unwrap();
        table.add_frame(chunk(16), |_| None).unwrap();
        assert!(table.add_frame(chunk(16), |_| None).is_err());
        assert_eq!(table.counters().free, 40);
        assert_eq!(table.counters().frames, 3);
    }

    #[test]
    fn dismantled_table_gives_its_storage_back_and_nothing_else() {
        let mut table = table(2, 16);
        let gref = table.allocate().unwrap();
        table.defer(gref, PEER, Some(5)).unwrap();
        let chunks: Vec<_> = core::iter::from_fn(|| table.dismantle()).collect();
        assert_eq!(chunks.len(), 2);
        assert_eq!(table.counters(), Counters::default());
        assert!(table.allocate().is_err());
        assert_eq!(table.free(gref), Err(NotInUse));
        let mut tick = table.begin_tick(100);
        assert_eq!(table.step(&mut tick, |_| true), crate::Step::Done);
        table.add_frame(chunk(16), |_| None).unwrap();
        assert_eq!(table.counters().free, 8);
    }

    #[test]
    fn references_of_a_previous_load_are_not_handed_out() {
        let mut table = Table::new(RevokePolicy::DEFAULT);
        table
            .add_frame(chunk(16), |gref| {
                matches!(gref.0, 0 | 9 | 11).then_some(PEER)
            })
            .unwrap();
        assert_eq!(table.counters().deferred, 2);
        let mut all = [GrantRef(0); 6];
        table.allocate_many(&mut all).unwrap();
        assert_eq!(all.map(|gref| gref.0), [8, 10, 12, 13, 14, 15]);
        assert!(table.allocate().is_err());
    }
}

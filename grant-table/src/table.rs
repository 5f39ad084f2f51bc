// SPDX-License-Identifier: GPL-2.0-only
//! Which grant references are free, in use, or still mapped by a peer.
//!
//! Every reference has one [`Slot`], and a slot is on at most one list, so one
//! link field serves them all: allocate, free, defer and one retry are O(1) and
//! touch no memory but the slots.

use crate::accounts::{AccountId, Quotas, Usage};
use crate::deferred::RevokePolicy;
use crate::kept::{Keeper, Ledger, TooManyKept};
use crate::list::{List, NIL};
use core::marker::PhantomData;
use core::ops::DerefMut;
use xen_sys::{Domid, GrantRef};

/// The first entries of the table belong to the toolstack (console, xenstore)
/// and are never handed out: `GNTTAB_NR_RESERVED_ENTRIES`.
pub const RESERVED_ENTRIES: u32 = 8;

/// Not enough references; none was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSpace {
    /// The table has not as many free ones.
    Table {
        /// References asked for.
        wanted: u32,
        /// References free at that moment.
        free: u32,
    },
    /// The account would have more than its quota.
    Quota {
        /// References asked for.
        wanted: u32,
        /// References that it may still have.
        left: u32,
    },
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
        /// Since when it waits, in the caller's seconds.
        since: u32,
        /// Retries that found it still mapped.
        tries: u16,
        /// Where the page is counted.
        keeper: Keeper,
    },
}

/// Bookkeeping of one reference. `T` is what owns a granted page while the
/// page waits for its peer.
#[derive(Debug)]
pub struct Slot<T> {
    pub(crate) state: State<T>,
    pub(crate) link: u32,
    /// Whose it is, unless it is free.
    account: AccountId,
}

impl<T> Slot<T> {
    /// A slot as [`RefTable::add_frame`] wants it.
    pub const fn new() -> Self {
        Self {
            state: State::Reserved,
            link: NIL,
            account: AccountId::NOBODY,
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
    /// Whose those are that are not free.
    quotas: Quotas,
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
            quotas: Quotas::UNLIMITED,
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

    /// Lets an account have so many references in all, deferred ones included.
    pub fn limit(&mut self, account: AccountId, quota: u32) {
        self.quotas.limit(account, quota);
    }

    /// References that an account has, deferred ones included.
    pub fn held(&self, account: AccountId) -> u32 {
        self.quotas.held(account)
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
    /// Such a reference goes to the deferred list instead of the free one, as
    /// nobody's, waiting since `now` in the caller's seconds.
    ///
    /// # Errors
    /// The chunk comes back when the table is full, or the chunk's length is no
    /// power of two or differs from the first one's.
    pub fn add_frame(
        &mut self,
        chunk: C,
        now: u64,
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
            // As if nobody had had it until now.
            let left = self.quotas.left(AccountId::NOBODY);
            *left = left.saturating_sub(1);
            match holder(GrantRef(index)) {
                Some(domid) => self.enter_deferred(index, domid, None, now),
                None => self.enter_free(index),
            }
        }
        Ok(())
    }

    /// Takes one free reference for `account`, the one most recently freed.
    ///
    /// # Errors
    /// [`NoSpace`].
    pub fn allocate(&mut self, account: AccountId) -> Result<GrantRef, NoSpace> {
        if *self.quotas.left(account) == 0 {
            return Err(NoSpace::Quota { wanted: 1, left: 0 });
        }
        let index = self
            .take_free(account)
            .ok_or(NoSpace::Table { wanted: 1, free: 0 })?;
        let left = self.quotas.left(account);
        *left = left.wrapping_sub(1);
        Ok(GrantRef(index))
    }

    /// Fills `out` with free references for `account`: all of it or nothing.
    ///
    /// # Errors
    /// [`NoSpace`]; `out` is unchanged.
    pub fn allocate_many(
        &mut self,
        account: AccountId,
        out: &mut [GrantRef],
    ) -> Result<(), NoSpace> {
        let free = self.free.len;
        let wanted = u32::try_from(out.len()).unwrap_or(u32::MAX);
        let left = *self.quotas.left(account);
        let Some(rest) = left.checked_sub(wanted) else {
            return Err(NoSpace::Quota { wanted, left });
        };
        if wanted > free {
            return Err(NoSpace::Table { wanted, free });
        }
        *self.quotas.left(account) = rest;
        for place in out {
            // As many are free.
            let index = self.take_free(account);
            *place = GrantRef(index.ok_or(NoSpace::Table { wanted, free: 0 })?);
        }
        Ok(())
    }

    /// Gives a reference back whose entry grants nothing any more.
    ///
    /// # Errors
    /// [`NotInUse`].
    pub fn free(&mut self, gref: GrantRef) -> Result<(), NotInUse> {
        let head = self.free.head;
        match self.slot(gref.0) {
            Some(slot) if matches!(slot.state, State::InUse) => {
                slot.state = State::Free;
                slot.link = head;
                let account = slot.account;
                self.freed(gref.0, account);
                Ok(())
            }
            _ => Err(NotInUse),
        }
    }

    /// Leaves a reference, and what owns its page, to the deferred list: the
    /// peer, `domid`, still maps the page. `now` is in the caller's seconds.
    ///
    /// # Errors
    /// [`NotInUse`], with the owner.
    pub fn defer(
        &mut self,
        gref: GrantRef,
        domid: Domid,
        owner: Option<T>,
        now: u64,
    ) -> Result<(), (NotInUse, Option<T>)> {
        match self.slot(gref.0) {
            Some(slot) if matches!(slot.state, State::InUse) => {
                self.enter_deferred(gref.0, domid, owner, now);
                Ok(())
            }
            _ => Err((NotInUse, owner)),
        }
    }

    /// Adds to `usage`, of which there is one for each account, what waits in this frame. A walk, for people who look.
    pub fn add_deferred(&self, frame: u32, usage: &mut [Usage]) {
        let chunk = self.chunks.get(frame as usize).and_then(Option::as_ref);
        for slot in chunk.into_iter().flat_map(|chunk| chunk.iter()) {
            let (State::Deferred { since, .. }, Some(usage)) =
                (&slot.state, usage.get_mut(slot.account.index()))
            else {
                continue;
            };
            let since = u64::from(*since);
            usage.deferred = usage.deferred.saturating_add(1);
            usage.oldest = Some(usage.oldest.map_or(since, |oldest| oldest.min(since)));
        }
    }

    /// Says in `usage`, of which there is one for each account, what each has and may have.
    pub fn add_held(&self, usage: &mut [Usage]) {
        for (account, usage) in AccountId::all().zip(usage) {
            usage.held = self.quotas.held(account);
            usage.quota = self.quotas.quota(account);
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
        self.quotas = Quotas::UNLIMITED;
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
            let account = slot.account;
            self.freed(index, account);
        }
    }

    /// `index` is the first of the free list, and no longer on `account`.
    #[inline]
    fn freed(&mut self, index: u32, account: AccountId) {
        self.free.head = index;
        // No list is longer than the table, and each reference was taken from its account once.
        self.free.len = self.free.len.wrapping_add(1);
        let left = self.quotas.left(account);
        *left = left.wrapping_add(1);
    }

    fn take_free(&mut self, account: AccountId) -> Option<u32> {
        let index = self.free.head;
        let slot = self.slot(index)?;
        slot.state = State::InUse;
        slot.account = account;
        self.free.head = slot.link;
        self.free.len = self.free.len.wrapping_sub(1);
        Some(index)
    }

    fn enter_deferred(&mut self, index: u32, domid: Domid, owner: Option<T>, now: u64) {
        let keeper = self.kept.add(domid);
        if let Some(slot) = self.slot(index) {
            slot.state = State::Deferred {
                owner,
                since: u32::try_from(now).unwrap_or(u32::MAX),
                tries: 0,
                keeper,
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
mod tests;

// SPDX-License-Identifier: GPL-2.0-only
//! Pages whose peer did not let go in time.
//!
//! A reference waits on the *fresh* list and is tried at each tick. One that
//! fails [`RevokePolicy::warn_after`] times is reported once and moves to the
//! *stale* list, which is tried only every [`RevokePolicy::stale_period`]
//! seconds: a peer that sits on thousands of pages for ever delays the others
//! by nothing and costs a bounded amount of time.

use crate::list::List;
use crate::table::{RefTable, Slot, State};
use core::ops::DerefMut;
use xen_sys::GrantRef;

/// How patiently and how often the deferred references are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokePolicy {
    /// Failed tries per tick and list. Successful ones are not limited, so a
    /// peer that lets go of everything is seen to at once.
    pub budget: u32,
    /// Failed tries after which a reference is reported and becomes stale.
    pub warn_after: u16,
    /// Seconds between two tries of the stale list.
    pub stale_period: u64,
    /// Pages that one domain may keep before no more are shared with it.
    pub kept_by_domain: u32,
    /// Pages that all domains may keep before no more are shared with any.
    pub kept_by_all: u32,
}

impl RevokePolicy {
    /// With one tick a second: report after a minute, then try once a minute.
    ///
    /// Each connection of a frontend brings new pages, so that a backend which
    /// closes and comes back, but never lets go, would take all of the guest's
    /// memory. It may have 16 MiB, and four like it are enough.
    pub const DEFAULT: Self = Self {
        budget: 256,
        warn_after: 60,
        stale_period: 60,
        kept_by_domain: 4096,
        kept_by_all: 4 * 4096,
    };
}

/// What is left to do in one tick. Made by [`RefTable::begin_tick`], used up by
/// [`RefTable::step`], so that the caller can drop its lock between two steps.
#[derive(Debug)]
#[must_use]
pub struct Tick {
    fresh: Share,
    stale: Share,
    /// Whether its failures count as tries.
    counts: bool,
}

/// One list's part of a tick.
#[derive(Debug)]
struct Share {
    /// References not looked at yet.
    left: u32,
    /// Failures still allowed.
    budget: u32,
}

impl Share {
    fn of(list: List, budget: u32) -> Self {
        Self {
            left: list.len,
            budget,
        }
    }

    /// Takes one reference of the share, if it is not used up.
    fn take(&mut self) -> bool {
        if self.budget == 0 || self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    fn failed(&mut self) {
        self.budget = self.budget.saturating_sub(1);
    }
}

/// The outcome of one step of a tick.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The peer let go: the reference is free, and what owned its page may be
    /// released. `None`: it was left behind by a previous load, or its page is
    /// somebody else's care.
    Released(Option<T>),
    /// Still mapped; it will be tried again.
    Waiting,
    /// Still mapped after [`RevokePolicy::warn_after`] tries: worth one line in
    /// the log. It will be tried again, rarely, and not be reported again.
    Stale(GrantRef),
    /// The tick is over.
    Done,
}

impl<T, C: DerefMut<Target = [Slot<T>]>, const FRAMES: usize> RefTable<T, C, FRAMES> {
    /// Begins one round of retries; `now` is a monotonic time in seconds.
    pub fn begin_tick(&mut self, now: u64) -> Tick {
        let mut stale = Share { left: 0, budget: 0 };
        if now >= self.stale_due {
            self.stale_due = now.saturating_add(self.policy.stale_period);
            stale = Share::of(self.stale, self.policy.budget);
        }
        Tick {
            fresh: Share::of(self.fresh, self.policy.budget),
            stale,
            counts: true,
        }
    }

    /// Begins a round out of turn, for a caller that cannot wait: every deferred reference has its turn, however many
    /// fail, and a failure is none of the tries after which a reference is [`Step::Stale`].
    pub fn begin_extra_tick(&mut self) -> Tick {
        Tick {
            fresh: Share::of(self.fresh, u32::MAX),
            stale: Share::of(self.stale, u32::MAX),
            counts: false,
        }
    }

    /// Tries the next deferred reference of `tick`. `try_end` says whether
    /// access to it is ended now.
    pub fn step(&mut self, tick: &mut Tick, try_end: impl FnOnce(GrantRef) -> bool) -> Step<T> {
        if tick.fresh.take() {
            return self.step_fresh(tick, try_end);
        }
        if tick.stale.take() {
            return self.step_stale(tick, try_end);
        }
        Step::Done
    }

    fn step_fresh(&mut self, tick: &mut Tick, try_end: impl FnOnce(GrantRef) -> bool) -> Step<T> {
        let index = self.fresh.head;
        self.fresh = self.shortened(self.fresh);
        if try_end(GrantRef(index)) {
            return self.released(index);
        }
        tick.fresh.failed();
        if !tick.counts || self.failed_tries(index) < self.policy.warn_after {
            self.fresh = self.appended(self.fresh, index);
            return Step::Waiting;
        }
        self.stale = self.appended(self.stale, index);
        Step::Stale(GrantRef(index))
    }

    fn step_stale(&mut self, tick: &mut Tick, try_end: impl FnOnce(GrantRef) -> bool) -> Step<T> {
        let index = self.stale.head;
        self.stale = self.shortened(self.stale);
        if try_end(GrantRef(index)) {
            return self.released(index);
        }
        tick.stale.failed();
        self.stale = self.appended(self.stale, index);
        Step::Waiting
    }

    /// Frees a reference whose grant is ended.
    fn released(&mut self, index: u32) -> Step<T> {
        let mut released = None;
        if let Some(State::Deferred { owner, keeper, .. }) =
            self.slot(index).map(|slot| &mut slot.state)
        {
            let keeper = *keeper;
            released = owner.take();
            self.kept.remove(keeper);
        }
        self.enter_free(index);
        Step::Released(released)
    }

    /// Counts one more failed try.
    fn failed_tries(&mut self, index: u32) -> u16 {
        match self.slot(index).map(|slot| &mut slot.state) {
            Some(State::Deferred { tries, .. }) => {
                *tries = tries.saturating_add(1);
                *tries
            }
            _ => 0,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{AccountId, TooManyKept};
    use std::vec::Vec;
    use xen_sys::Domid;

    type Table = RefTable<u32, Vec<Slot<u32>>, 1>;

    const POLICY: RevokePolicy = RevokePolicy {
        budget: 4,
        warn_after: 3,
        stale_period: 60,
        kept_by_domain: 10,
        kept_by_all: 15,
    };

    const PEER: Domid = Domid(7);
    const ME: AccountId = AccountId::NOBODY;

    /// A table with `count` references from 8 on deferred, owned by 1000 + reference, and all others in use.
    fn deferred(count: u32) -> Table {
        let mut table = Table::new(POLICY);
        let chunk = (0..128).map(|_| Slot::new()).collect();
        table.add_frame(chunk, 0, |_| None).unwrap();
        while let Ok(gref) = table.allocate(ME) {
            if gref.0 < 8 + count {
                table.defer(gref, PEER, Some(1000 + gref.0), 0).unwrap();
            }
        }
        table
    }

    fn tick(table: &mut Table, now: u64, ended: impl FnMut(u32) -> bool) -> Vec<Step<u32>> {
        let tick = table.begin_tick(now);
        steps(table, tick, ended)
    }

    fn steps(
        table: &mut Table,
        mut tick: Tick,
        mut ended: impl FnMut(u32) -> bool,
    ) -> Vec<Step<u32>> {
        let mut steps = Vec::new();
        loop {
            match table.step(&mut tick, |gref| ended(gref.0)) {
                Step::Done => return steps,
                step => steps.push(step),
            }
        }
    }

    #[test]
    fn released_when_the_peer_lets_go() {
        let mut table = deferred(2);
        assert_eq!(
            tick(&mut table, 1, |gref| gref == 9),
            [Step::Waiting, Step::Released(Some(1009))]
        );
        assert_eq!(table.counters().free, 1);
        assert_eq!(table.counters().deferred, 1);
        assert_eq!(table.allocate(ME), Ok(GrantRef(9)));
    }

    #[test]
    fn failures_are_bounded_and_everyone_gets_a_turn() {
        let mut table = deferred(10);
        let mut seen = Vec::new();
        for now in 0..5 {
            assert_eq!(
                tick(&mut table, now, |gref| {
                    seen.push(gref);
                    false
                })
                .len(),
                4
            );
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (8..18).collect::<Vec<u32>>());
    }

    #[test]
    fn successes_are_not_bounded() {
        let mut table = deferred(100);
        assert_eq!(tick(&mut table, 0, |_| true).len(), 100);
        assert_eq!(table.counters().deferred, 0);
    }

    #[test]
    fn reported_once_then_tried_rarely() {
        let mut table = deferred(1);
        let _ = table.begin_tick(0);
        assert_eq!(tick(&mut table, 1, |_| false), [Step::Waiting]);
        assert_eq!(tick(&mut table, 2, |_| false), [Step::Waiting]);
        assert_eq!(tick(&mut table, 3, |_| false), [Step::Stale(GrantRef(8))]);
        assert_eq!(tick(&mut table, 59, |_| false), []);
        for now in [60, 120, 180] {
            assert_eq!(tick(&mut table, now, |_| false), [Step::Waiting]);
            assert_eq!(tick(&mut table, now + 59, |_| false), []);
        }
        assert_eq!(
            tick(&mut table, 240, |_| true),
            [Step::Released(Some(1008))]
        );
    }

    #[test]
    fn stale_references_do_not_delay_fresh_ones() {
        let mut table = deferred(8);
        for now in 0..6 {
            tick(&mut table, now, |_| false);
        }
        assert_eq!(table.stale.len, 8);
        // A reference that is deferred now is seen at the very next tick.
        assert_eq!(
            tick(&mut table, 200, |gref| gref == 8).first(),
            Some(&Step::Released(Some(1008)))
        );
        let gref = table.allocate(ME).unwrap();
        table.defer(gref, PEER, Some(7), 0).unwrap();
        assert_eq!(tick(&mut table, 201, |_| true), [Step::Released(Some(7))]);
    }

    #[test]
    fn an_extra_tick_tries_everything() {
        let mut table = deferred(20);
        for round in 0..20 {
            tick(&mut table, round, |_| false);
        }
        let held = |index: u32| index == 9;
        let released = |steps: Vec<Step<u32>>| {
            let steps = steps.into_iter();
            steps
                .filter(|step| matches!(step, Step::Released(_)))
                .count()
        };
        // Neither due nor within the budget.
        assert_eq!(released(tick(&mut table, 21, |index| !held(index))), 0);
        let extra = table.begin_extra_tick();
        assert_eq!(released(steps(&mut table, extra, |index| !held(index))), 19);
        assert_eq!(table.counters().deferred, 1);
    }

    #[test]
    fn extra_ticks_do_not_make_a_reference_stale() {
        let mut table = deferred(1);
        for _ in 0..2 * POLICY.warn_after {
            let extra = table.begin_extra_tick();
            assert_eq!(steps(&mut table, extra, |_| false), [Step::Waiting]);
        }
        let tries =
            (0..POLICY.warn_after.into()).flat_map(|round| tick(&mut table, round, |_| false));
        let tries: Vec<_> = tries.collect();
        assert!(matches!(
            tries.as_slice(),
            [Step::Waiting, Step::Waiting, Step::Stale(_)]
        ));
    }

    #[test]
    fn left_behind_references_have_no_owner() {
        let mut table = Table::new(POLICY);
        let chunk = (0..16).map(|_| Slot::new()).collect();
        table
            .add_frame(chunk, 0, |gref| (gref.0 == 9).then_some(PEER))
            .unwrap();
        assert_eq!(table.counters().free, 7);
        assert_eq!(tick(&mut table, 0, |_| true), [Step::Released(None)]);
        assert_eq!(table.counters().free, 8);
    }

    #[test]
    fn a_domain_that_keeps_too_much_gets_no_more_and_others_do() {
        let table = deferred(10);
        assert_eq!(table.may_share_with(PEER), Ok(()));
        let mut table = deferred(11);
        assert_eq!(table.may_share_with(PEER), Err(TooManyKept::ByDomain(11)));
        assert_eq!(table.may_share_with(Domid(0)), Ok(()));
        tick(&mut table, 1, |gref| gref == 8);
        assert_eq!(table.may_share_with(PEER), Ok(()));
    }

    #[test]
    fn all_domains_together_have_a_limit_too() {
        let mut table = Table::new(POLICY);
        let chunk = (0..32).map(|_| Slot::new()).collect();
        // Left behind by an earlier load: those of eight domains, two each.
        let holder = |gref: GrantRef| (gref.0 < 24).then_some(Domid((gref.0 / 2) as u16));
        table.add_frame(chunk, 0, holder).unwrap();
        assert_eq!(table.counters().deferred, 16);
        for id in [4, 11, 12] {
            assert_eq!(table.may_share_with(Domid(id)), Err(TooManyKept::ByAll(16)));
        }
        tick(&mut table, 1, |gref| gref == 23);
        assert_eq!(table.may_share_with(Domid(4)), Ok(()));
    }
}

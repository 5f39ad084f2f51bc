// SPDX-License-Identifier: GPL-2.0-only
//! Keeping a CPU usable while a peer sends events faster than it serves them.
use crate::sync::{count, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Upcalls after which to judge.
const WINDOW: u32 = 256;
/// So many stalled ones among them are a storm. Not all, for the timer tick gets
/// through even in a storm, and the CPU does a little for it.
const STALLED: u32 = WINDOW / 4 * 3;
/// The CPU is left alone for so many times as long as the upcalls took.
const SHARE: u64 = 2;
/// Bounds of a pause, in nanoseconds: worth a timer, and not noticed as a hang.
const SHORTEST: u64 = 50_000;
const LONGEST: u64 = 20_000_000;
/// After an upcall that ended with events left and that nobody has timed: about what handlers take for as many as it
/// may deliver.
const UNFINISHED: u64 = 250_000;

/// Watches one CPU's upcalls for a storm.
///
/// A peer may send events as fast as it likes. Each costs us an interrupt, and if
/// the next one is there when we return from the last, nothing else ever runs: the
/// guest hangs (XSA-332). An upcall is *stalled* when it interrupts the CPU at the
/// very place where the one before did: nothing has run in between. When nearly
/// all are, upcalls pause for a time in proportion to what they took, and events
/// wait in their bits. So a storm costs no more than a part of the CPU, and a CPU
/// that only seems to be stalled, spinning in place, loses little.
///
/// Only the upcalls of one CPU, which do not overlap, use this.
#[derive(Debug)]
pub struct StormGuard {
    seen: AtomicU32,
    stalled: AtomicU32,
    /// Nanoseconds that the stalled upcalls of the window took.
    spent: AtomicU64,
    /// 1 in a pause.
    paused: AtomicU32,
    pauses: AtomicU64,
}

impl Default for StormGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl StormGuard {
    /// No storm so far.
    pub fn new() -> Self {
        Self {
            seen: AtomicU32::new(0),
            stalled: AtomicU32::new(0),
            spent: AtomicU64::new(0),
            paused: AtomicU32::new(0),
            pauses: AtomicU64::new(0),
        }
    }

    /// Whether upcalls are to be put off.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Relaxed) != 0
    }

    /// An upcall was served; `stalled` is how long it took, in nanoseconds, if it
    /// was a stalled one. Returns for how many nanoseconds upcalls are to pause, if
    /// this is a storm; then the caller starts a timer for [`Self::resume`].
    #[inline]
    pub fn served(&self, stalled: Option<u64>) -> Option<u64> {
        let seen = self.seen.load(Relaxed).wrapping_add(1);
        self.seen.store(seen, Relaxed);
        if let Some(took) = stalled {
            let stalled = self.stalled.load(Relaxed).wrapping_add(1);
            self.stalled.store(stalled, Relaxed);
            let spent = self.spent.load(Relaxed).saturating_add(took);
            self.spent.store(spent, Relaxed);
        }
        if seen < WINDOW {
            return None;
        }
        self.judge()
    }

    /// The window is full.
    #[cold]
    fn judge(&self) -> Option<u64> {
        let storm = self.stalled.load(Relaxed) >= STALLED;
        let spent = self.spent.load(Relaxed);
        self.seen.store(0, Relaxed);
        self.stalled.store(0, Relaxed);
        self.spent.store(0, Relaxed);
        if !storm {
            return None;
        }
        self.paused.store(1, Relaxed);
        count(&self.pauses, 1);
        Some(pause_for(spent))
    }

    /// An upcall ended with events left; `took` is how long it took, in nanoseconds, if that is known. Upcalls are to
    /// pause for so many nanoseconds; then the caller goes on with what is left.
    pub fn unfinished(&self, took: Option<u64>) -> u64 {
        self.paused.store(1, Relaxed);
        count(&self.pauses, 1);
        took.map_or(UNFINISHED, pause_for)
    }

    /// The pause is over.
    pub fn resume(&self) {
        self.paused.store(0, Relaxed);
    }

    /// Pauses so far.
    pub fn pauses(&self) -> u64 {
        self.pauses.load(Relaxed)
    }
}

/// The pause after so many nanoseconds of upcalls.
fn pause_for(spent: u64) -> u64 {
    spent.saturating_mul(SHARE).clamp(SHORTEST, LONGEST)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn run(guard: &StormGuard, upcalls: u32, stalled: Option<u64>) -> Option<u64> {
        (0..upcalls).filter_map(|_| guard.served(stalled)).last()
    }

    #[test]
    fn upcalls_that_let_the_cpu_work_never_pause() {
        let guard = StormGuard::new();
        assert_eq!(run(&guard, 100_000, None), None);
        assert_eq!(guard.pauses(), 0);
    }

    #[test]
    fn a_storm_pauses_for_twice_the_time_it_took() {
        let guard = StormGuard::new();
        assert_eq!(run(&guard, WINDOW - 1, Some(2_000)), None);
        assert_eq!(guard.served(Some(2_000)), Some(1_024_000));
        assert!(guard.is_paused());
        guard.resume();
        assert!(!guard.is_paused());
        assert_eq!(run(&guard, WINDOW - 1, Some(2_000)), None);
    }

    #[test]
    fn a_tick_now_and_then_does_not_hide_a_storm() {
        let guard = StormGuard::new();
        let served = |n: u32| guard.served((n % 8 != 0).then_some(1_000));
        assert!((0..WINDOW).any(|n| served(n).is_some()));
    }

    #[test]
    fn half_of_the_upcalls_may_be_stalled() {
        let guard = StormGuard::new();
        let served = |n: u32| guard.served((n % 2 != 0).then_some(1_000));
        assert!((0..10 * WINDOW).all(|n| served(n).is_none()));
    }

    #[test]
    fn what_is_left_waits_for_twice_the_time_too() {
        let guard = StormGuard::new();
        assert_eq!(guard.unfinished(None), UNFINISHED);
        assert!(guard.is_paused());
        guard.resume();
        assert_eq!(guard.unfinished(Some(700_000)), 1_400_000);
        assert_eq!(guard.unfinished(Some(0)), SHORTEST);
        assert_eq!(guard.unfinished(Some(u64::MAX)), LONGEST);
        assert_eq!(guard.pauses(), 4);
    }

    #[test]
    fn a_pause_has_bounds() {
        let guard = StormGuard::new();
        assert_eq!(run(&guard, WINDOW, Some(0)), Some(SHORTEST));
        assert_eq!(run(&guard, WINDOW, Some(u64::MAX)), Some(LONGEST));
    }
}

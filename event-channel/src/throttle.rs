// SPDX-License-Identifier: GPL-2.0-only
//! Making a port wait whose peer sends events without work.
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Events without work in a row up to which nobody waits, unless the device says otherwise: an event may always come for
/// what was found without it.
pub const SPURIOUS_THRESHOLD: u32 = 1;

/// What a handler found when an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Something to do.
    Work,
    /// Nothing: the event was spurious.
    Spurious,
    /// It is not known yet: whoever finds out tells the channel. Events that come before that are not judged.
    Later,
}

/// Judges the events of one port, and says for how long the port is to be closed.
///
/// Past the threshold each event without work doubles the time, up to a second. One with work ends that. So a peer who
/// floods us gets one event a second through, and others do not notice him. Linux's C frontends have the same rule
/// (`xen_irq_lateeoi`).
///
/// Who handles the port's events calls this, one at a time. Should two, a verdict may be lost, which does no harm.
#[derive(Debug)]
pub struct Throttle {
    /// Events without work in a row.
    spurious: AtomicU32,
    /// 1 when an event came on which there is no verdict yet.
    unjudged: AtomicU32,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Throttle {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self {
            spurious: AtomicU32::new(0),
            unjudged: AtomicU32::new(0),
        }
    }

    /// The handler has run.
    ///
    /// Returns for how many ticks the port is to be closed, if it is; a
    /// second has `second` ticks.
    #[inline]
    pub fn handled(
        &self,
        handled: Handled,
        counters: &ThrottleCounters,
        second: u32,
    ) -> Option<u32> {
        match handled {
            Handled::Work => {
                if self.spurious.load(Relaxed) != 0 {
                    self.spurious.store(0, Relaxed);
                }
                None
            }
            Handled::Spurious => self.wait(counters, second),
            Handled::Later => {
                self.unjudged.store(1, Relaxed);
                None
            }
        }
    }

    /// Whoever was left to find out has looked: was there `work`? Without an event before, it is no verdict if not.
    #[inline]
    pub fn judged(&self, work: bool, counters: &ThrottleCounters, second: u32) -> Option<u32> {
        if self.unjudged.load(Relaxed) != 0 {
            self.unjudged.store(0, Relaxed);
        } else if !work {
            return None;
        }
        let handled = if work {
            Handled::Work
        } else {
            Handled::Spurious
        };
        self.handled(handled, counters, second)
    }

    #[cold]
    fn wait(&self, counters: &ThrottleCounters, second: u32) -> Option<u32> {
        let spurious = self.spurious.load(Relaxed).saturating_add(1);
        self.spurious.store(spurious, Relaxed);
        let beyond = spurious.checked_sub(counters.threshold().saturating_add(1));
        let ticks = beyond.map(|beyond| 1u32.checked_shl(beyond).unwrap_or(u32::MAX).min(second));
        counters.add(ticks.unwrap_or(0));
        ticks
    }
}

/// What the throttles of a device's ports have done, and the device's threshold.
#[derive(Debug)]
pub struct ThrottleCounters {
    threshold: AtomicU32,
    spurious: AtomicU64,
    ticks: AtomicU64,
}

impl Default for ThrottleCounters {
    fn default() -> Self {
        Self::new()
    }
}

impl ThrottleCounters {
    /// Zero; the threshold is [`SPURIOUS_THRESHOLD`].
    pub fn new() -> Self {
        Self {
            threshold: AtomicU32::new(SPURIOUS_THRESHOLD),
            spurious: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
        }
    }

    /// Spurious events in a row that make nobody wait.
    pub fn threshold(&self) -> u32 {
        self.threshold.load(Relaxed)
    }

    /// Changes it.
    pub fn set_threshold(&self, threshold: u32) {
        self.threshold.store(threshold, Relaxed);
    }

    /// Spurious events.
    pub fn spurious(&self) -> u64 {
        self.spurious.load(Relaxed)
    }

    /// Ticks for which ports were closed.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Relaxed)
    }

    /// Counts a spurious event.
    fn add(&self, ticks: u32) {
        self.spurious.fetch_add(1, Relaxed);
        self.ticks.fetch_add(ticks.into(), Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const SECOND: u32 = 250;

    fn spurious(throttle: &Throttle, counters: &ThrottleCounters) -> Option<u32> {
        throttle.handled(Handled::Spurious, counters, SECOND)
    }

    #[test]
    fn events_without_work_wait_twice_as_long_each_time_up_to_a_second() {
        let (throttle, counters) = (Throttle::new(), ThrottleCounters::new());
        let waits: Vec<_> = (0..11).map(|_| spurious(&throttle, &counters)).collect();
        let expected = [None]
            .into_iter()
            .chain([1, 2, 4, 8, 16, 32, 64, 128, 250, 250].map(Some));
        assert!(waits.into_iter().eq(expected));
        assert_eq!((counters.spurious(), counters.ticks()), (11, 755));
        for _ in 0..100 {
            assert_eq!(spurious(&throttle, &counters), Some(SECOND));
        }
    }

    #[test]
    fn work_ends_it() {
        let (throttle, counters) = (Throttle::new(), ThrottleCounters::new());
        for _ in 0..5 {
            spurious(&throttle, &counters);
        }
        assert_eq!(throttle.handled(Handled::Work, &counters, SECOND), None);
        assert_eq!(spurious(&throttle, &counters), None);
        assert_eq!(spurious(&throttle, &counters), Some(1));
    }

    #[test]
    fn a_threshold_lets_more_through() {
        let (throttle, counters) = (Throttle::new(), ThrottleCounters::new());
        counters.set_threshold(3);
        assert_eq!([(); 3].map(|()| spurious(&throttle, &counters)), [None; 3]);
        assert_eq!(spurious(&throttle, &counters), Some(1));
        counters.set_threshold(u32::MAX);
        assert_eq!(spurious(&throttle, &counters), None);
        counters.set_threshold(0);
        assert_eq!(spurious(&Throttle::new(), &counters), Some(1));
    }

    #[test]
    fn a_verdict_that_comes_later_counts_once_for_an_event() {
        let (throttle, counters) = (Throttle::new(), ThrottleCounters::new());
        let event = || throttle.handled(Handled::Later, &counters, SECOND);
        let judged = |work| throttle.judged(work, &counters, SECOND);
        assert_eq!(judged(false), None, "nobody asked");
        assert_eq!(counters.spurious(), 0);
        assert_eq!((event(), event()), (None, None));
        assert_eq!(judged(false), None);
        assert_eq!(judged(false), None, "it has been judged");
        assert_eq!(counters.spurious(), 1);
        assert_eq!((event(), judged(false)), (None, Some(1)));
        assert_eq!(judged(true), None, "work without an event");
        assert_eq!((event(), judged(false)), (None, None));
    }

    /// One port, its peer and the time: what a peer can get through.
    fn deliveries(ticks: u32, works: impl Fn(u32) -> bool) -> (u32, u32) {
        let (throttle, counters) = (Throttle::new(), ThrottleCounters::new());
        let (mut events, mut worked, mut open_at) = (0, 0, 0);
        // The peer sends all the time: an event is there at every tick at which the port is open.
        for now in 0..ticks {
            if now < open_at {
                continue;
            }
            events += 1;
            let handled = if works(now) {
                worked += 1;
                Handled::Work
            } else {
                Handled::Spurious
            };
            open_at = now + throttle.handled(handled, &counters, SECOND).unwrap_or(0);
        }
        (events, worked)
    }

    #[test]
    fn a_flood_gets_one_event_a_second_through_in_the_end() {
        let (first, _) = deliveries(10 * SECOND, |_| false);
        let (more, _) = deliveries(20 * SECOND, |_| false);
        assert!(first < 25, "{first} in the first ten seconds");
        assert_eq!(more - first, 10);
    }

    #[test]
    fn a_peer_with_work_is_never_made_to_wait() {
        assert_eq!(deliveries(1000, |now| now % 2 == 0), (1000, 500));
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_a_second(
            verdicts in prop::collection::vec((any::<bool>(), any::<u32>()), 1..200),
            second in 1u32..10_000,
        ) {
            let (throttle, counters) = (Throttle::new(), ThrottleCounters::new());
            let (mut row, mut all, mut ticks) = (0u32, 0, 0u64);
            for (work, threshold) in verdicts {
                let threshold = threshold % 8;
                counters.set_threshold(threshold);
                let handled = if work { Handled::Work } else { Handled::Spurious };
                let wait = throttle.handled(handled, &counters, second);
                row = if work { 0 } else { row + 1 };
                all += u64::from(!work);
                ticks += u64::from(wait.unwrap_or(0));
                prop_assert_eq!(wait.is_some(), row > threshold);
                prop_assert!(wait.is_none_or(|wait| (1..=second).contains(&wait)));
            }
            prop_assert_eq!((counters.spurious(), counters.ticks()), (all, ticks));
        }
    }
}

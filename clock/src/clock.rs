// SPDX-License-Identifier: GPL-2.0-only
//! One clock of all vCPUs.
use crate::info::TimeInfo;
use crate::sync::{AtomicU64, Ordering::SeqCst};

/// The latest time that anybody was told.
///
/// Without a lock, so that it may be read anywhere, in an NMI that interrupts another reader too.
#[derive(Debug)]
pub struct Clock {
    latest: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock that nobody has read.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self {
            latest: AtomicU64::new(0),
        }
    }

    /// A clock that nobody has read. (Loom's atomics are not for constants.)
    #[cfg(all(test, loom))]
    pub fn new() -> Self {
        Self {
            latest: AtomicU64::new(0),
        }
    }

    /// The time in nanoseconds, by the [`TimeInfo`] of the CPU whose counter is `tsc`. Never less than what anybody was
    /// told before.
    ///
    /// Where the counters agree all by themselves, no memory is shared with other readers.
    #[inline]
    pub fn read(&self, info: &TimeInfo, tsc: impl Fn() -> u64) -> u64 {
        let (sample, tsc) = info.sample(tsc);
        let time = sample.time(tsc);
        if sample.stable {
            return time;
        }
        // One who is late reads only: the word stays in everybody's cache.
        let latest = self.latest.load(SeqCst);
        if time <= latest {
            return latest;
        }
        time.max(self.latest.fetch_max(time, SeqCst))
    }

    /// Forgets what was told: the domain goes on where another time holds, perhaps an earlier one. Nobody reads
    /// meanwhile, and whoever compares with a time from before begins anew.
    pub fn forget(&self) {
        self.latest.store(0, SeqCst);
    }
}

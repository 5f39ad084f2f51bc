// SPDX-License-Identifier: GPL-2.0-only
//! When to try again.

/// Seconds until the first retry.
const FIRST: u32 = 1;
/// Seconds that a delay may grow to, unless set otherwise.
const MAX: u32 = 32;

/// Delays that double from one second on, and a limit on retries. The fields are mainline's sysfs files of the same
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Seconds that the next retry waits.
    pub schedule_delay: u32,
    /// The longest delay, in seconds.
    pub max_schedule_delay: u32,
    /// Tries since the last success, 1 for none but the first.
    pub retry_count: u32,
    /// Tries after which to give up until there is a new target; 0 never to give up.
    pub max_retry_count: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::new()
    }
}

impl Schedule {
    /// Nothing has failed; retries have no end.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            schedule_delay: FIRST,
            max_schedule_delay: MAX,
            retry_count: 1,
            max_retry_count: 0,
        }
    }

    /// Something went well, or there is a new target.
    pub fn reset(&mut self) {
        self.schedule_delay = FIRST;
        self.retry_count = 1;
    }

    /// Something failed: milliseconds until the next try, `None` to give up.
    #[must_use]
    pub fn failed(&mut self) -> Option<u32> {
        self.retry_count = self.retry_count.saturating_add(1);
        if self.max_retry_count != 0 && self.retry_count > self.max_retry_count {
            self.reset();
            return None;
        }
        let limit = self.max_schedule_delay.max(FIRST);
        let delay = self.schedule_delay.min(limit);
        self.schedule_delay = delay.saturating_mul(2).min(limit);
        Some(delay.saturating_mul(1000))
    }
}

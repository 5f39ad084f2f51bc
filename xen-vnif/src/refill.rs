// SPDX-License-Identifier: GPL-2.0-only
//! When to try again after the receive ring could not be filled for want of memory.

/// With this many pages posted, traffic itself brings the next try: each poll refills.
const ENOUGH: u32 = 32;

const FIRST_MS: u32 = 10;
const LAST_MS: u32 = 1000;

/// Back-off for a ring that runs dry. Without a retry of its own it would stay silent for ever: no page posted, no
/// response, no poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill {
    delay_ms: u32,
}

impl Default for Refill {
    fn default() -> Self {
        Self::new()
    }
}

impl Refill {
    /// No failure so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { delay_ms: FIRST_MS }
    }

    /// After a refill that left `posted` pages of `wanted` in the ring: milliseconds until the next try, if one is
    /// needed.
    #[inline]
    #[must_use]
    pub fn after(&mut self, posted: u32, wanted: u32) -> Option<u32> {
        if posted >= wanted.min(ENOUGH) {
            self.delay_ms = FIRST_MS;
            return None;
        }
        let delay = self.delay_ms;
        self.delay_ms = delay.saturating_mul(2).min(LAST_MS);
        Some(delay)
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! When to run a transaction again.
//!
//! A transaction that met another's writes ends with `EAGAIN` and must be run again from its
//! start. Under contention that can go on for ever, so it is bounded in number and in time.

use crate::Millis;

/// Attempts before giving up.
pub const ATTEMPTS_MAX: u32 = 40;
/// Attempts that follow at once; the later ones wait a little longer each time.
const AT_ONCE: u32 = 3;
/// Longest pause between two attempts.
const PAUSE_MAX: Millis = 64;

/// Counts the attempts of one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    attempts: u32,
    deadline: Millis,
}

impl Retry {
    /// For a transaction that begins at `now` and may take `limit` milliseconds.
    pub fn new(now: Millis, limit: Millis) -> Retry {
        Retry {
            attempts: 1,
            deadline: now.saturating_add(limit),
        }
    }

    /// The attempt ended with `EAGAIN` at `now`: how many milliseconds to pause before the next
    /// one, or `None` to give up.
    pub fn again(&mut self, now: Millis) -> Option<Millis> {
        if self.attempts >= ATTEMPTS_MAX || now >= self.deadline {
            return None;
        }
        let pause = match self.attempts.checked_sub(AT_ONCE) {
            None => 0,
            Some(shift) => 1u64
                .checked_shl(shift)
                .map_or(PAUSE_MAX, |pause| pause.min(PAUSE_MAX)),
        };
        self.attempts = self.attempts.saturating_add(1);
        Some(pause)
    }

    /// Attempts begun so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut retry = Retry::new(0, 1_000_000);
        let pauses: Vec<_> = core::iter::from_fn(|| retry.again(0)).collect();
        assert_eq!(pauses[..10], [0, 0, 1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(pauses.len() + 1, ATTEMPTS_MAX as usize);
        assert_eq!(retry.attempts(), ATTEMPTS_MAX);
    }

    #[test]
    fn time_ends_it() {
        let mut retry = Retry::new(100, 50);
        assert_eq!(retry.again(149), Some(0));
        assert_eq!(retry.again(150), None);
        assert_eq!(Retry::new(u64::MAX, 5).again(u64::MAX), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What a request belongs to, and when to run a transaction again.
//!
//! A transaction is lost with the connection on which it began, and its number may be another's on the next one: so each
//! request has a [`Scope`], which says on which connection it may go out.
//!
//! A transaction that met another's writes ends with `EAGAIN`, one that was lost with `ESTALE`; both must be run again from
//! their start. Under contention that can go on for ever, so it is bounded in number and in time.

use crate::errors::{StoreError, STALE};
use crate::Millis;

/// What a request belongs to: on which connection it may go out, and who lets it in while the store is being held.
///
/// The number of a connection, its epoch, is [`Client::epoch`](crate::client::Client::epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: it goes out on whatever connection there is, and enters [`Hold`](crate::hold::Hold) by itself.
    Free,
    /// A connection, and a transaction on it unless `tx_id` is 0. Each request enters by itself, for a transaction of a
    /// process may last for ever.
    Bound {
        /// The connection's number.
        epoch: u32,
        /// The transaction's id.
        tx_id: u32,
    },
    /// A transaction that has entered as a whole; 0 for the request that begins it. None of its requests may wait for the
    /// store to be released: who holds it waits for the transaction.
    Entered {
        /// The number of the connection that it begins on.
        epoch: u32,
        /// The transaction's id.
        tx_id: u32,
    },
}

impl Scope {
    /// The transaction's id as it goes on the wire, 0 for none.
    pub fn tx_id(self) -> u32 {
        match self {
            Scope::Free => 0,
            Scope::Bound { tx_id, .. } | Scope::Entered { tx_id, .. } => tx_id,
        }
    }

    /// Whether the request may go out on connection `epoch`.
    pub fn may_go_out_on(self, epoch: u32) -> bool {
        match self {
            Scope::Free => true,
            Scope::Bound { epoch: own, .. } | Scope::Entered { epoch: own, .. } => own == epoch,
        }
    }

    /// Whether the request is let in by what it belongs to.
    pub fn has_entered(self) -> bool {
        matches!(self, Scope::Entered { .. })
    }
}

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

    /// The attempt ended with this error (Linux's number, positive) at `now`: how many milliseconds to pause before the
    /// next one. `None` when there is none: the error is the transaction's.
    pub fn after(&mut self, errno: i32, now: Millis) -> Option<Millis> {
        let worth = errno == StoreError::Again.errno() || errno == STALE;
        worth.then(|| self.again(now)).flatten()
    }

    /// The attempt came to nothing at `now`: how many milliseconds to pause before the next one, or `None` to give up.
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
    #[test]
    fn only_a_conflict_and_a_lost_connection_are_worth_another_attempt() {
        for error in StoreError::ALL {
            let again = Retry::new(0, 50).after(error.errno(), 0);
            assert_eq!(again.is_some(), *error == StoreError::Again, "{error:?}");
        }
        let mut retry = Retry::new(0, 50);
        assert_eq!(retry.after(STALE, 49), Some(0));
        assert_eq!(retry.after(110, 49), None, "no answer");
        assert_eq!(retry.after(STALE, 50), None, "bounded as a conflict is");
    }

    #[test]
    fn what_is_bound_goes_out_on_its_own_connection() {
        let (epoch, tx_id) = (7, 3);
        let bound = Scope::Bound { epoch, tx_id };
        let entered = Scope::Entered { epoch, tx_id };
        assert!(Scope::Free.may_go_out_on(7) && Scope::Free.may_go_out_on(8));
        for scope in [bound, entered] {
            assert_eq!(scope.tx_id(), 3);
            assert!(scope.may_go_out_on(7) && !scope.may_go_out_on(8));
        }
        // A transaction's requests would wait for themselves; all others must not go out during a suspend.
        assert!(entered.has_entered());
        assert!(!bound.has_entered() && !Scope::Free.has_entered());
        assert_eq!(Scope::Free.tx_id(), 0);
    }
}

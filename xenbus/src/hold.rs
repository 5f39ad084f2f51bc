// SPDX-License-Identifier: GPL-2.0-only
//! Holding the store: nobody begins anything with it, and those who are at it come to their end.

/// Who is at the store, and whether more may come.
///
/// One who is at it is a request outside of transactions, or a whole transaction: its requests need no entry of their
/// own, or a transaction could not end while the store is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    inside: u32,
    held: bool,
}

impl Hold {
    /// A store that nobody is at.
    pub const fn new() -> Self {
        Self {
            inside: 0,
            held: false,
        }
    }

    /// Somebody wants to begin. False when that must wait for [`Hold::release`].
    #[must_use]
    pub fn enter(&mut self) -> bool {
        match self.inside.checked_add(1) {
            Some(inside) if !self.held => {
                self.inside = inside;
                true
            }
            _ => false,
        }
    }

    /// Somebody who entered is at the end. True when it was the last one and the store is held: whoever holds it waits
    /// for this.
    #[must_use]
    pub fn leave(&mut self) -> bool {
        self.inside = self.inside.saturating_sub(1);
        self.is_quiet()
    }

    /// Lets nobody begin from now on. False when the store is held already.
    #[must_use]
    pub fn hold(&mut self) -> bool {
        !core::mem::replace(&mut self.held, true)
    }

    /// Lets everybody begin again.
    pub fn release(&mut self) {
        self.held = false;
    }

    /// Whether newcomers wait.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether the store is held and nobody is at it.
    pub fn is_quiet(&self) -> bool {
        self.held && self.inside == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_wait_while_it_is_held() {
        let mut hold = Hold::new();
        assert!(hold.enter());
        assert!(!hold.leave());
        assert!(hold.hold());
        assert!(hold.is_held() && hold.is_quiet());
        assert!(!hold.enter());
        assert!(hold.is_quiet(), "one who waits is not inside");
        hold.release();
        assert!(!hold.is_quiet());
        assert!(hold.enter());
    }

    #[test]
    fn it_is_quiet_when_the_last_one_has_left() {
        let mut hold = Hold::new();
        assert!(hold.enter() && hold.enter());
        assert!(hold.hold());
        assert!(!hold.is_quiet());
        assert!(!hold.leave());
        assert!(hold.leave());
        assert!(hold.is_quiet());
    }

    #[test]
    fn only_one_holds_it() {
        let mut hold = Hold::new();
        assert!(hold.hold());
        assert!(!hold.hold());
        hold.release();
        assert!(hold.hold());
    }

    #[test]
    fn released_before_it_was_quiet() {
        let mut hold = Hold::new();
        assert!(hold.enter());
        assert!(hold.hold());
        hold.release();
        assert!(hold.enter());
        assert!(!hold.leave() && !hold.leave());
        assert!(hold.hold() && hold.is_quiet());
    }

    #[test]
    fn more_leave_than_entered() {
        let mut hold = Hold::new();
        assert!(!hold.leave());
        assert!(hold.enter());
        assert!(hold.hold() && !hold.is_quiet());
    }

    #[test]
    fn no_count_runs_over() {
        let mut hold = Hold {
            inside: u32::MAX,
            held: false,
        };
        assert!(!hold.enter());
    }
}

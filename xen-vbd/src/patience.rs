// SPDX-License-Identifier: GPL-2.0-only
//! How long a disk's I/O is kept waiting for a backend.

/// Until when the I/O of a disk without backend waits, before it fails.
///
/// The first loss has the whole patience. A backend that comes back has earned it anew only when it has answered something, or was asked nothing: one
/// that connects and breaks off again and again, or connects and says nothing, cannot keep the guest's I/O waiting
/// for ever. Time is the caller's, in any unit, and never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    until: Option<u64>,
    answers: u64,
}

impl Patience {
    /// The disk loses its backend at `now`. `answers` counts the answers from all backends so far, `unanswered` the
    /// requests that this one leaves behind, `all` is the whole patience.
    pub fn lost(&mut self, now: u64, answers: u64, unanswered: usize, all: u64) {
        if self.until.is_none() || answers != self.answers || unanswered == 0 {
            self.answers = answers;
            self.until = Some(now.saturating_add(all));
        }
    }

    /// The disk loses its backend at `now` by no fault of that one: all of the patience is there again.
    pub fn lost_blamelessly(&mut self, now: u64, answers: u64, all: u64) {
        self.answers = answers;
        self.until = Some(now.saturating_add(all));
    }

    /// What is left of it at `now`; 0 when it is over.
    pub fn left(&self, now: u64) -> u64 {
        self.until.unwrap_or(0).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_disk_has_all_of_it() {
        let mut patience = Patience::default();
        patience.lost(100, 0, 1, 60);
        assert_eq!(patience.left(100), 60);
        patience.lost(110, 0, 1, 60);
        assert_eq!(patience.left(110), 50);
    }

    #[test]
    fn answers_renew_it() {
        let mut patience = Patience::default();
        patience.lost(100, 5, 3, 60);
        assert_eq!(patience.left(100), 60);
        assert_eq!(patience.left(130), 30);
        patience.lost(150, 6, 3, 60);
        assert_eq!(patience.left(150), 60, "it worked in between");
    }

    #[test]
    fn silence_does_not() {
        let mut patience = Patience::default();
        patience.lost(100, 5, 3, 60);
        patience.lost(130, 5, 3, 60);
        assert_eq!(patience.left(130), 30, "the backend came and said nothing");
        patience.lost(170, 5, 3, 60);
        assert_eq!(patience.left(170), 0);
    }

    #[test]
    fn it_is_whole_again_when_nobody_is_to_blame() {
        let mut patience = Patience::default();
        patience.lost(100, 5, 3, 60);
        patience.lost_blamelessly(150, 5, 60);
        assert_eq!(patience.left(150), 60);
        patience.lost(160, 5, 3, 60);
        assert_eq!(patience.left(160), 50, "but silence afterwards counts");
    }

    #[test]
    fn a_backend_that_was_asked_nothing_is_not_blamed() {
        let mut patience = Patience::default();
        patience.lost(100, 5, 0, 60);
        patience.lost(5000, 5, 0, 60);
        assert_eq!(patience.left(5000), 60);
    }

    #[test]
    fn time_at_its_end() {
        let mut patience = Patience::default();
        patience.lost(u64::MAX - 1, 0, 0, 60);
        assert_eq!(patience.left(u64::MAX), 0);
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Telling the store of watches, and telling it again of those that it did not take.
//!
//! A store knows no watch when its connection begins, and it may refuse one or not answer. A watch that it does not know of
//! never fires, so what is behind it goes unnoticed: each such watch has its turn again after a while, for as long as it is
//! there. One round asks for each at most once and ends at the first request without an answer; the next one begins behind
//! that, so that one watch which the store never answers for is not in the way of others.

use crate::Millis;

/// How long after a round with failures the next one begins.
pub const PAUSE: Millis = 5_000;

/// Which watch has its turn, once around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    first: usize,
    passed: usize,
}

impl Round {
    /// The next of `count` places, `None` when each has had its turn.
    pub(super) fn next(&mut self, count: usize) -> Option<usize> {
        if self.passed >= count {
            return None;
        }
        let index = self.place().checked_rem(count)?;
        self.passed = self.passed.saturating_add(1);
        Some(index)
    }

    fn place(self) -> usize {
        self.first.wrapping_add(self.passed)
    }
}

/// What came of telling the store of one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It knows of it.
    Known,
    /// It does not take it.
    Refused,
    /// It does not answer, or cannot be asked: the round ends.
    Unanswered,
    /// The connection is lost: the round ends, and says nothing of the watches.
    Lost,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The store knows of all watches.
    Complete,
    /// Of some it does not.
    Incomplete,
    /// The connection is lost.
    Lost,
}

/// What people should hear, once each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The store does not know of some watch.
    Failing,
    /// It knows of all again.
    Healed,
}

/// When to tell the store of watches that it does not know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    first: usize,
    due: Option<Millis>,
    failing: bool,
}

impl Registration {
    /// Nothing to tell.
    pub const fn new() -> Self {
        Self {
            first: 0,
            due: None,
            failing: false,
        }
    }

    /// There are watches that the store does not know of: a connection has begun.
    pub fn begin(&mut self, now: Millis) {
        self.due = Some(now);
    }

    /// When the next round is due, if one is.
    pub fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Makes a round: `next` takes watches of it that the store does not know of, `tell` tells it of one.
    /// [`Self::ended`] follows.
    pub fn round<W>(
        &mut self,
        mut next: impl FnMut(&mut Round) -> Option<W>,
        mut tell: impl FnMut(W) -> Told,
    ) -> Ended {
        let mut round = Round {
            first: self.first,
            passed: 0,
        };
        let mut ended = Ended::Complete;
        while let Some(watch) = next(&mut round) {
            match tell(watch) {
                Told::Known => {}
                Told::Refused => ended = Ended::Incomplete,
                Told::Unanswered => {
                    self.first = round.place();
                    return Ended::Incomplete;
                }
                Told::Lost => return Ended::Lost,
            }
        }
        ended
    }

    /// A round ended so at `now`.
    pub fn ended(&mut self, ended: Ended, now: Millis) -> Option<News> {
        let again = now.saturating_add(PAUSE);
        let (due, failing) = match ended {
            Ended::Complete => (None, false),
            Ended::Incomplete => (Some(again), true),
            Ended::Lost => (Some(again), self.failing),
        };
        self.due = due;
        match (core::mem::replace(&mut self.failing, failing), failing) {
            (false, true) => Some(News::Failing),
            (true, false) => Some(News::Healed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Which of `count` places a round asks for when the store answers `told`.
    fn asked(registration: &mut Registration, count: usize, told: &[Told]) -> (Vec<usize>, Ended) {
        let mut places = Vec::new();
        let ended = registration.round(
            |round| round.next(count),
            |place| {
                let told = told.get(places.len()).copied().unwrap_or(Told::Known);
                places.push(place);
                told
            },
        );
        (places, ended)
    }

    #[test]
    fn a_round_goes_once_around_and_the_next_begins_behind_the_last_without_an_answer() {
        use Told::{Known, Lost, Refused, Unanswered};
        let registration = &mut Registration::new();
        let mut expect = |told: &[Told], places: &[usize], ended| {
            assert_eq!(asked(registration, 3, told), (places.to_vec(), ended));
        };
        expect(&[], &[0, 1, 2], Ended::Complete);
        expect(&[Known, Refused], &[0, 1, 2], Ended::Incomplete);
        expect(&[Known, Unanswered], &[0, 1], Ended::Incomplete);
        expect(&[], &[2, 0, 1], Ended::Complete);
        expect(&[Unanswered], &[2], Ended::Incomplete);
        expect(&[Refused, Lost], &[0, 1], Ended::Lost);
        expect(&[], &[0, 1, 2], Ended::Complete);
        assert_eq!(asked(registration, 0, &[]), (Vec::new(), Ended::Complete));
    }

    #[test]
    fn people_hear_of_the_first_failure_and_of_the_end() {
        let mut registration = Registration::new();
        assert_eq!(registration.due(), None);
        registration.begin(7);
        assert_eq!(registration.due(), Some(7));
        for (ended, news, due) in [
            (Ended::Lost, None, Some(PAUSE)),
            (Ended::Complete, None, None),
            (Ended::Incomplete, Some(News::Failing), Some(PAUSE)),
            (Ended::Incomplete, None, Some(PAUSE)),
            (Ended::Lost, None, Some(PAUSE)),
            (Ended::Complete, Some(News::Healed), None),
            (Ended::Complete, None, None),
        ] {
            assert_eq!(registration.ended(ended, 0), news, "{ended:?}");
            assert_eq!(registration.due(), due, "{ended:?}");
        }
        registration.ended(Ended::Incomplete, u64::MAX);
        assert_eq!(registration.due(), Some(u64::MAX));
    }
}

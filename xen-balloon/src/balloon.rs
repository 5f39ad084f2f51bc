// SPDX-License-Identifier: GPL-2.0-only
//! The pages that are out, and what to do next.

use crate::{Schedule, Target};

/// Most pages of one step: as many frame numbers as fit a page.
pub const BATCH: u64 = 512;

/// Pages left to the guest's own needs when others are taken from it: taking the last free ones would make it swap or
/// kill for a moment's want.
const RESERVE: u64 = 1024;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the guest has what it should have, or there is nothing left to try until the target changes.
    Idle,
    /// Nothing yet: ask again in so many milliseconds.
    Wait(u32),
    /// Take so many pages from the guest, at most [`BATCH`], and give them to Xen.
    Inflate(u64),
    /// Get memory from Xen for so many pages that are out, at most [`BATCH`].
    Deflate(u64),
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// So many pages were taken and given to Xen.
    Inflated(u64),
    /// So many pages are back.
    Deflated(u64),
}

/// The balloon's state.
#[derive(Clone, Copy, Debug)]
pub struct Balloon {
    target: Target,
    /// Pages that are out: the guest has their numbers, Xen their memory.
    out: u64,
    schedule: Schedule,
    /// When the next try is due after a failure.
    due: Option<u64>,
    gave_up: bool,
}

impl Balloon {
    /// A balloon that holds `out` pages already.
    #[must_use]
    pub const fn new(target: Target, out: u64) -> Self {
        Self {
            target,
            out,
            schedule: Schedule::new(),
            due: None,
            gave_up: false,
        }
    }

    /// Pages that are out.
    #[must_use]
    pub const fn out(&self) -> u64 {
        self.out
    }

    /// Pages that the guest has.
    #[must_use]
    pub const fn current(&self) -> u64 {
        self.target.present().saturating_sub(self.out)
    }

    /// The target.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The retries, for sysfs.
    pub fn schedule(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// Changes the target by `change`. If it is another one then, what failed before is tried anew at once.
    pub fn retarget(&mut self, change: impl FnOnce(&mut Target)) {
        let before = self.target;
        change(&mut self.target);
        if self.target != before {
            self.schedule.reset();
            self.due = None;
            self.gave_up = false;
        }
    }

    /// What to do at `now`, when about `available` pages could be taken without harm.
    #[must_use]
    pub fn next(&mut self, now: u64, available: u64) -> Step {
        let current = self.current();
        let wanted = self.target.pages();
        if current == wanted || self.gave_up {
            return Step::Idle;
        }
        if let Some(wait) = self
            .due
            .and_then(|due| due.checked_sub(now))
            .filter(|wait| *wait != 0)
        {
            return Step::Wait(u32::try_from(wait).unwrap_or(u32::MAX));
        }
        if current < wanted {
            // `out` is not 0: the target is never above what was there at boot.
            return Step::Deflate(wanted.saturating_sub(current).min(self.out).min(BATCH));
        }
        let spare = available.saturating_sub(RESERVE);
        match current.saturating_sub(wanted).min(spare).min(BATCH) {
            0 => self.fail(now),
            pages => Step::Inflate(pages),
        }
    }

    /// Notes how the step that [`next`](Self::next) gave has ended, `wanted` pages having been its number.
    pub fn ended(&mut self, now: u64, wanted: u64, ended: Ended) {
        let done = match ended {
            Ended::Inflated(pages) => {
                self.out = self.out.saturating_add(pages);
                pages
            }
            Ended::Deflated(pages) => {
                self.out = self.out.saturating_sub(pages);
                pages
            }
        };
        if done != 0 {
            self.schedule.reset();
            self.due = None;
        }
        if done < wanted {
            let _ = self.fail(now);
        }
    }

    fn fail(&mut self, now: u64) -> Step {
        match self.schedule.failed() {
            Some(delay) => {
                self.due = Some(now.saturating_add(u64::from(delay)));
                Step::Wait(delay)
            }
            None => {
                self.gave_up = true;
                Step::Idle
            }
        }
    }
}

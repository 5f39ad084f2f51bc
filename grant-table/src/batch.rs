// SPDX-License-Identifier: GPL-2.0-only
//! Operations on other domains' grants, many at a time: which are asked again, when, and when that ends.
//!
//! The page behind a grant may be away (paged out, or shared with a third domain): Xen says `GNTST_eagain`, and whoever
//! asked tries again. The other domain decides when its page is there, so that nobody may be waited for without an end.

use xen_sys::{GrantOperation, GrantStatus, Result};

/// When to ask again, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// How long the next pause is.
    next: u32,
    /// How long all that are to come may be.
    left: u32,
}

impl Patience {
    /// The longest pause.
    const LONGEST: u32 = 256;

    /// Pauses that double, for 4 seconds in all: whoever maps at the behest of a process holds locks of that process.
    const DEFAULT: Self = Self {
        next: 1,
        left: 4000,
    };
}

impl Iterator for Patience {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let pause = self.next;
        self.left = self.left.checked_sub(pause)?;
        self.next = pause.saturating_mul(2).min(Self::LONGEST);
        Some(pause)
    }
}

/// Lets Xen do `ops` by `issue`, and again those whose page is not there yet, after a `pause` of so many milliseconds,
/// which says whether to go on. Each operation has its [`status`](GrantOperation::status) afterwards, one that was given
/// up that of its last try.
pub fn perform<T: GrantOperation>(
    ops: &mut [T],
    mut issue: impl FnMut(&mut [T]) -> Result,
    mut pause: impl FnMut(u32) -> bool,
) {
    ops.iter_mut()
        .for_each(|op| op.set_status(GrantStatus::PENDING));
    // An error of the whole call leaves those pending that it has not come to; that is their status then.
    let _ = issue(ops);
    let is_absent = |op: &T| op.status() == GrantStatus::EAGAIN;
    for milliseconds in Patience::DEFAULT {
        if !ops.iter().any(is_absent) || !pause(milliseconds) {
            return;
        }
        for op in ops.iter_mut().filter(|op| is_absent(op)) {
            let _ = issue(core::slice::from_mut(op));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};
    use xen_sys::XenError;

    #[derive(Clone)]
    struct Op {
        status: GrantStatus,
        /// Tries that find the page away, then the status.
        absent: u32,
        then: GrantStatus,
        tries: u32,
    }

    impl Op {
        fn new(absent: u32, then: i16) -> Self {
            Self {
                status: GrantStatus::OKAY,
                absent,
                then: GrantStatus(then),
                tries: 0,
            }
        }
    }

    impl GrantOperation for Op {
        fn status(&self) -> GrantStatus {
            self.status
        }

        fn set_status(&mut self, status: GrantStatus) {
            self.status = status;
        }
    }

    fn issue(ops: &mut [Op]) -> Result {
        for op in ops {
            op.tries += 1;
            let away = op.tries <= op.absent;
            op.status = if away { GrantStatus::EAGAIN } else { op.then };
        }
        Ok(())
    }

    fn statuses(ops: &[Op]) -> Vec<i16> {
        ops.iter().map(|op| op.status.0).collect()
    }

    #[test]
    fn each_operation_has_its_own_status_and_only_absent_ones_are_asked_again() {
        let mut ops = vec![Op::new(0, 0), Op::new(2, 0), Op::new(0, -3), Op::new(1, -8)];
        let mut pauses = Vec::new();
        perform(&mut ops, issue, |ms| {
            pauses.push(ms);
            true
        });
        assert_eq!(statuses(&ops), [0, 0, -3, -8]);
        assert_eq!(
            ops.iter().map(|op| op.tries).collect::<Vec<_>>(),
            [1, 3, 1, 2]
        );
        assert_eq!(pauses, [1, 2]);
    }

    #[test]
    fn every_status_that_is_no_absence_is_final() {
        for status in (-13..=0).filter(|status| *status != -12) {
            let mut ops = vec![Op::new(0, status)];
            perform(&mut ops, issue, |_| panic!("a pause for status {status}"));
            assert_eq!(statuses(&ops), [status]);
        }
    }

    #[test]
    fn waiting_ends() {
        let mut ops = vec![Op::new(u32::MAX, 0)];
        let mut all = 0;
        perform(&mut ops, issue, |ms| {
            assert!(ms <= Patience::LONGEST);
            all += ms;
            true
        });
        assert_eq!(ops[0].status.result(), Err(XenError::EAGAIN));
        assert!((3500..=4000).contains(&all), "{all}");
    }

    #[test]
    fn whoever_is_killed_waits_no_longer() {
        let mut ops = vec![Op::new(u32::MAX, 0)];
        perform(&mut ops, issue, |_| false);
        assert_eq!((ops[0].tries, ops[0].status), (1, GrantStatus::EAGAIN));
    }

    #[test]
    fn what_a_failed_call_did_not_come_to_is_not_done() {
        let mut ops = vec![Op::new(0, 0); 3];
        let fails = |ops: &mut [Op]| {
            issue(&mut ops[..1])?;
            Err(XenError::EFAULT)
        };
        perform(&mut ops, fails, |_| panic!("nothing is absent"));
        let results: Vec<_> = ops.iter().map(|op| op.status.result()).collect();
        assert_eq!(results, [Ok(()), Err(XenError::EIO), Err(XenError::EIO)]);
    }

    #[test]
    fn nothing_to_do() {
        perform(&mut Vec::new(), issue, |_| panic!("a pause for nothing"));
    }
}

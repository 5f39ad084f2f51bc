// SPDX-License-Identifier: GPL-2.0-only
//! The watchdog's decisions, without a kernel: which of Xen's watchdog timers is ours, and until when it waits.
//!
//! Xen has a few timers for each domain. One that runs out ends the domain, as its configuration says (`on_watchdog=`).
//! Xen gives a timer with its first setting, and takes it back when it is stopped; a domain that was saved and restored
//! is a new one to Xen and has none. Time is an argument, in milliseconds of any clock that only moves forward.
//!
//! C counterpart: `drivers/watchdog/xen_wdt.c`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use xen_sys::{Hypervisor, Result, WatchdogId, XenError};

/// A timer of the domain, once it is started.
#[derive(Debug, Default)]
pub struct Watchdog {
    timer: Option<WatchdogId>,
    /// How long it waits.
    seconds: u32,
    /// When it runs out.
    deadline: u64,
}

impl Watchdog {
    /// Whether this Xen has watchdogs: a timer that does not exist is refused as such.
    pub fn is_supported(xen: &impl Hypervisor) -> bool {
        matches!(
            xen.sched_watchdog(Some(WatchdogId::NONE), 0),
            Err(XenError::EINVAL)
        )
    }

    /// Whether Xen has a timer of ours.
    pub fn is_running(&self) -> bool {
        self.timer.is_some()
    }

    /// Lets the timer run for `seconds` from now, and begins with it if there is none.
    ///
    /// # Errors
    /// `EINVAL` for no seconds, which would end it. Xen's: `ENOSPC` when others have all timers of this domain. What was
    /// set before stays.
    pub fn set(&mut self, xen: &impl Hypervisor, seconds: u32, now: u64) -> Result {
        if seconds == 0 {
            return Err(XenError::EINVAL);
        }
        let again = self
            .timer
            .map(|timer| xen.sched_watchdog(Some(timer), seconds));
        match again {
            Some(Ok(_)) => {}
            // None yet; or Xen does not know it, for this is a restored domain.
            None | Some(Err(XenError::EINVAL)) => {
                self.timer = None;
                self.timer = Some(xen.sched_watchdog(None, seconds)?);
            }
            Some(Err(error)) => return Err(error),
        }
        self.seconds = seconds;
        self.deadline = now.saturating_add(u64::from(seconds) * 1000);
        Ok(())
    }

    /// The domain goes on after a suspend, perhaps as another one: if the timer ran, it runs for its whole time from now,
    /// whether or not anybody will ping it again.
    ///
    /// # Errors
    /// As [`Self::set`]; in another domain there is no timer then, until the next one is set.
    pub fn resume(&mut self, xen: &impl Hypervisor, now: u64) -> Result {
        match self.timer {
            Some(_) => self.set(xen, self.seconds, now),
            None => Ok(()),
        }
    }

    /// Stops the timer and gives it back.
    ///
    /// # Errors
    /// Xen's; then it runs on.
    pub fn stop(&mut self, xen: &impl Hypervisor) -> Result {
        let Some(timer) = self.timer else {
            return Ok(());
        };
        match xen.sched_watchdog(Some(timer), 0) {
            Ok(_) | Err(XenError::EINVAL) => {
                self.timer = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whole seconds that are left.
    pub fn left(&self, now: u64) -> u32 {
        let milliseconds = match self.timer {
            Some(_) => self.deadline.saturating_sub(now),
            None => 0,
        };
        u32::try_from(milliseconds / 1000).unwrap_or(u32::MAX)
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The kernel half of Xen's clock: Linux's clocksource `xen`.
//!
//! Each CPU reads the [`TimeInfo`](pvclock::TimeInfo) of its vCPU in shared_info ([`xen_events::time_info`]) and the
//! CPU's counter: no exit to Xen, no lock.
//!
//! The platform module calls [`start`] once and drops [`XenClock`] before the event channels, whose shared_info it reads.
//!
//! After a suspend Linux asks every clocksource to resume (`timekeeping_resume`, by way of `syscore_resume`): shared_info
//! must be mapped again before that, and nothing else is to be done. Linux takes the time that has passed from the RTC.
//!
//! C counterparts: `arch/x86/xen/time.c`, `arch/x86/kernel/pvclock.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use kernel::prelude::*;
use linux::clocksource::{tsc, ClockSource, Counter};
use pvclock::Clock;

const __LOG_PREFIX: &[u8] = b"xen-platform-pci\0";

/// Below the TSC (300), which needs no system call to be read, in case Linux trusts it; above hpet (250), whose every read
/// is an exit.
const RATING: i32 = 299;

static CLOCK: Clock = Clock::new();

/// The clocksource.
struct Source;

impl Counter for Source {
    #[inline]
    fn read(cpu: u32) -> u64 {
        read(cpu)
    }

    fn resume() {
        CLOCK.forget();
    }
}

/// Nanoseconds of Xen's clock, on CPU `cpu`, which is the current one, with preemption off. Any context. 0 when the event
/// channels are not started.
#[inline]
pub fn read(cpu: u32) -> u64 {
    match xen_events::time_info(cpu) {
        Some(info) => CLOCK.read(info, tsc),
        None => 0,
    }
}

/// The clocksource at Linux's disposal. Dropping it makes Linux use another one.
pub struct XenClock {
    _source: ClockSource<Source>,
}

/// Registers the clocksource, or says `None` when this Xen tells no time.
///
/// # Errors
/// What Linux said.
pub fn start() -> Result<Option<XenClock>> {
    if !xen_events::time_info(0).is_some_and(|info| info.is_filled()) {
        pr_info!("this Xen tells the guest no time: no clocksource\n");
        return Ok(None);
    }
    Ok(Some(XenClock {
        _source: ClockSource::register(c"xen", RATING)?,
    }))
}

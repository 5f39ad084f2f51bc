// SPDX-License-Identifier: GPL-2.0-only
//! Suspending the domain, so that the toolstack can save it or move it to another host.
//!
//! Everything comes to rest in order: CPUs that come and go ([`linux::stop`]), the bus with its devices and the store
//! ([`xen_bus::suspend`]), the event channels ([`xen_events::freeze`]), every CPU but one. That one asks Xen to stop the
//! domain. When the call returns, the guest is where it was, or in a new domain that has nothing of what Xen and the
//! backends had: then hypercalls, upcalls and the grant table are made anew at once, with all other CPUs still at rest,
//! and the rest by the bus, afterwards.
//!
//! From the moment when disks do not work until they do, nothing here allocates or waits for one who may. No task is
//! frozen, and no device that Xen emulates is told: the toolstack carries these over as they are.
//!
//! C counterpart: `drivers/xen/manage.c`, `arch/x86/xen/suspend_hvm.c`.

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use kernel::prelude::*;
use linux::delayed_work::DelayedWork;
use linux::stop::Stoppable;
use linux::thread::{now_ms, NoIo};
use xen_hypercall::{to_error, Xen};
use xen_sys::{Hypervisor, Suspended, XenError};

use crate::unplug;

/// How long a suspend may take to begin, in milliseconds. The toolstack gives up after a minute (libxl), and a domain that
/// stops after that stays so.
const PATIENCE: u64 = 45_000;

/// When the toolstack's patience is at its end.
static UNTIL: AtomicU64 = AtomicU64::new(0);
static WORK: DelayedWork = DelayedWork::new(work);

/// How the suspends ended so far.
static RESUMED: AtomicU32 = AtomicU32::new(0);
static CANCELLED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

/// As long as this lives the domain can be suspended. Dropped when nobody asks for it any more.
pub(crate) struct Suspends(());

impl Suspends {
    /// Makes [`request`] work.
    ///
    /// # Safety
    ///
    /// Called once in the module's life.
    pub(crate) unsafe fn start() -> Self {
        // SAFETY: As the caller promises; nobody can have queued the item before.
        unsafe { WORK.start() };
        Self(())
    }
}

impl Drop for Suspends {
    fn drop(&mut self) {
        WORK.cancel();
    }
}

/// Suspends the domain, soon and from elsewhere: who asks may be one of those who are brought to rest.
pub(crate) fn request() {
    UNTIL.store(now_ms().saturating_add(PATIENCE), Ordering::Relaxed);
    WORK.queue_now();
}

fn work() {
    // The disks that memory would be written to are among what is stopped.
    let _no_io = NoIo::new();
    let stoppable = Stoppable::new();
    let until = UNTIL.load(Ordering::Relaxed);
    // Until the devices have dropped what is dead.
    let mut processes = None;
    let outcome = xen_bus::suspend(until, || {
        processes = xen_events::hold_processes();
        stop(&stoppable, processes.as_ref())
    });
    drop(processes);
    match outcome {
        Ok(Suspended::Resumed) => {
            RESUMED.fetch_add(1, Ordering::Relaxed);
            pr_info!("the domain was suspended and goes on as a new one\n");
        }
        Ok(Suspended::Cancelled) => {
            CANCELLED.fetch_add(1, Ordering::Relaxed);
            pr_info!("the domain was suspended and goes on\n");
        }
        Err(error) => {
            FAILED.fetch_add(1, Ordering::Relaxed);
            pr_err!("the domain cannot be suspended ({error:?}) and goes on\n");
        }
    }
}

/// Stops the domain; all is at rest but the event channels and the CPUs.
fn stop(stoppable: &Stoppable, processes: Option<&xen_events::Processes>) -> Result<Suspended> {
    let frozen = xen_events::freeze(stoppable)?;
    let events = frozen.parts();
    let (outcome, remade) = stoppable.stop_machine(|| {
        let outcome = Xen.sched_suspend();
        let remade = match outcome {
            Ok(Suspended::Resumed) => remake(&events),
            _ => Ok(()),
        };
        (outcome, remade)
    })?;
    if let Err((what, error)) = remade {
        pr_err!(
            "{what}: cannot be made anew in the new domain ({}): no device will work\n",
            format_args!("{error}")
        );
    }
    drop(frozen);
    let outcome = outcome.map_err(to_error)?;
    if outcome == Suspended::Resumed {
        // Before the devices come back: ports of processes have numbers that theirs may get, and what was unplugged is there
        // again beside its paravirtual twin.
        processes.inspect(|processes| processes.lose());
        unplug::again();
    }
    Ok(outcome)
}

/// In a new domain, with all other CPUs at rest: makes what the whole stands on. What fails is said later.
fn remake(events: &xen_events::Remake<'_>) -> Result<(), (&'static str, XenError)> {
    xen_hypercall::remake();
    let events = events.remake().map_err(|error| ("event channels", error));
    let grants = xen_grants::remake().map_err(|error| ("grant table", error));
    events.and(grants)
}

/// How the suspends ended so far; prints as one `name value` line each.
pub(crate) struct Counters;

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "resumed {}", RESUMED.load(Ordering::Relaxed))?;
        writeln!(f, "cancelled {}", CANCELLED.load(Ordering::Relaxed))?;
        writeln!(f, "failed {}", FAILED.load(Ordering::Relaxed))
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What is done later, in process context: deferred pages are tried again, and the table grows in advance.

use crate::table::{entry, keep_reserve, TABLE};
use grant_table::{Step, Tick};
use kernel::{
    bindings,
    prelude::*,
    time::{delay::fsleep, Delta},
};
use linux::{delayed_work::DelayedWork, thread::now_ms};
use xen_sys::GrantRef;

/// Milliseconds between two rounds as long as something is deferred.
const INTERVAL: u32 = 1000;

/// Between two looks of [`settle`].
const PAUSE: Delta = Delta::from_millis(10);

static WORK: DelayedWork = DelayedWork::new(work);

/// Makes [`now`] and [`later`] work. Once.
pub(crate) fn start() {
    // SAFETY: `table::start` runs once, and nobody has a reference for which the item could be queued yet.
    unsafe { WORK.start() };
}

/// Ends all rounds.
pub(crate) fn stop() {
    WORK.cancel();
}

/// Begins a round at once. Any context.
pub(crate) fn now() {
    WORK.queue_now();
}

/// Begins a round soon, unless one is due anyhow. Any context.
pub(crate) fn later() {
    WORK.queue(INTERVAL);
}

fn work() {
    keep_reserve();
    let tick = TABLE.lock().begin_tick(now_seconds());
    run(tick);
    if TABLE.lock().counters().deferred != 0 {
        later();
    }
}

/// Tries all deferred pages again, now and then every few milliseconds, until none is left or `limit` milliseconds are over.
/// Returns how many are left. Process context.
pub fn settle(limit: u64) -> u32 {
    let deadline = now_ms().saturating_add(limit);
    loop {
        run_all();
        let left = TABLE.lock().counters().deferred;
        if left == 0 || now_ms() >= deadline {
            return left;
        }
        fsleep(PAUSE);
    }
}

/// One round over all deferred pages.
pub(crate) fn run_all() {
    let tick = TABLE.lock().begin_extra_tick();
    run(tick);
}

/// One round over the deferred pages.
fn run(mut tick: Tick) {
    let mut stale: Option<(GrantRef, u32)> = None;
    loop {
        let step = TABLE.lock().step(&mut tick, is_over);
        match step {
            Step::Released(owner) => {
                if let Some(owner) = owner {
                    owner.release();
                }
            }
            Step::Stale(gref) => {
                let (first, more) = stale.unwrap_or((gref, 0));
                stale = Some((first, more.saturating_add(1)));
            }
            Step::Waiting => {}
            Step::Done => break,
        }
    }
    if let Some((first, count)) = stale {
        pr_warn!("pages still mapped by their backend a minute after their end: {count} (first grant reference: {}), kept out of use until it lets go\n", first.0);
    }
}

/// Whether the access to a deferred page could be ended.
fn is_over(gref: GrantRef) -> bool {
    entry(gref).is_some_and(|entry| entry.try_end().is_ok())
}

/// Monotonic time in seconds.
pub(crate) fn now_seconds() -> u64 {
    // SAFETY: The function reads the clock and may be called in any context.
    u64::try_from(unsafe { bindings::ktime_get_seconds() }).unwrap_or(0)
}

// SPDX-License-Identifier: GPL-2.0-only
//! A look after ports that have changed their CPU. See [`event_channel::Move`] for what can go wrong in Xen.

use crate::service::service;
use event_channel::lost_events;
use linux::delayed_work::DelayedWork;

/// Milliseconds from a move to the look: longer than any send takes, even on a physical CPU that is itself virtual.
const DELAY: u32 = 200;

static WORK: DelayedWork = DelayedWork::new(look);

/// Makes [`look_later`] work. Once.
pub(crate) fn start() {
    // SAFETY: `service::start` runs once, and no port can move before.
    unsafe { WORK.start() };
}

/// Ends it.
pub(crate) fn stop() {
    WORK.cancel();
}

/// A port has moved. Any context.
pub(crate) fn look_later() {
    WORK.queue(DELAY);
}

/// Raises the upcall for every event that waits on an open port, in the queue of a CPU that has gone or in none. Most of them are about to be served anyway; one upcall
/// too many does no harm.
fn look() {
    let Some(service) = service() else { return };
    service.look_after_gone();
    for port in lost_events(service.ports()) {
        if let Some(slot) = service.slots().get(port) {
            slot.raise_again(service.ports());
        }
    }
}

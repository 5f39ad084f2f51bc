// SPDX-License-Identifier: GPL-2.0-only
//! Whether events arrive at all, before a driver waits for one for ever.

use crate::channel::{EventChannel, OpenPort};
use crate::gate::EventHandler;
use crate::service::{Service, Upcall};
use core::sync::atomic::{AtomicBool, Ordering};
use event_channel::Handled;
use kernel::error::code::ETIMEDOUT;
use kernel::time::{delay::fsleep, Delta};
use kernel::{prelude::*, sync::Arc};
use xen_hypercall::{to_error, Xen};
use xen_sys::{Domid, Hypervisor};

/// How often to look, and how long to wait in between: 2 s in all.
const LOOKS: u32 = 2000;
const PAUSE: Delta = Delta::from_millis(1);

struct Arrived(AtomicBool);

impl EventHandler for Arrived {
    fn handle(&self) -> Handled {
        self.0.store(true, Ordering::Relaxed);
        Handled::Work
    }
}

/// Sends an event to ourselves and waits for it.
///
/// # Errors
/// `ETIMEDOUT`, with a message.
pub(crate) fn delivery(service: &Service) -> Result {
    let arrived = Arc::new(Arrived(AtomicBool::new(false)), GFP_KERNEL)?;
    let channel = EventChannel::alloc_unbound(Domid::SELF, c"xen-check", arrived.clone())?;
    let sender = Xen.evtchn_bind_interdomain(Domid::SELF, channel.port());
    let sender = OpenPort::ours(sender.map_err(to_error)?);
    Xen.evtchn_send(sender.port()).map_err(to_error)?;
    for _ in 0..LOOKS {
        if arrived.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        fsleep(PAUSE);
    }
    match service.mode() {
        Upcall::Intx => pr_err!("no event arrives by the PCI line: if upcall=vector was used since the guest was started, Xen keeps to vectors; use upcall=vector, or restart the guest\n"),
        _ => pr_err!("no event arrives by the CPU's vector: try upcall=intx after a restart of the guest\n"),
    }
    Err(ETIMEDOUT)
}

// SPDX-License-Identifier: GPL-2.0-only
//! The upcall of one CPU: the hottest code here.

use crate::service::{Cpu, Service};
use crate::slot::Slots;
use core::sync::atomic::{AtomicBool, Ordering};
use event_channel::{PortIndex, SharedPorts, Upcall as Served, VcpuInfo};
use kernel::prelude::*;
use linux::irq::{Handler, LastInterrupted, SharedHandler};
use linux::timer::{now, Expired, HardTimer};

/// All that an upcall needs, in one place.
pub(crate) struct UpcallHandler {
    /// Dropped first: it may be about to call this handler.
    pause: HardTimer,
    info: VcpuInfo<'static>,
    ports: SharedPorts<'static>,
    slots: &'static Slots,
    cpu: &'static Cpu,
    last: LastInterrupted,
}

impl UpcallHandler {
    /// The handler of `cpu`, whose vCPU has `info`. There is one at a time, on one interrupt, so that upcalls of one
    /// vCPU do not overlap.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new(
        service: &'static Service,
        cpu: &'static Cpu,
        info: VcpuInfo<'static>,
    ) -> Result<Self> {
        Ok(Self {
            pause: HardTimer::new()?,
            info,
            ports: service.ports(),
            slots: service.slots(),
            cpu,
            last: LastInterrupted::default(),
        })
    }

    fn serve(&self) -> Served {
        if self.cpu.guard.is_paused() {
            self.cpu.events.postpone(self.info);
            return Served::Delivered(0);
        }
        // The clock is read only when the CPU seems to get nothing else done.
        let stalled_since = self.last.is_same_again().then(now);
        let deliver = |port| self.deliver(port);
        let served = self.cpu.events.upcall(self.info, self.ports, deliver);
        let stalled = stalled_since.map(|since| now().saturating_sub(since));
        let storm = self.cpu.guard.served(stalled);
        if let Some(nanoseconds) = self.pause_after(served, stalled).max(storm) {
            self.pause(nanoseconds);
        }
        served
    }

    /// Lets upcalls pause for so long.
    fn pause(&self, nanoseconds: u64) {
        // SAFETY: The timer is part of this handler and dropped before the rest of it, and the handler is in an `Arc`,
        // where it does not move. There is no other target.
        unsafe { self.pause.start(nanoseconds, self) };
    }

    /// For how long upcalls are to pause because this one, which took so long if that is known, has left events. Says it
    /// when Xen's queues lead nowhere.
    #[inline]
    fn pause_after(&self, served: Served, took: Option<u64>) -> Option<u64> {
        if self.cpu.events.strays() != 0 {
            strayed(self.cpu);
        }
        match served {
            Served::Unfinished(_) => Some(self.cpu.guard.unfinished(took)),
            _ => None,
        }
    }

    #[inline]
    fn deliver(&self, port: PortIndex) {
        let Some(slot) = self.slots.get(port) else {
            return;
        };
        if let Some(descriptor) = slot.descriptor() {
            slot.state().count_event();
            // SAFETY: This is an interrupt handler that is requested for hard interrupt context, or a timer in such
            // context. The slot's descriptor is taken away before its `Irq` begins to be dropped, and was still there
            // within this context.
            unsafe { descriptor.deliver() };
        }
    }
}

impl Expired for UpcallHandler {
    fn expired(&self) {
        self.cpu.guard.resume();
        let deliver = |port| self.deliver(port);
        let since = now();
        let served = self.cpu.events.catch_up(self.info, self.ports, deliver);
        let took = now().saturating_sub(since);
        if let Some(nanoseconds) = self.pause_after(served, Some(took)) {
            self.pause(nanoseconds);
        }
    }
}

/// Says it once.
#[cold]
fn strayed(cpu: &Cpu) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        let number = cpu.number.as_u32();
        pr_err!("a queue of CPU {number}'s events leads to a port that does not exist; what is behind it is lost\n");
    }
}

impl Handler for UpcallHandler {
    fn handle(&self) {
        self.serve();
    }
}

impl SharedHandler for UpcallHandler {
    fn handle(&self) -> bool {
        self.serve() != Served::Idle
    }
}

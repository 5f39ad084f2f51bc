// SPDX-License-Identifier: GPL-2.0-only
//! The upcall of one CPU: the hottest code here.

use crate::service::{Cpu, Service};
use crate::slot::Slots;
use event_channel::{PortIndex, SharedPorts, Upcall as Served, VcpuEvents, VcpuInfo};
use linux::irq::{Handler, SharedHandler};

/// All that an upcall needs, in one place.
pub(crate) struct UpcallHandler {
    info: VcpuInfo<'static>,
    ports: SharedPorts<'static>,
    events: &'static VcpuEvents,
    slots: &'static Slots,
}

impl UpcallHandler {
    /// The handler of `cpu`, whose vCPU has `info`. There is one at a time, on one interrupt, so that upcalls of one
    /// vCPU do not overlap.
    pub(crate) fn new(
        service: &'static Service,
        cpu: &'static Cpu,
        info: VcpuInfo<'static>,
    ) -> Self {
        Self {
            info,
            ports: service.ports(),
            events: &cpu.events,
            slots: service.slots(),
        }
    }

    fn serve(&self) -> Served {
        let deliver = |port| self.deliver(port);
        self.events.upcall(self.info, self.ports, deliver)
    }

    #[inline]
    fn deliver(&self, port: PortIndex) {
        let Some(slot) = self.slots.get(port) else {
            return;
        };
        if let Some(descriptor) = slot.descriptor() {
            slot.state().count_event();
            // SAFETY: This is an interrupt handler that is requested for hard interrupt context. The slot's descriptor
            // is taken away before its `Irq` begins to be dropped, and was still there within this context.
            unsafe { descriptor.deliver() };
        }
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

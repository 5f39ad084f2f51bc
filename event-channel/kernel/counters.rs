// SPDX-License-Identifier: GPL-2.0-only
//! What the upcalls have done, for people.

use crate::service::service;
use core::fmt;
use event_channel::UpcallCounters;
use kernel::cpu::CpuId;
use xen_sys::VcpuId;

/// One CPU's events.
#[derive(Clone, Copy, Debug)]
pub struct CpuCounters {
    /// Linux's number of the CPU.
    pub cpu: CpuId,
    /// Xen's number of it.
    pub vcpu: VcpuId,
    /// Ports that it serves.
    pub ports: u32,
    /// Its upcalls.
    pub upcalls: UpcallCounters,
}

impl fmt::Display for CpuCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cpu {} vcpu {} ports {} upcalls {} spurious {} events {}",
            self.cpu.as_u32(),
            self.vcpu,
            self.ports,
            self.upcalls.upcalls,
            self.upcalls.spurious,
            self.upcalls.events
        )
    }
}

/// The counters of every CPU that has been online. Empty before [`crate::start`].
pub fn counters() -> impl Iterator<Item = CpuCounters> {
    let cpus = service().map_or(&[][..], |service| service.cpus());
    cpus.iter().filter_map(|cpu| {
        Some(CpuCounters {
            cpu: cpu.number,
            vcpu: cpu.vcpu()?,
            ports: cpu.events.load(),
            upcalls: cpu.events.counters(),
        })
    })
}

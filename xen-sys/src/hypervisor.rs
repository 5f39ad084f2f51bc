// SPDX-License-Identifier: GPL-2.0-only
//! What the other rooms ask of Xen.
use core::fmt;

use crate::{
    generated as sys, Domid, Gfn, GrantCopy, GrantMap, GrantUnmap, Port, VcpuId, WatchdogId,
    XenError,
};

/// Result of a request to Xen.
pub type Result<T = ()> = core::result::Result<T, XenError>;

/// A version of Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl Version {
    /// Reads `XENVER_version`'s answer: major in the high half, minor in the low one.
    pub const fn from_number(number: u32) -> Self {
        Self {
            major: (number >> 16) as u16,
            minor: number as u16,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What `add_to_physmap` puts into the guest's address space
/// (`XENMAPSPACE_*`, `xen/include/public/memory.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysmapSpace {
    /// The shared_info page.
    SharedInfo,
    /// The grant table's frame of this number; the table grows to hold it.
    GrantTable(u32),
    /// The status frame of this number, of a version 2 grant table.
    GrantStatus(u32),
}

impl PhysmapSpace {
    /// The `space` field of `struct xen_add_to_physmap`.
    pub const fn space(self) -> u32 {
        match self {
            Self::SharedInfo => sys::XENMAPSPACE_shared_info,
            Self::GrantTable(_) | Self::GrantStatus(_) => sys::XENMAPSPACE_grant_table,
        }
    }

    /// The `idx` field of `struct xen_add_to_physmap`.
    pub const fn index(self) -> u64 {
        match self {
            Self::SharedInfo => 0,
            Self::GrantTable(frame) => frame as u64,
            Self::GrantStatus(frame) => (frame | sys::XENMAPIDX_grant_table_status) as u64,
        }
    }
}

/// Frames of the grant table (`struct gnttab_query_size`, `xen/include/public/grant_table.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantTableSize {
    /// Frames the table has now.
    pub frames: u32,
    /// Frames the table can have.
    pub max_frames: u32,
}

/// What a port is bound to (`EVTCHNSTAT_*`, `xen/include/public/event_channel.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortBinding {
    /// Nothing: the port is free.
    Closed,
    /// Allocated for this domain, which has not bound it yet.
    Unbound(Domid),
    /// A port of another domain.
    Interdomain(Domid, Port),
    /// A physical interrupt.
    Pirq(u32),
    /// A virtual interrupt of Xen (`VIRQ_*`).
    Virq(u32),
    /// Another vCPU of this domain.
    Ipi,
    /// Something that this code does not know: the status number.
    Other(u32),
}

/// A port's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// The vCPU that is told of events.
    pub vcpu: VcpuId,
    /// Whose events they are.
    pub binding: PortBinding,
}

/// Why the domain stops (`SHUTDOWN_*`, `xen/include/public/sched.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ShutdownReason {
    /// It is done.
    Poweroff = sys::SHUTDOWN_poweroff,
    /// It wants to start anew.
    Reboot = sys::SHUTDOWN_reboot,
    /// It is ready to be saved: see [`Hypervisor::sched_suspend`].
    Suspend = sys::SHUTDOWN_suspend,
    /// It has crashed.
    Crash = sys::SHUTDOWN_crash,
    /// Its watchdog has run out.
    Watchdog = sys::SHUTDOWN_watchdog,
    /// It wants a new start with its memory kept.
    SoftReset = sys::SHUTDOWN_soft_reset,
}

/// In which domain a suspended guest finds itself (`SCHEDOP_shutdown` with `SHUTDOWN_suspend`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspended {
    /// In a new one, made from what was saved: it has the memory and the vCPUs of the old one, but none of its ports,
    /// grants and upcalls, and none of Xen's pages where the guest had put them.
    Resumed,
    /// In the same one, which has all that it had.
    Cancelled,
}

impl Suspended {
    /// Reads the hypercall's result: the toolstack lets it be 1 in a domain that goes on.
    pub const fn from_result(result: u64) -> Self {
        match result {
            0 => Self::Resumed,
            _ => Self::Cancelled,
        }
    }
}

/// Typed operations of Xen on the calling domain.
///
/// The real one issues hypercalls, so no operation sleeps and each may be called in any context, but for
/// `sched_shutdown` and those that take slices, which may take long. Errors are Xen's own.
pub trait Hypervisor {
    /// Allocates a port that domain `remote` may bind to (`EVTCHNOP_alloc_unbound`).
    fn evtchn_alloc_unbound(&self, remote: Domid) -> Result<Port>;
    /// Allocates a port bound to port `remote_port` of `remote` (`EVTCHNOP_bind_interdomain`).
    fn evtchn_bind_interdomain(&self, remote: Domid, remote_port: Port) -> Result<Port>;
    /// Allocates a port for events from this domain to `vcpu` (`EVTCHNOP_bind_ipi`).
    fn evtchn_bind_ipi(&self, vcpu: VcpuId) -> Result<Port>;
    /// Allocates a port bound to virtual interrupt `virq` on `vcpu` (`EVTCHNOP_bind_virq`).
    fn evtchn_bind_virq(&self, virq: u32, vcpu: VcpuId) -> Result<Port>;
    /// Closes a port (`EVTCHNOP_close`).
    fn evtchn_close(&self, port: Port) -> Result;
    /// Sends an event to the other end (`EVTCHNOP_send`).
    fn evtchn_send(&self, port: Port) -> Result;
    /// Unmasks a port and raises the upcall if it is pending (`EVTCHNOP_unmask`).
    fn evtchn_unmask(&self, port: Port) -> Result;
    /// Lets `vcpu` be told of the port's events (`EVTCHNOP_bind_vcpu`).
    fn evtchn_bind_vcpu(&self, port: Port, vcpu: VcpuId) -> Result;
    /// Says what the port is bound to (`EVTCHNOP_status`).
    fn evtchn_status(&self, port: Port) -> Result<PortStatus>;
    /// Tells Xen that `vcpu`'s FIFO control block is at byte `offset` of page `gfn` (`EVTCHNOP_init_control`). The first
    /// one gives the domain the FIFO ABI, for good. Xen writes there from then on.
    fn evtchn_init_control(&self, vcpu: VcpuId, gfn: Gfn, offset: u32) -> Result;
    /// Adds page `gfn` to the end of the FIFO event array (`EVTCHNOP_expand_array`). Xen writes there from then on.
    fn evtchn_expand_array(&self, gfn: Gfn) -> Result;
    /// Changes the FIFO priority of a port (`EVTCHNOP_set_priority`); ENOSYS in a domain with the 2-level ABI.
    fn evtchn_set_priority(&self, port: Port, priority: u32) -> Result;

    /// Reads an HVM parameter (`HVMOP_get_param`); see [`crate::hvm`].
    fn hvm_get_param(&self, index: u32) -> Result<u64>;
    /// Writes an HVM parameter (`HVMOP_set_param`).
    fn hvm_set_param(&self, index: u32, value: u64) -> Result;
    /// Sets the vector that tells `vcpu` of events (`HVMOP_set_evtchn_upcall_vector`). It cannot be unset.
    fn set_evtchn_upcall_vector(&self, vcpu: VcpuId, vector: u8) -> Result;

    /// Puts one of Xen's pages at `gfn` (`XENMEM_add_to_physmap`). Memory that was there is lost.
    fn add_to_physmap(&self, space: PhysmapSpace, gfn: Gfn) -> Result;
    /// Takes away what is at `gfn` and leaves a hole (`XENMEM_remove_from_physmap`).
    fn remove_from_physmap(&self, gfn: Gfn) -> Result;
    /// Puts fresh memory at each of `gfns` in turn, and says for how many there was some
    /// (`XENMEM_populate_physmap`).
    fn populate_physmap(&self, gfns: &[Gfn]) -> Result<usize>;
    /// Gives the memory at each of `gfns` in turn back to Xen, and says for how many that went well
    /// (`XENMEM_decrease_reservation`). The caller must own the frames and never touch them again.
    fn decrease_reservation(&self, gfns: &[Gfn]) -> Result<usize>;
    /// Pages that the domain has now (`XENMEM_current_reservation`).
    fn current_reservation(&self) -> Result<u64>;
    /// Pages that the domain may have (`XENMEM_maximum_reservation`).
    fn maximum_reservation(&self) -> Result<u64>;
    /// The highest frame that the domain has anything at (`XENMEM_maximum_gpfn`).
    fn maximum_gfn(&self) -> Result<Gfn>;

    /// Says how large the grant table is and can be (`GNTTABOP_query_size`).
    fn grant_query_size(&self) -> Result<GrantTableSize>;
    /// Chooses the grant table's version, 1 or 2, and returns the one in force (`GNTTABOP_set_version`).
    fn grant_set_version(&self, version: u32) -> Result<u32>;
    /// The grant table's version (`GNTTABOP_get_version`).
    fn grant_get_version(&self) -> Result<u32>;
    /// Maps other domains' pages at frames without memory (`GNTTABOP_map_grant_ref`). Each operation has a status of its
    /// own; after an error, those still pending were not looked at. So for the two below.
    fn grant_map(&self, ops: &mut [GrantMap]) -> Result;
    /// Undoes mappings (`GNTTABOP_unmap_grant_ref`). Nobody may use the frames any more.
    fn grant_unmap(&self, ops: &mut [GrantUnmap]) -> Result;
    /// Copies from or to other domains' pages (`GNTTABOP_copy`). Frames of ours are the caller's.
    fn grant_copy(&self, ops: &mut [GrantCopy]) -> Result;

    /// Stops the domain for good (`SCHEDOP_shutdown`). Not for [`ShutdownReason::Suspend`].
    fn sched_shutdown(&self, reason: ShutdownReason) -> Result;
    /// Lets a watchdog timer of the domain run for so many seconds, or stops it for 0 (`SCHEDOP_watchdog`). `None` asks for
    /// a timer that is free, and returns which. One that runs out ends the domain.
    fn sched_watchdog(&self, timer: Option<WatchdogId>, seconds: u32) -> Result<WatchdogId>;
    /// Stops the domain so that it can be saved (`SCHEDOP_shutdown`), and says where it goes on. All other vCPUs must be
    /// at rest, and interrupts off.
    fn sched_suspend(&self) -> Result<Suspended>;
    /// Xen's version (`XENVER_version`).
    fn version(&self) -> Result<Version>;
    /// Writes to Xen's console (`CONSOLEIO_write`); EPERM unless Xen was built to take what guests write.
    fn console_write(&self, text: &[u8]) -> Result;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn version_prints() {
        assert_eq!(Version::from_number(0x0004_0014).to_string(), "4.20");
    }

    #[test]
    fn only_zero_is_another_domain() {
        assert_eq!(Suspended::from_result(0), Suspended::Resumed);
        for other in [1, 2, u64::MAX] {
            assert_eq!(Suspended::from_result(other), Suspended::Cancelled);
        }
    }

    #[test]
    fn physmap_indices() {
        assert_eq!(PhysmapSpace::SharedInfo.space(), 0);
        assert_eq!(PhysmapSpace::GrantTable(5).space(), 1);
        assert_eq!(PhysmapSpace::GrantTable(5).index(), 5);
        assert_eq!(PhysmapSpace::GrantStatus(5).index(), 0x8000_0005);
    }
}

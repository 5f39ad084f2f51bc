// SPDX-License-Identifier: GPL-2.0-only
//! The operations of [`Hypervisor`] as hypercalls. Constants and structures: `xen/include/public/`.
use core::ptr::{from_mut, from_ref};

use xen_sys::generated as sys;
use xen_sys::{
    Domid, Gfn, GrantCopy, GrantMap, GrantTableSize, GrantUnmap, Hypervisor, PhysmapSpace, Port,
    PortBinding, PortStatus, Result, ShutdownReason, Suspended, VcpuId, Version, WatchdogId,
    XenError,
};

use crate::call::hypercall;
use crate::Xen;

const MEMORY: u32 = sys::__HYPERVISOR_memory_op;
pub(crate) const XEN_VERSION: u32 = sys::__HYPERVISOR_xen_version;
const CONSOLE: u32 = sys::__HYPERVISOR_console_io;
const GRANT_TABLE: u32 = sys::__HYPERVISOR_grant_table_op;
const SCHED: u32 = sys::__HYPERVISOR_sched_op;
const EVENT_CHANNEL: u32 = sys::__HYPERVISOR_event_channel_op;
const HVM: u32 = sys::__HYPERVISOR_hvm_op;

const SELF: u16 = Domid::SELF.0;

/// Issues hypercall `NR`, command `command`, with the structure that it takes.
///
/// # Safety
/// Command `command` of hypercall `NR` takes the address of a `T`, and any address inside of the `T` is of memory
/// that is mapped in the kernel and valid for what the command does with it.
pub(crate) unsafe fn with<const NR: u32, T>(command: u32, argument: &mut T) -> Result<u64> {
    // SAFETY: by this function's contract. `argument` is exclusively borrowed, mapped, and lives during the call: on
    // a vmapped stack too, for Xen takes virtual addresses.
    unsafe { hypercall::<NR>(command as usize, from_mut(argument) as usize, 0) }
}

/// A value for the fields that a command fills in itself.
const OUT: u32 = 0;

impl Xen {
    /// XENMEM_populate_physmap or XENMEM_decrease_reservation: how many of `gfns` it did.
    fn reservation(&self, command: u32, gfns: &[Gfn]) -> Result<usize> {
        let mut reservation = sys::xen_memory_reservation {
            extent_start: sys::__guest_handle_xen_pfn_t {
                // Gfn is a transparent u64. Xen only reads the array for these two commands of an HVM guest.
                p: from_ref(gfns).cast::<sys::xen_pfn_t>().cast_mut(),
            },
            nr_extents: gfns.len() as sys::xen_ulong_t,
            extent_order: 0,
            mem_flags: 0,
            domid: SELF,
        };
        // SAFETY: both commands take this structure and read `nr_extents` frame numbers at `extent_start`. That the
        // frames are the caller's to give away or fill is the contract of the operations.
        let done = unsafe { with::<MEMORY, _>(command, &mut reservation) }?;
        // More than asked would be nonsense; callers count on it.
        usize::try_from(done)
            .ok()
            .filter(|&done| done <= gfns.len())
            .ok_or(XenError::EIO)
    }

    /// XENMEM_current_reservation or XENMEM_maximum_reservation of this domain, in pages, or its XENMEM_maximum_gpfn.
    fn pages(&self, command: u32) -> Result<u64> {
        let mut domain = sys::xen_memory_domain { domid: SELF };
        // SAFETY: all three commands read this structure.
        unsafe { with::<MEMORY, _>(command, &mut domain) }
    }
}

impl Hypervisor for Xen {
    fn evtchn_alloc_unbound(&self, remote: Domid) -> Result<Port> {
        let mut op = sys::evtchn_alloc_unbound {
            dom: SELF,
            remote_dom: remote.0,
            port: OUT,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_alloc_unbound, &mut op) }?;
        Ok(Port(op.port))
    }

    fn evtchn_bind_interdomain(&self, remote: Domid, remote_port: Port) -> Result<Port> {
        let mut op = sys::evtchn_bind_interdomain {
            remote_dom: remote.0,
            remote_port: remote_port.0,
            local_port: OUT,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_bind_interdomain, &mut op) }?;
        Ok(Port(op.local_port))
    }

    fn evtchn_bind_ipi(&self, vcpu: VcpuId) -> Result<Port> {
        let mut op = sys::evtchn_bind_ipi {
            vcpu: vcpu.0,
            port: OUT,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_bind_ipi, &mut op) }?;
        Ok(Port(op.port))
    }

    fn evtchn_bind_virq(&self, virq: u32, vcpu: VcpuId) -> Result<Port> {
        let mut op = sys::evtchn_bind_virq {
            virq,
            vcpu: vcpu.0,
            port: OUT,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_bind_virq, &mut op) }?;
        Ok(Port(op.port))
    }

    fn evtchn_close(&self, port: Port) -> Result {
        let mut op = sys::evtchn_close { port: port.0 };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_close, &mut op) }.map(drop)
    }

    fn evtchn_send(&self, port: Port) -> Result {
        let mut op = sys::evtchn_send { port: port.0 };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_send, &mut op) }.map(drop)
    }

    fn evtchn_unmask(&self, port: Port) -> Result {
        let mut op = sys::evtchn_unmask { port: port.0 };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_unmask, &mut op) }.map(drop)
    }

    fn evtchn_bind_vcpu(&self, port: Port, vcpu: VcpuId) -> Result {
        let mut op = sys::evtchn_bind_vcpu {
            port: port.0,
            vcpu: vcpu.0,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_bind_vcpu, &mut op) }.map(drop)
    }

    fn evtchn_status(&self, port: Port) -> Result<PortStatus> {
        let mut op = sys::evtchn_status {
            dom: SELF,
            port: port.0,
            status: OUT,
            vcpu: OUT,
            u: sys::evtchn_status__bindgen_ty_1 {
                interdomain: sys::evtchn_status__bindgen_ty_1__bindgen_ty_2 { dom: 0, port: 0 },
            },
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_status, &mut op) }?;
        // SAFETY: all members of the union are plain numbers, and the largest was initialised above.
        let (unbound, interdomain, number) = unsafe { (op.u.unbound, op.u.interdomain, op.u.pirq) };
        Ok(PortStatus {
            vcpu: VcpuId(op.vcpu),
            binding: match op.status {
                sys::EVTCHNSTAT_closed => PortBinding::Closed,
                sys::EVTCHNSTAT_unbound => PortBinding::Unbound(Domid(unbound.dom)),
                sys::EVTCHNSTAT_interdomain => {
                    PortBinding::Interdomain(Domid(interdomain.dom), Port(interdomain.port))
                }
                sys::EVTCHNSTAT_pirq => PortBinding::Pirq(number),
                sys::EVTCHNSTAT_virq => PortBinding::Virq(number),
                sys::EVTCHNSTAT_ipi => PortBinding::Ipi,
                other => PortBinding::Other(other),
            },
        })
    }

    fn evtchn_init_control(&self, vcpu: VcpuId, gfn: Gfn, offset: u32) -> Result {
        let mut op = sys::evtchn_init_control {
            control_gfn: gfn.0,
            offset,
            vcpu: vcpu.0,
            link_bits: 0,
            _pad: [0; 7],
        };
        // SAFETY: the command takes this structure. That the page is one for Xen to write to is the contract of the
        // operation.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_init_control, &mut op) }.map(drop)
    }

    fn evtchn_expand_array(&self, gfn: Gfn) -> Result {
        let mut op = sys::evtchn_expand_array { array_gfn: gfn.0 };
        // SAFETY: as above.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_expand_array, &mut op) }.map(drop)
    }

    fn evtchn_set_priority(&self, port: Port, priority: u32) -> Result {
        let mut op = sys::evtchn_set_priority {
            port: port.0,
            priority,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<EVENT_CHANNEL, _>(sys::EVTCHNOP_set_priority, &mut op) }.map(drop)
    }

    fn hvm_get_param(&self, index: u32) -> Result<u64> {
        let mut op = sys::xen_hvm_param {
            domid: SELF,
            pad: 0,
            index,
            value: 0,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<HVM, _>(sys::HVMOP_get_param, &mut op) }?;
        Ok(op.value)
    }

    fn hvm_set_param(&self, index: u32, value: u64) -> Result {
        let mut op = sys::xen_hvm_param {
            domid: SELF,
            pad: 0,
            index,
            value,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<HVM, _>(sys::HVMOP_set_param, &mut op) }.map(drop)
    }

    fn set_evtchn_upcall_vector(&self, vcpu: VcpuId, vector: u8) -> Result {
        let mut op = sys::xen_hvm_evtchn_upcall_vector {
            vcpu: vcpu.0,
            vector,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<HVM, _>(sys::HVMOP_set_evtchn_upcall_vector, &mut op) }.map(drop)
    }

    fn add_to_physmap(&self, space: PhysmapSpace, gfn: Gfn) -> Result {
        let mut op = sys::xen_add_to_physmap {
            domid: SELF,
            size: 0,
            space: space.space(),
            idx: space.index(),
            gpfn: gfn.0,
        };
        // SAFETY: the command takes this structure. That nothing of the kernel's is at `gfn` is the contract of the
        // operation.
        unsafe { with::<MEMORY, _>(sys::XENMEM_add_to_physmap, &mut op) }.map(drop)
    }

    fn remove_from_physmap(&self, gfn: Gfn) -> Result {
        let mut op = sys::xen_remove_from_physmap {
            domid: SELF,
            gpfn: gfn.0,
        };
        // SAFETY: the command takes this structure. That nobody uses the frame is the contract of the operation.
        unsafe { with::<MEMORY, _>(sys::XENMEM_remove_from_physmap, &mut op) }.map(drop)
    }

    fn populate_physmap(&self, gfns: &[Gfn]) -> Result<usize> {
        self.reservation(sys::XENMEM_populate_physmap, gfns)
    }

    fn decrease_reservation(&self, gfns: &[Gfn]) -> Result<usize> {
        self.reservation(sys::XENMEM_decrease_reservation, gfns)
    }

    fn current_reservation(&self) -> Result<u64> {
        self.pages(sys::XENMEM_current_reservation)
    }

    fn maximum_reservation(&self) -> Result<u64> {
        self.pages(sys::XENMEM_maximum_reservation)
    }

    fn maximum_gfn(&self) -> Result<Gfn> {
        self.pages(sys::XENMEM_maximum_gpfn).map(Gfn)
    }

    fn grant_query_size(&self) -> Result<GrantTableSize> {
        let mut op = sys::gnttab_query_size {
            dom: SELF,
            nr_frames: OUT,
            max_nr_frames: OUT,
            status: 0,
        };
        // SAFETY: the command takes an array of this structure, here of one.
        unsafe { grant_table_op(sys::GNTTABOP_query_size, &mut op) }?;
        XenError::from_grant_status(op.status)?;
        Ok(GrantTableSize {
            frames: op.nr_frames,
            max_frames: op.max_nr_frames,
        })
    }

    fn grant_set_version(&self, version: u32) -> Result<u32> {
        let mut op = sys::gnttab_set_version { version };
        // SAFETY: the command takes an array of this structure, here of one.
        unsafe { grant_table_op(sys::GNTTABOP_set_version, &mut op) }?;
        Ok(op.version)
    }

    fn grant_get_version(&self) -> Result<u32> {
        let mut op = sys::gnttab_get_version {
            dom: SELF,
            pad: 0,
            version: OUT,
        };
        // SAFETY: the command takes an array of this structure, here of one.
        unsafe { grant_table_op(sys::GNTTABOP_get_version, &mut op) }?;
        Ok(op.version)
    }

    fn grant_map(&self, ops: &mut [GrantMap]) -> Result {
        // SAFETY: the command takes an array of this structure, and no address in it. That nothing of the kernel's is
        // at the frames is the contract of the operation.
        unsafe { grant_table_ops(sys::GNTTABOP_map_grant_ref, ops) }
    }

    fn grant_unmap(&self, ops: &mut [GrantUnmap]) -> Result {
        // SAFETY: the command takes an array of this structure, and no address in it. That nobody uses the frames is the
        // contract of the operation.
        unsafe { grant_table_ops(sys::GNTTABOP_unmap_grant_ref, ops) }
    }

    fn grant_copy(&self, ops: &mut [GrantCopy]) -> Result {
        // SAFETY: the command takes an array of this structure, and no address in it. That the frames copied to are the
        // caller's is the contract of the operation.
        unsafe { grant_table_ops(sys::GNTTABOP_copy, ops) }
    }

    fn sched_shutdown(&self, reason: ShutdownReason) -> Result {
        let mut op = sys::sched_shutdown {
            reason: reason as u32,
        };
        // SAFETY: the command takes this structure.
        unsafe { with::<SCHED, _>(sys::SCHEDOP_shutdown, &mut op) }.map(drop)
    }

    fn sched_watchdog(&self, timer: Option<WatchdogId>, seconds: u32) -> Result<WatchdogId> {
        let mut op = sys::sched_watchdog {
            id: timer.map_or(0, WatchdogId::number),
            timeout: seconds,
        };
        // SAFETY: the command takes this structure.
        let number = unsafe { with::<SCHED, _>(sys::SCHEDOP_watchdog, &mut op) }?;
        // Xen says 0 for a timer that was given, and which it is for a new one.
        let new = || u32::try_from(number).ok().and_then(WatchdogId::new);
        timer.or_else(new).ok_or(XenError::EIO)
    }

    fn sched_suspend(&self) -> Result<Suspended> {
        let mut op = sys::sched_shutdown {
            reason: ShutdownReason::Suspend as u32,
        };
        // SAFETY: the command takes this structure.
        let result = unsafe { with::<SCHED, _>(sys::SCHEDOP_shutdown, &mut op) }?;
        Ok(Suspended::from_result(result))
    }

    fn version(&self) -> Result<Version> {
        // SAFETY: the command takes no argument.
        let number = unsafe { hypercall::<XEN_VERSION>(sys::XENVER_version as usize, 0, 0) }?;
        Ok(Version::from_number(number as u32))
    }

    fn console_write(&self, text: &[u8]) -> Result {
        let (command, address) = (sys::CONSOLEIO_write as usize, text.as_ptr() as usize);
        // SAFETY: the command takes a length and the address of as many bytes, which it only reads.
        unsafe { hypercall::<CONSOLE>(command, text.len(), address) }.map(drop)
    }
}

/// Issues a grant table command on one structure.
///
/// # Safety
/// The command takes the address of an array of `T`, and any address inside of the `T` is as `hypercall` demands.
unsafe fn grant_table_op<T>(command: u32, op: &mut T) -> Result<u64> {
    // SAFETY: by this function's contract; the third argument is the array's length.
    unsafe { hypercall::<GRANT_TABLE>(command as usize, from_mut(op) as usize, 1) }
}

/// Issues a grant table command on an array.
///
/// # Safety
/// As for `grant_table_op`.
unsafe fn grant_table_ops<T>(command: u32, ops: &mut [T]) -> Result {
    // SAFETY: by this function's contract.
    unsafe {
        hypercall::<GRANT_TABLE>(command as usize, ops.as_mut_ptr() as usize, ops.len()).map(drop)
    }
}

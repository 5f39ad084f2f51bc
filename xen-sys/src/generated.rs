// SPDX-License-Identifier: MIT
// Made by xen-sys/regenerate from the Xen public headers (MIT). Do not edit.

pub const XEN_LEGACY_MAX_VCPUS: u32 = 32;
pub const __HYPERVISOR_memory_op: u32 = 12;
pub const __HYPERVISOR_xen_version: u32 = 17;
pub const __HYPERVISOR_console_io: u32 = 18;
pub const __HYPERVISOR_grant_table_op: u32 = 20;
pub const __HYPERVISOR_vcpu_op: u32 = 24;
pub const __HYPERVISOR_sched_op: u32 = 29;
pub const __HYPERVISOR_event_channel_op: u32 = 32;
pub const __HYPERVISOR_hvm_op: u32 = 34;
pub const VIRQ_TIMER: u32 = 0;
pub const VIRQ_DEBUG: u32 = 1;
pub const VIRQ_CONSOLE: u32 = 2;
pub const VIRQ_DOM_EXC: u32 = 3;
pub const VIRQ_TBUF: u32 = 4;
pub const VIRQ_DEBUGGER: u32 = 6;
pub const VIRQ_XENOPROF: u32 = 7;
pub const VIRQ_CON_RING: u32 = 8;
pub const VIRQ_PCPU_STATE: u32 = 9;
pub const VIRQ_MEM_EVENT: u32 = 10;
pub const VIRQ_ARGO: u32 = 11;
pub const VIRQ_ENOMEM: u32 = 12;
pub const VIRQ_XENPMU: u32 = 13;
pub const VIRQ_ARCH_0: u32 = 16;
pub const VIRQ_ARCH_1: u32 = 17;
pub const VIRQ_ARCH_2: u32 = 18;
pub const VIRQ_ARCH_3: u32 = 19;
pub const VIRQ_ARCH_4: u32 = 20;
pub const VIRQ_ARCH_5: u32 = 21;
pub const VIRQ_ARCH_6: u32 = 22;
pub const VIRQ_ARCH_7: u32 = 23;
pub const CONSOLEIO_write: u32 = 0;
pub const CONSOLEIO_read: u32 = 1;
pub const XENVER_version: u32 = 0;
pub const XENVER_extraversion: u32 = 1;
pub const XENVER_compile_info: u32 = 2;
pub const XENVER_capabilities: u32 = 3;
pub const XENVER_changeset: u32 = 4;
pub const XENVER_platform_parameters: u32 = 5;
pub const XENVER_get_features: u32 = 6;
pub const XENVER_pagesize: u32 = 7;
pub const XENVER_guest_handle: u32 = 8;
pub const XENVER_build_id: u32 = 10;
pub const XENMEM_increase_reservation: u32 = 0;
pub const XENMEM_decrease_reservation: u32 = 1;
pub const XENMEM_populate_physmap: u32 = 6;
pub const XENMEM_current_reservation: u32 = 3;
pub const XENMEM_maximum_reservation: u32 = 4;
pub const XENMEM_maximum_gpfn: u32 = 14;
pub const XENMAPSPACE_shared_info: u32 = 0;
pub const XENMAPSPACE_grant_table: u32 = 1;
pub const XENMEM_add_to_physmap: u32 = 7;
pub const XENMAPIDX_grant_table_status: u32 = 2147483648;
pub const XENMEM_remove_from_physmap: u32 = 15;
pub const EVTCHNOP_bind_interdomain: u32 = 0;
pub const EVTCHNOP_bind_virq: u32 = 1;
pub const EVTCHNOP_bind_pirq: u32 = 2;
pub const EVTCHNOP_close: u32 = 3;
pub const EVTCHNOP_send: u32 = 4;
pub const EVTCHNOP_status: u32 = 5;
pub const EVTCHNOP_alloc_unbound: u32 = 6;
pub const EVTCHNOP_bind_ipi: u32 = 7;
pub const EVTCHNOP_bind_vcpu: u32 = 8;
pub const EVTCHNOP_unmask: u32 = 9;
pub const EVTCHNOP_reset: u32 = 10;
pub const EVTCHNOP_init_control: u32 = 11;
pub const EVTCHNOP_expand_array: u32 = 12;
pub const EVTCHNOP_set_priority: u32 = 13;
pub const EVTCHNSTAT_closed: u32 = 0;
pub const EVTCHNSTAT_unbound: u32 = 1;
pub const EVTCHNSTAT_interdomain: u32 = 2;
pub const EVTCHNSTAT_pirq: u32 = 3;
pub const EVTCHNSTAT_virq: u32 = 4;
pub const EVTCHNSTAT_ipi: u32 = 5;
pub const EVTCHN_FIFO_PRIORITY_MAX: u32 = 0;
pub const EVTCHN_FIFO_PRIORITY_DEFAULT: u32 = 7;
pub const EVTCHN_FIFO_PRIORITY_MIN: u32 = 15;
pub const EVTCHN_FIFO_MAX_QUEUES: u32 = 16;
pub const EVTCHN_FIFO_PENDING: u32 = 31;
pub const EVTCHN_FIFO_MASKED: u32 = 30;
pub const EVTCHN_FIFO_LINKED: u32 = 29;
pub const EVTCHN_FIFO_BUSY: u32 = 28;
pub const EVTCHN_FIFO_LINK_BITS: u32 = 17;
pub const EVTCHN_FIFO_LINK_MASK: u32 = 131071;
pub const EVTCHN_FIFO_NR_CHANNELS: u32 = 131072;
pub const SCHEDOP_yield: u32 = 0;
pub const SCHEDOP_block: u32 = 1;
pub const SCHEDOP_shutdown: u32 = 2;
pub const SCHEDOP_poll: u32 = 3;
pub const SCHEDOP_watchdog: u32 = 6;
pub const SHUTDOWN_poweroff: u32 = 0;
pub const SHUTDOWN_reboot: u32 = 1;
pub const SHUTDOWN_suspend: u32 = 2;
pub const SHUTDOWN_crash: u32 = 3;
pub const SHUTDOWN_watchdog: u32 = 4;
pub const SHUTDOWN_soft_reset: u32 = 5;
pub const SHUTDOWN_MAX: u32 = 5;
pub const VCPUOP_register_vcpu_info: u32 = 10;
pub const GNTTAB_NR_RESERVED_ENTRIES: u32 = 8;
pub const GNTTAB_RESERVED_CONSOLE: u32 = 0;
pub const GNTTAB_RESERVED_XENSTORE: u32 = 1;
pub const GTF_invalid: u32 = 0;
pub const GTF_permit_access: u32 = 1;
pub const GTF_accept_transfer: u32 = 2;
pub const GTF_transitive: u32 = 3;
pub const GTF_type_mask: u32 = 3;
pub const GTF_readonly: u32 = 4;
pub const GTF_reading: u32 = 8;
pub const GTF_writing: u32 = 16;
pub const GTF_PWT: u32 = 32;
pub const GTF_PCD: u32 = 64;
pub const GTF_PAT: u32 = 128;
pub const GTF_sub_page: u32 = 256;
pub const GTF_transfer_committed: u32 = 4;
pub const GTF_transfer_completed: u32 = 8;
pub const GNTTABOP_map_grant_ref: u32 = 0;
pub const GNTTABOP_unmap_grant_ref: u32 = 1;
pub const GNTTABOP_setup_table: u32 = 2;
pub const GNTTABOP_copy: u32 = 5;
pub const GNTTABOP_query_size: u32 = 6;
pub const GNTTABOP_set_version: u32 = 8;
pub const GNTTABOP_get_status_frames: u32 = 9;
pub const GNTTABOP_get_version: u32 = 10;
pub const GNTCOPY_source_gref: u32 = 1;
pub const GNTCOPY_dest_gref: u32 = 2;
pub const GNTMAP_host_map: u32 = 2;
pub const GNTMAP_readonly: u32 = 4;
pub const GNTST_okay: u32 = 0;
pub const GNTST_general_error: i32 = -1;
pub const GNTST_bad_domain: i32 = -2;
pub const GNTST_bad_gntref: i32 = -3;
pub const GNTST_bad_handle: i32 = -4;
pub const GNTST_bad_virt_addr: i32 = -5;
pub const GNTST_bad_dev_addr: i32 = -6;
pub const GNTST_no_device_space: i32 = -7;
pub const GNTST_permission_denied: i32 = -8;
pub const GNTST_bad_page: i32 = -9;
pub const GNTST_bad_copy_arg: i32 = -10;
pub const GNTST_address_too_big: i32 = -11;
pub const GNTST_eagain: i32 = -12;
pub const GNTST_no_space: i32 = -13;
pub const XEN_CPUID_FIRST_LEAF: u32 = 1073741824;
pub const XEN_CPUID_SIGNATURE_EBX: u32 = 1450075480;
pub const XEN_CPUID_SIGNATURE_ECX: u32 = 1700285773;
pub const XEN_CPUID_SIGNATURE_EDX: u32 = 1296914030;
pub const XEN_HVM_CPUID_APIC_ACCESS_VIRT: u32 = 1;
pub const XEN_HVM_CPUID_X2APIC_VIRT: u32 = 2;
pub const XEN_HVM_CPUID_IOMMU_MAPPINGS: u32 = 4;
pub const XEN_HVM_CPUID_VCPU_ID_PRESENT: u32 = 8;
pub const XEN_HVM_CPUID_DOMID_PRESENT: u32 = 16;
pub const XEN_HVM_CPUID_EXT_DEST_ID: u32 = 32;
pub const XEN_HVM_CPUID_UPCALL_VECTOR: u32 = 64;
pub const HVMOP_set_param: u32 = 0;
pub const HVMOP_get_param: u32 = 1;
pub const HVMOP_set_evtchn_upcall_vector: u32 = 23;
pub const HVM_PARAM_CALLBACK_IRQ: u32 = 0;
pub const HVM_PARAM_CALLBACK_TYPE_GSI: u32 = 0;
pub const HVM_PARAM_CALLBACK_TYPE_PCI_INTX: u32 = 1;
pub const HVM_PARAM_CALLBACK_TYPE_VECTOR: u32 = 2;
pub const HVM_PARAM_STORE_PFN: u32 = 1;
pub const HVM_PARAM_STORE_EVTCHN: u32 = 2;
pub const HVM_PARAM_CONSOLE_PFN: u32 = 17;
pub const HVM_PARAM_CONSOLE_EVTCHN: u32 = 18;
pub const HVM_PARAM_VM_GENERATION_ID_ADDR: u32 = 34;
pub const XENSTORE_RING_SIZE: u32 = 1024;
pub const XENSTORE_PAYLOAD_MAX: u32 = 4096;
pub const XENSTORE_ABS_PATH_MAX: u32 = 3072;
pub const XENSTORE_REL_PATH_MAX: u32 = 2048;
pub const XENSTORE_SERVER_FEATURE_RECONNECTION: u32 = 1;
pub const XENSTORE_SERVER_FEATURE_ERROR: u32 = 2;
pub const XENSTORE_CONNECTED: u32 = 0;
pub const XENSTORE_RECONNECT: u32 = 1;
pub const XENSTORE_ERROR_NONE: u32 = 0;
pub const XENSTORE_ERROR_COMM: u32 = 1;
pub const XENSTORE_ERROR_RINGIDX: u32 = 2;
pub const XENSTORE_ERROR_PROTO: u32 = 3;
pub const BLKIF_OP_READ: u32 = 0;
pub const BLKIF_OP_WRITE: u32 = 1;
pub const BLKIF_OP_WRITE_BARRIER: u32 = 2;
pub const BLKIF_OP_FLUSH_DISKCACHE: u32 = 3;
pub const BLKIF_OP_RESERVED_1: u32 = 4;
pub const BLKIF_OP_DISCARD: u32 = 5;
pub const BLKIF_OP_INDIRECT: u32 = 6;
pub const BLKIF_MAX_SEGMENTS_PER_REQUEST: u32 = 11;
pub const BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST: u32 = 8;
pub const BLKIF_DISCARD_SECURE: u32 = 1;
pub const BLKIF_RSP_EOPNOTSUPP: i32 = -2;
pub const BLKIF_RSP_ERROR: i32 = -1;
pub const BLKIF_RSP_OKAY: u32 = 0;
pub const VDISK_CDROM: u32 = 1;
pub const VDISK_REMOVABLE: u32 = 2;
pub const VDISK_READONLY: u32 = 4;
pub const XEN_NETIF_NR_SLOTS_MIN: u32 = 18;
pub const XEN_NETIF_CTRL_HASH_TYPE_IPV4: u32 = 1;
pub const XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP: u32 = 2;
pub const XEN_NETIF_CTRL_HASH_TYPE_IPV6: u32 = 4;
pub const XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP: u32 = 8;
pub const XEN_NETIF_CTRL_HASH_ALGORITHM_NONE: u32 = 0;
pub const XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ: u32 = 1;
pub const XEN_NETIF_CTRL_TYPE_INVALID: u32 = 0;
pub const XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS: u32 = 1;
pub const XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS: u32 = 2;
pub const XEN_NETIF_CTRL_TYPE_SET_HASH_KEY: u32 = 3;
pub const XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE: u32 = 4;
pub const XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE: u32 = 5;
pub const XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING: u32 = 6;
pub const XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM: u32 = 7;
pub const XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE: u32 = 8;
pub const XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING: u32 = 9;
pub const XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING: u32 = 10;
pub const XEN_NETIF_CTRL_STATUS_SUCCESS: u32 = 0;
pub const XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED: u32 = 1;
pub const XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER: u32 = 2;
pub const XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW: u32 = 3;
pub const XEN_NETIF_CTRLF_GREF_readonly: u32 = 1;
pub const NETTXF_csum_blank: u32 = 1;
pub const NETTXF_data_validated: u32 = 2;
pub const NETTXF_more_data: u32 = 4;
pub const NETTXF_extra_info: u32 = 8;
pub const XEN_NETIF_MAX_TX_SIZE: u32 = 65535;
pub const XEN_NETIF_EXTRA_TYPE_NONE: u32 = 0;
pub const XEN_NETIF_EXTRA_TYPE_GSO: u32 = 1;
pub const XEN_NETIF_EXTRA_TYPE_MCAST_ADD: u32 = 2;
pub const XEN_NETIF_EXTRA_TYPE_MCAST_DEL: u32 = 3;
pub const XEN_NETIF_EXTRA_TYPE_HASH: u32 = 4;
pub const XEN_NETIF_EXTRA_TYPE_MAX: u32 = 5;
pub const XEN_NETIF_EXTRA_FLAG_MORE: u32 = 1;
pub const XEN_NETIF_GSO_TYPE_NONE: u32 = 0;
pub const XEN_NETIF_GSO_TYPE_TCPV4: u32 = 1;
pub const XEN_NETIF_GSO_TYPE_TCPV6: u32 = 2;
pub const NETRXF_data_validated: u32 = 1;
pub const NETRXF_csum_blank: u32 = 2;
pub const NETRXF_more_data: u32 = 4;
pub const NETRXF_extra_info: u32 = 8;
pub const NETRXF_gso_prefix: u32 = 16;
pub const NETIF_RSP_DROPPED: i32 = -2;
pub const NETIF_RSP_ERROR: i32 = -1;
pub const NETIF_RSP_OKAY: u32 = 0;
pub const NETIF_RSP_NULL: u32 = 1;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct arch_vcpu_info {
    pub cr2: core::ffi::c_ulong,
    pub pad: core::ffi::c_ulong,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of arch_vcpu_info"][::core::mem::size_of::<arch_vcpu_info>() - 16usize];
    ["Alignment of arch_vcpu_info"][::core::mem::align_of::<arch_vcpu_info>() - 8usize];
    ["Offset of field: arch_vcpu_info::cr2"][::core::mem::offset_of!(arch_vcpu_info, cr2) - 0usize];
    ["Offset of field: arch_vcpu_info::pad"][::core::mem::offset_of!(arch_vcpu_info, pad) - 8usize];
};
pub type xen_pfn_t = core::ffi::c_ulong;
pub type xen_ulong_t = core::ffi::c_ulong;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct arch_shared_info {
    pub max_pfn: core::ffi::c_ulong,
    pub pfn_to_mfn_frame_list_list: xen_pfn_t,
    pub nmi_reason: core::ffi::c_ulong,
    pub p2m_cr3: core::ffi::c_ulong,
    pub p2m_vaddr: core::ffi::c_ulong,
    pub p2m_generation: core::ffi::c_ulong,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of arch_shared_info"][::core::mem::size_of::<arch_shared_info>() - 48usize];
    ["Alignment of arch_shared_info"][::core::mem::align_of::<arch_shared_info>() - 8usize];
    ["Offset of field: arch_shared_info::max_pfn"]
        [::core::mem::offset_of!(arch_shared_info, max_pfn) - 0usize];
    ["Offset of field: arch_shared_info::pfn_to_mfn_frame_list_list"]
        [::core::mem::offset_of!(arch_shared_info, pfn_to_mfn_frame_list_list) - 8usize];
    ["Offset of field: arch_shared_info::nmi_reason"]
        [::core::mem::offset_of!(arch_shared_info, nmi_reason) - 16usize];
    ["Offset of field: arch_shared_info::p2m_cr3"]
        [::core::mem::offset_of!(arch_shared_info, p2m_cr3) - 24usize];
    ["Offset of field: arch_shared_info::p2m_vaddr"]
        [::core::mem::offset_of!(arch_shared_info, p2m_vaddr) - 32usize];
    ["Offset of field: arch_shared_info::p2m_generation"]
        [::core::mem::offset_of!(arch_shared_info, p2m_generation) - 40usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct __guest_handle_xen_pfn_t {
    pub p: *mut xen_pfn_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of __guest_handle_xen_pfn_t"]
        [::core::mem::size_of::<__guest_handle_xen_pfn_t>() - 8usize];
    ["Alignment of __guest_handle_xen_pfn_t"]
        [::core::mem::align_of::<__guest_handle_xen_pfn_t>() - 8usize];
    ["Offset of field: __guest_handle_xen_pfn_t::p"]
        [::core::mem::offset_of!(__guest_handle_xen_pfn_t, p) - 0usize];
};
pub type domid_t = u16;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct vcpu_time_info {
    pub version: u32,
    pub pad0: u32,
    pub tsc_timestamp: u64,
    pub system_time: u64,
    pub tsc_to_system_mul: u32,
    pub tsc_shift: i8,
    pub flags: u8,
    pub pad1: [u8; 2usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of vcpu_time_info"][::core::mem::size_of::<vcpu_time_info>() - 32usize];
    ["Alignment of vcpu_time_info"][::core::mem::align_of::<vcpu_time_info>() - 8usize];
    ["Offset of field: vcpu_time_info::version"]
        [::core::mem::offset_of!(vcpu_time_info, version) - 0usize];
    ["Offset of field: vcpu_time_info::pad0"]
        [::core::mem::offset_of!(vcpu_time_info, pad0) - 4usize];
    ["Offset of field: vcpu_time_info::tsc_timestamp"]
        [::core::mem::offset_of!(vcpu_time_info, tsc_timestamp) - 8usize];
    ["Offset of field: vcpu_time_info::system_time"]
        [::core::mem::offset_of!(vcpu_time_info, system_time) - 16usize];
    ["Offset of field: vcpu_time_info::tsc_to_system_mul"]
        [::core::mem::offset_of!(vcpu_time_info, tsc_to_system_mul) - 24usize];
    ["Offset of field: vcpu_time_info::tsc_shift"]
        [::core::mem::offset_of!(vcpu_time_info, tsc_shift) - 28usize];
    ["Offset of field: vcpu_time_info::flags"]
        [::core::mem::offset_of!(vcpu_time_info, flags) - 29usize];
    ["Offset of field: vcpu_time_info::pad1"]
        [::core::mem::offset_of!(vcpu_time_info, pad1) - 30usize];
};
pub type vcpu_time_info_t = vcpu_time_info;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct vcpu_info {
    pub evtchn_upcall_pending: u8,
    pub evtchn_upcall_mask: u8,
    pub evtchn_pending_sel: xen_ulong_t,
    pub arch: arch_vcpu_info,
    pub time: vcpu_time_info_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of vcpu_info"][::core::mem::size_of::<vcpu_info>() - 64usize];
    ["Alignment of vcpu_info"][::core::mem::align_of::<vcpu_info>() - 8usize];
    ["Offset of field: vcpu_info::evtchn_upcall_pending"]
        [::core::mem::offset_of!(vcpu_info, evtchn_upcall_pending) - 0usize];
    ["Offset of field: vcpu_info::evtchn_upcall_mask"]
        [::core::mem::offset_of!(vcpu_info, evtchn_upcall_mask) - 1usize];
    ["Offset of field: vcpu_info::evtchn_pending_sel"]
        [::core::mem::offset_of!(vcpu_info, evtchn_pending_sel) - 8usize];
    ["Offset of field: vcpu_info::arch"][::core::mem::offset_of!(vcpu_info, arch) - 16usize];
    ["Offset of field: vcpu_info::time"][::core::mem::offset_of!(vcpu_info, time) - 32usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct shared_info {
    pub vcpu_info: [vcpu_info; 32usize],
    pub evtchn_pending: [xen_ulong_t; 64usize],
    pub evtchn_mask: [xen_ulong_t; 64usize],
    pub wc_version: u32,
    pub wc_sec: u32,
    pub wc_nsec: u32,
    pub wc_sec_hi: u32,
    pub arch: arch_shared_info,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of shared_info"][::core::mem::size_of::<shared_info>() - 3136usize];
    ["Alignment of shared_info"][::core::mem::align_of::<shared_info>() - 8usize];
    ["Offset of field: shared_info::vcpu_info"]
        [::core::mem::offset_of!(shared_info, vcpu_info) - 0usize];
    ["Offset of field: shared_info::evtchn_pending"]
        [::core::mem::offset_of!(shared_info, evtchn_pending) - 2048usize];
    ["Offset of field: shared_info::evtchn_mask"]
        [::core::mem::offset_of!(shared_info, evtchn_mask) - 2560usize];
    ["Offset of field: shared_info::wc_version"]
        [::core::mem::offset_of!(shared_info, wc_version) - 3072usize];
    ["Offset of field: shared_info::wc_sec"]
        [::core::mem::offset_of!(shared_info, wc_sec) - 3076usize];
    ["Offset of field: shared_info::wc_nsec"]
        [::core::mem::offset_of!(shared_info, wc_nsec) - 3080usize];
    ["Offset of field: shared_info::wc_sec_hi"]
        [::core::mem::offset_of!(shared_info, wc_sec_hi) - 3084usize];
    ["Offset of field: shared_info::arch"][::core::mem::offset_of!(shared_info, arch) - 3088usize];
};
pub const XEN_EPERM: xen_errno = 1;
pub const XEN_ENOENT: xen_errno = 2;
pub const XEN_ESRCH: xen_errno = 3;
pub const XEN_EIO: xen_errno = 5;
pub const XEN_ENXIO: xen_errno = 6;
pub const XEN_E2BIG: xen_errno = 7;
pub const XEN_ENOEXEC: xen_errno = 8;
pub const XEN_EBADF: xen_errno = 9;
pub const XEN_ECHILD: xen_errno = 10;
pub const XEN_EAGAIN: xen_errno = 11;
pub const XEN_EWOULDBLOCK: xen_errno = 11;
pub const XEN_ENOMEM: xen_errno = 12;
pub const XEN_EACCES: xen_errno = 13;
pub const XEN_EFAULT: xen_errno = 14;
pub const XEN_EBUSY: xen_errno = 16;
pub const XEN_EEXIST: xen_errno = 17;
pub const XEN_EXDEV: xen_errno = 18;
pub const XEN_ENODEV: xen_errno = 19;
pub const XEN_ENOTDIR: xen_errno = 20;
pub const XEN_EISDIR: xen_errno = 21;
pub const XEN_EINVAL: xen_errno = 22;
pub const XEN_ENFILE: xen_errno = 23;
pub const XEN_EMFILE: xen_errno = 24;
pub const XEN_ENOSPC: xen_errno = 28;
pub const XEN_EROFS: xen_errno = 30;
pub const XEN_EMLINK: xen_errno = 31;
pub const XEN_EDOM: xen_errno = 33;
pub const XEN_ERANGE: xen_errno = 34;
pub const XEN_EDEADLK: xen_errno = 35;
pub const XEN_EDEADLOCK: xen_errno = 35;
pub const XEN_ENAMETOOLONG: xen_errno = 36;
pub const XEN_ENOLCK: xen_errno = 37;
pub const XEN_ENOSYS: xen_errno = 38;
pub const XEN_ENOTEMPTY: xen_errno = 39;
pub const XEN_ENODATA: xen_errno = 61;
pub const XEN_ETIME: xen_errno = 62;
pub const XEN_EBADMSG: xen_errno = 74;
pub const XEN_EOVERFLOW: xen_errno = 75;
pub const XEN_EILSEQ: xen_errno = 84;
pub const XEN_ENOTSOCK: xen_errno = 88;
pub const XEN_EMSGSIZE: xen_errno = 90;
pub const XEN_EOPNOTSUPP: xen_errno = 95;
pub const XEN_EADDRINUSE: xen_errno = 98;
pub const XEN_EADDRNOTAVAIL: xen_errno = 99;
pub const XEN_ENOBUFS: xen_errno = 105;
pub const XEN_EISCONN: xen_errno = 106;
pub const XEN_ENOTCONN: xen_errno = 107;
pub const XEN_ETIMEDOUT: xen_errno = 110;
pub const XEN_ECONNREFUSED: xen_errno = 111;
pub type xen_errno = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_compile_info {
    pub compiler: [core::ffi::c_char; 64usize],
    pub compile_by: [core::ffi::c_char; 16usize],
    pub compile_domain: [core::ffi::c_char; 32usize],
    pub compile_date: [core::ffi::c_char; 32usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_compile_info"][::core::mem::size_of::<xen_compile_info>() - 144usize];
    ["Alignment of xen_compile_info"][::core::mem::align_of::<xen_compile_info>() - 1usize];
    ["Offset of field: xen_compile_info::compiler"]
        [::core::mem::offset_of!(xen_compile_info, compiler) - 0usize];
    ["Offset of field: xen_compile_info::compile_by"]
        [::core::mem::offset_of!(xen_compile_info, compile_by) - 64usize];
    ["Offset of field: xen_compile_info::compile_domain"]
        [::core::mem::offset_of!(xen_compile_info, compile_domain) - 80usize];
    ["Offset of field: xen_compile_info::compile_date"]
        [::core::mem::offset_of!(xen_compile_info, compile_date) - 112usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_platform_parameters {
    pub virt_start: xen_ulong_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_platform_parameters"][::core::mem::size_of::<xen_platform_parameters>() - 8usize];
    ["Alignment of xen_platform_parameters"]
        [::core::mem::align_of::<xen_platform_parameters>() - 8usize];
    ["Offset of field: xen_platform_parameters::virt_start"]
        [::core::mem::offset_of!(xen_platform_parameters, virt_start) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_feature_info {
    pub submap_idx: core::ffi::c_uint,
    pub submap: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_feature_info"][::core::mem::size_of::<xen_feature_info>() - 8usize];
    ["Alignment of xen_feature_info"][::core::mem::align_of::<xen_feature_info>() - 4usize];
    ["Offset of field: xen_feature_info::submap_idx"]
        [::core::mem::offset_of!(xen_feature_info, submap_idx) - 0usize];
    ["Offset of field: xen_feature_info::submap"]
        [::core::mem::offset_of!(xen_feature_info, submap) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_memory_reservation {
    pub extent_start: __guest_handle_xen_pfn_t,
    pub nr_extents: xen_ulong_t,
    pub extent_order: core::ffi::c_uint,
    pub mem_flags: core::ffi::c_uint,
    pub domid: domid_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_memory_reservation"][::core::mem::size_of::<xen_memory_reservation>() - 32usize];
    ["Alignment of xen_memory_reservation"]
        [::core::mem::align_of::<xen_memory_reservation>() - 8usize];
    ["Offset of field: xen_memory_reservation::extent_start"]
        [::core::mem::offset_of!(xen_memory_reservation, extent_start) - 0usize];
    ["Offset of field: xen_memory_reservation::nr_extents"]
        [::core::mem::offset_of!(xen_memory_reservation, nr_extents) - 8usize];
    ["Offset of field: xen_memory_reservation::extent_order"]
        [::core::mem::offset_of!(xen_memory_reservation, extent_order) - 16usize];
    ["Offset of field: xen_memory_reservation::mem_flags"]
        [::core::mem::offset_of!(xen_memory_reservation, mem_flags) - 20usize];
    ["Offset of field: xen_memory_reservation::domid"]
        [::core::mem::offset_of!(xen_memory_reservation, domid) - 24usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_memory_domain {
    pub domid: domid_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_memory_domain"][::core::mem::size_of::<xen_memory_domain>() - 2usize];
    ["Alignment of xen_memory_domain"][::core::mem::align_of::<xen_memory_domain>() - 2usize];
    ["Offset of field: xen_memory_domain::domid"]
        [::core::mem::offset_of!(xen_memory_domain, domid) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_add_to_physmap {
    pub domid: domid_t,
    pub size: u16,
    pub space: core::ffi::c_uint,
    pub idx: xen_ulong_t,
    pub gpfn: xen_pfn_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_add_to_physmap"][::core::mem::size_of::<xen_add_to_physmap>() - 24usize];
    ["Alignment of xen_add_to_physmap"][::core::mem::align_of::<xen_add_to_physmap>() - 8usize];
    ["Offset of field: xen_add_to_physmap::domid"]
        [::core::mem::offset_of!(xen_add_to_physmap, domid) - 0usize];
    ["Offset of field: xen_add_to_physmap::size"]
        [::core::mem::offset_of!(xen_add_to_physmap, size) - 2usize];
    ["Offset of field: xen_add_to_physmap::space"]
        [::core::mem::offset_of!(xen_add_to_physmap, space) - 4usize];
    ["Offset of field: xen_add_to_physmap::idx"]
        [::core::mem::offset_of!(xen_add_to_physmap, idx) - 8usize];
    ["Offset of field: xen_add_to_physmap::gpfn"]
        [::core::mem::offset_of!(xen_add_to_physmap, gpfn) - 16usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_remove_from_physmap {
    pub domid: domid_t,
    pub gpfn: xen_pfn_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_remove_from_physmap"]
        [::core::mem::size_of::<xen_remove_from_physmap>() - 16usize];
    ["Alignment of xen_remove_from_physmap"]
        [::core::mem::align_of::<xen_remove_from_physmap>() - 8usize];
    ["Offset of field: xen_remove_from_physmap::domid"]
        [::core::mem::offset_of!(xen_remove_from_physmap, domid) - 0usize];
    ["Offset of field: xen_remove_from_physmap::gpfn"]
        [::core::mem::offset_of!(xen_remove_from_physmap, gpfn) - 8usize];
};
pub type evtchn_port_t = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_alloc_unbound {
    pub dom: domid_t,
    pub remote_dom: domid_t,
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_alloc_unbound"][::core::mem::size_of::<evtchn_alloc_unbound>() - 8usize];
    ["Alignment of evtchn_alloc_unbound"][::core::mem::align_of::<evtchn_alloc_unbound>() - 4usize];
    ["Offset of field: evtchn_alloc_unbound::dom"]
        [::core::mem::offset_of!(evtchn_alloc_unbound, dom) - 0usize];
    ["Offset of field: evtchn_alloc_unbound::remote_dom"]
        [::core::mem::offset_of!(evtchn_alloc_unbound, remote_dom) - 2usize];
    ["Offset of field: evtchn_alloc_unbound::port"]
        [::core::mem::offset_of!(evtchn_alloc_unbound, port) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_bind_interdomain {
    pub remote_dom: domid_t,
    pub remote_port: evtchn_port_t,
    pub local_port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_bind_interdomain"]
        [::core::mem::size_of::<evtchn_bind_interdomain>() - 12usize];
    ["Alignment of evtchn_bind_interdomain"]
        [::core::mem::align_of::<evtchn_bind_interdomain>() - 4usize];
    ["Offset of field: evtchn_bind_interdomain::remote_dom"]
        [::core::mem::offset_of!(evtchn_bind_interdomain, remote_dom) - 0usize];
    ["Offset of field: evtchn_bind_interdomain::remote_port"]
        [::core::mem::offset_of!(evtchn_bind_interdomain, remote_port) - 4usize];
    ["Offset of field: evtchn_bind_interdomain::local_port"]
        [::core::mem::offset_of!(evtchn_bind_interdomain, local_port) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_bind_virq {
    pub virq: u32,
    pub vcpu: u32,
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_bind_virq"][::core::mem::size_of::<evtchn_bind_virq>() - 12usize];
    ["Alignment of evtchn_bind_virq"][::core::mem::align_of::<evtchn_bind_virq>() - 4usize];
    ["Offset of field: evtchn_bind_virq::virq"]
        [::core::mem::offset_of!(evtchn_bind_virq, virq) - 0usize];
    ["Offset of field: evtchn_bind_virq::vcpu"]
        [::core::mem::offset_of!(evtchn_bind_virq, vcpu) - 4usize];
    ["Offset of field: evtchn_bind_virq::port"]
        [::core::mem::offset_of!(evtchn_bind_virq, port) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_bind_ipi {
    pub vcpu: u32,
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_bind_ipi"][::core::mem::size_of::<evtchn_bind_ipi>() - 8usize];
    ["Alignment of evtchn_bind_ipi"][::core::mem::align_of::<evtchn_bind_ipi>() - 4usize];
    ["Offset of field: evtchn_bind_ipi::vcpu"]
        [::core::mem::offset_of!(evtchn_bind_ipi, vcpu) - 0usize];
    ["Offset of field: evtchn_bind_ipi::port"]
        [::core::mem::offset_of!(evtchn_bind_ipi, port) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_close {
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_close"][::core::mem::size_of::<evtchn_close>() - 4usize];
    ["Alignment of evtchn_close"][::core::mem::align_of::<evtchn_close>() - 4usize];
    ["Offset of field: evtchn_close::port"][::core::mem::offset_of!(evtchn_close, port) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_send {
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_send"][::core::mem::size_of::<evtchn_send>() - 4usize];
    ["Alignment of evtchn_send"][::core::mem::align_of::<evtchn_send>() - 4usize];
    ["Offset of field: evtchn_send::port"][::core::mem::offset_of!(evtchn_send, port) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_status {
    pub dom: domid_t,
    pub port: evtchn_port_t,
    pub status: u32,
    pub vcpu: u32,
    pub u: evtchn_status__bindgen_ty_1,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union evtchn_status__bindgen_ty_1 {
    pub unbound: evtchn_status__bindgen_ty_1__bindgen_ty_1,
    pub interdomain: evtchn_status__bindgen_ty_1__bindgen_ty_2,
    pub pirq: u32,
    pub virq: u32,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_status__bindgen_ty_1__bindgen_ty_1 {
    pub dom: domid_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_status__bindgen_ty_1__bindgen_ty_1"]
        [::core::mem::size_of::<evtchn_status__bindgen_ty_1__bindgen_ty_1>() - 2usize];
    ["Alignment of evtchn_status__bindgen_ty_1__bindgen_ty_1"]
        [::core::mem::align_of::<evtchn_status__bindgen_ty_1__bindgen_ty_1>() - 2usize];
    ["Offset of field: evtchn_status__bindgen_ty_1__bindgen_ty_1::dom"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1__bindgen_ty_1, dom) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_status__bindgen_ty_1__bindgen_ty_2 {
    pub dom: domid_t,
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_status__bindgen_ty_1__bindgen_ty_2"]
        [::core::mem::size_of::<evtchn_status__bindgen_ty_1__bindgen_ty_2>() - 8usize];
    ["Alignment of evtchn_status__bindgen_ty_1__bindgen_ty_2"]
        [::core::mem::align_of::<evtchn_status__bindgen_ty_1__bindgen_ty_2>() - 4usize];
    ["Offset of field: evtchn_status__bindgen_ty_1__bindgen_ty_2::dom"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1__bindgen_ty_2, dom) - 0usize];
    ["Offset of field: evtchn_status__bindgen_ty_1__bindgen_ty_2::port"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1__bindgen_ty_2, port) - 4usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_status__bindgen_ty_1"]
        [::core::mem::size_of::<evtchn_status__bindgen_ty_1>() - 8usize];
    ["Alignment of evtchn_status__bindgen_ty_1"]
        [::core::mem::align_of::<evtchn_status__bindgen_ty_1>() - 4usize];
    ["Offset of field: evtchn_status__bindgen_ty_1::unbound"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1, unbound) - 0usize];
    ["Offset of field: evtchn_status__bindgen_ty_1::interdomain"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1, interdomain) - 0usize];
    ["Offset of field: evtchn_status__bindgen_ty_1::pirq"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1, pirq) - 0usize];
    ["Offset of field: evtchn_status__bindgen_ty_1::virq"]
        [::core::mem::offset_of!(evtchn_status__bindgen_ty_1, virq) - 0usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_status"][::core::mem::size_of::<evtchn_status>() - 24usize];
    ["Alignment of evtchn_status"][::core::mem::align_of::<evtchn_status>() - 4usize];
    ["Offset of field: evtchn_status::dom"][::core::mem::offset_of!(evtchn_status, dom) - 0usize];
    ["Offset of field: evtchn_status::port"][::core::mem::offset_of!(evtchn_status, port) - 4usize];
    ["Offset of field: evtchn_status::status"]
        [::core::mem::offset_of!(evtchn_status, status) - 8usize];
    ["Offset of field: evtchn_status::vcpu"]
        [::core::mem::offset_of!(evtchn_status, vcpu) - 12usize];
    ["Offset of field: evtchn_status::u"][::core::mem::offset_of!(evtchn_status, u) - 16usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_bind_vcpu {
    pub port: evtchn_port_t,
    pub vcpu: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_bind_vcpu"][::core::mem::size_of::<evtchn_bind_vcpu>() - 8usize];
    ["Alignment of evtchn_bind_vcpu"][::core::mem::align_of::<evtchn_bind_vcpu>() - 4usize];
    ["Offset of field: evtchn_bind_vcpu::port"]
        [::core::mem::offset_of!(evtchn_bind_vcpu, port) - 0usize];
    ["Offset of field: evtchn_bind_vcpu::vcpu"]
        [::core::mem::offset_of!(evtchn_bind_vcpu, vcpu) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_unmask {
    pub port: evtchn_port_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_unmask"][::core::mem::size_of::<evtchn_unmask>() - 4usize];
    ["Alignment of evtchn_unmask"][::core::mem::align_of::<evtchn_unmask>() - 4usize];
    ["Offset of field: evtchn_unmask::port"][::core::mem::offset_of!(evtchn_unmask, port) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_init_control {
    pub control_gfn: u64,
    pub offset: u32,
    pub vcpu: u32,
    pub link_bits: u8,
    pub _pad: [u8; 7usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_init_control"][::core::mem::size_of::<evtchn_init_control>() - 24usize];
    ["Alignment of evtchn_init_control"][::core::mem::align_of::<evtchn_init_control>() - 8usize];
    ["Offset of field: evtchn_init_control::control_gfn"]
        [::core::mem::offset_of!(evtchn_init_control, control_gfn) - 0usize];
    ["Offset of field: evtchn_init_control::offset"]
        [::core::mem::offset_of!(evtchn_init_control, offset) - 8usize];
    ["Offset of field: evtchn_init_control::vcpu"]
        [::core::mem::offset_of!(evtchn_init_control, vcpu) - 12usize];
    ["Offset of field: evtchn_init_control::link_bits"]
        [::core::mem::offset_of!(evtchn_init_control, link_bits) - 16usize];
    ["Offset of field: evtchn_init_control::_pad"]
        [::core::mem::offset_of!(evtchn_init_control, _pad) - 17usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_expand_array {
    pub array_gfn: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_expand_array"][::core::mem::size_of::<evtchn_expand_array>() - 8usize];
    ["Alignment of evtchn_expand_array"][::core::mem::align_of::<evtchn_expand_array>() - 8usize];
    ["Offset of field: evtchn_expand_array::array_gfn"]
        [::core::mem::offset_of!(evtchn_expand_array, array_gfn) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_set_priority {
    pub port: evtchn_port_t,
    pub priority: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_set_priority"][::core::mem::size_of::<evtchn_set_priority>() - 8usize];
    ["Alignment of evtchn_set_priority"][::core::mem::align_of::<evtchn_set_priority>() - 4usize];
    ["Offset of field: evtchn_set_priority::port"]
        [::core::mem::offset_of!(evtchn_set_priority, port) - 0usize];
    ["Offset of field: evtchn_set_priority::priority"]
        [::core::mem::offset_of!(evtchn_set_priority, priority) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_fifo_control_block {
    pub ready: u32,
    pub _rsvd: u32,
    pub head: [u32; 16usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of evtchn_fifo_control_block"]
        [::core::mem::size_of::<evtchn_fifo_control_block>() - 72usize];
    ["Alignment of evtchn_fifo_control_block"]
        [::core::mem::align_of::<evtchn_fifo_control_block>() - 4usize];
    ["Offset of field: evtchn_fifo_control_block::ready"]
        [::core::mem::offset_of!(evtchn_fifo_control_block, ready) - 0usize];
    ["Offset of field: evtchn_fifo_control_block::_rsvd"]
        [::core::mem::offset_of!(evtchn_fifo_control_block, _rsvd) - 4usize];
    ["Offset of field: evtchn_fifo_control_block::head"]
        [::core::mem::offset_of!(evtchn_fifo_control_block, head) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct sched_shutdown {
    pub reason: core::ffi::c_uint,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sched_shutdown"][::core::mem::size_of::<sched_shutdown>() - 4usize];
    ["Alignment of sched_shutdown"][::core::mem::align_of::<sched_shutdown>() - 4usize];
    ["Offset of field: sched_shutdown::reason"]
        [::core::mem::offset_of!(sched_shutdown, reason) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct sched_watchdog {
    pub id: u32,
    pub timeout: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of sched_watchdog"][::core::mem::size_of::<sched_watchdog>() - 8usize];
    ["Alignment of sched_watchdog"][::core::mem::align_of::<sched_watchdog>() - 4usize];
    ["Offset of field: sched_watchdog::id"][::core::mem::offset_of!(sched_watchdog, id) - 0usize];
    ["Offset of field: sched_watchdog::timeout"]
        [::core::mem::offset_of!(sched_watchdog, timeout) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct vcpu_register_vcpu_info {
    pub mfn: u64,
    pub offset: u32,
    pub rsvd: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of vcpu_register_vcpu_info"]
        [::core::mem::size_of::<vcpu_register_vcpu_info>() - 16usize];
    ["Alignment of vcpu_register_vcpu_info"]
        [::core::mem::align_of::<vcpu_register_vcpu_info>() - 8usize];
    ["Offset of field: vcpu_register_vcpu_info::mfn"]
        [::core::mem::offset_of!(vcpu_register_vcpu_info, mfn) - 0usize];
    ["Offset of field: vcpu_register_vcpu_info::offset"]
        [::core::mem::offset_of!(vcpu_register_vcpu_info, offset) - 8usize];
    ["Offset of field: vcpu_register_vcpu_info::rsvd"]
        [::core::mem::offset_of!(vcpu_register_vcpu_info, rsvd) - 12usize];
};
pub type grant_ref_t = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct grant_entry_v1 {
    pub flags: u16,
    pub domid: domid_t,
    pub frame: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of grant_entry_v1"][::core::mem::size_of::<grant_entry_v1>() - 8usize];
    ["Alignment of grant_entry_v1"][::core::mem::align_of::<grant_entry_v1>() - 4usize];
    ["Offset of field: grant_entry_v1::flags"]
        [::core::mem::offset_of!(grant_entry_v1, flags) - 0usize];
    ["Offset of field: grant_entry_v1::domid"]
        [::core::mem::offset_of!(grant_entry_v1, domid) - 2usize];
    ["Offset of field: grant_entry_v1::frame"]
        [::core::mem::offset_of!(grant_entry_v1, frame) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct grant_entry_header {
    pub flags: u16,
    pub domid: domid_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of grant_entry_header"][::core::mem::size_of::<grant_entry_header>() - 4usize];
    ["Alignment of grant_entry_header"][::core::mem::align_of::<grant_entry_header>() - 2usize];
    ["Offset of field: grant_entry_header::flags"]
        [::core::mem::offset_of!(grant_entry_header, flags) - 0usize];
    ["Offset of field: grant_entry_header::domid"]
        [::core::mem::offset_of!(grant_entry_header, domid) - 2usize];
};
pub type grant_entry_header_t = grant_entry_header;
#[repr(C)]
#[derive(Copy, Clone)]
pub union grant_entry_v2 {
    pub hdr: grant_entry_header_t,
    pub full_page: grant_entry_v2__bindgen_ty_1,
    pub sub_page: grant_entry_v2__bindgen_ty_2,
    pub transitive: grant_entry_v2__bindgen_ty_3,
    pub __spacer: [u32; 4usize],
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct grant_entry_v2__bindgen_ty_1 {
    pub hdr: grant_entry_header_t,
    pub pad0: u32,
    pub frame: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of grant_entry_v2__bindgen_ty_1"]
        [::core::mem::size_of::<grant_entry_v2__bindgen_ty_1>() - 16usize];
    ["Alignment of grant_entry_v2__bindgen_ty_1"]
        [::core::mem::align_of::<grant_entry_v2__bindgen_ty_1>() - 8usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_1::hdr"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_1, hdr) - 0usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_1::pad0"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_1, pad0) - 4usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_1::frame"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_1, frame) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct grant_entry_v2__bindgen_ty_2 {
    pub hdr: grant_entry_header_t,
    pub page_off: u16,
    pub length: u16,
    pub frame: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of grant_entry_v2__bindgen_ty_2"]
        [::core::mem::size_of::<grant_entry_v2__bindgen_ty_2>() - 16usize];
    ["Alignment of grant_entry_v2__bindgen_ty_2"]
        [::core::mem::align_of::<grant_entry_v2__bindgen_ty_2>() - 8usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_2::hdr"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_2, hdr) - 0usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_2::page_off"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_2, page_off) - 4usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_2::length"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_2, length) - 6usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_2::frame"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_2, frame) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct grant_entry_v2__bindgen_ty_3 {
    pub hdr: grant_entry_header_t,
    pub trans_domid: domid_t,
    pub pad0: u16,
    pub gref: grant_ref_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of grant_entry_v2__bindgen_ty_3"]
        [::core::mem::size_of::<grant_entry_v2__bindgen_ty_3>() - 12usize];
    ["Alignment of grant_entry_v2__bindgen_ty_3"]
        [::core::mem::align_of::<grant_entry_v2__bindgen_ty_3>() - 4usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_3::hdr"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_3, hdr) - 0usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_3::trans_domid"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_3, trans_domid) - 4usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_3::pad0"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_3, pad0) - 6usize];
    ["Offset of field: grant_entry_v2__bindgen_ty_3::gref"]
        [::core::mem::offset_of!(grant_entry_v2__bindgen_ty_3, gref) - 8usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of grant_entry_v2"][::core::mem::size_of::<grant_entry_v2>() - 16usize];
    ["Alignment of grant_entry_v2"][::core::mem::align_of::<grant_entry_v2>() - 8usize];
    ["Offset of field: grant_entry_v2::hdr"][::core::mem::offset_of!(grant_entry_v2, hdr) - 0usize];
    ["Offset of field: grant_entry_v2::full_page"]
        [::core::mem::offset_of!(grant_entry_v2, full_page) - 0usize];
    ["Offset of field: grant_entry_v2::sub_page"]
        [::core::mem::offset_of!(grant_entry_v2, sub_page) - 0usize];
    ["Offset of field: grant_entry_v2::transitive"]
        [::core::mem::offset_of!(grant_entry_v2, transitive) - 0usize];
    ["Offset of field: grant_entry_v2::__spacer"]
        [::core::mem::offset_of!(grant_entry_v2, __spacer) - 0usize];
};
pub type grant_status_t = u16;
pub type grant_handle_t = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_map_grant_ref {
    pub host_addr: u64,
    pub flags: u32,
    pub ref_: grant_ref_t,
    pub dom: domid_t,
    pub status: i16,
    pub handle: grant_handle_t,
    pub dev_bus_addr: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_map_grant_ref"][::core::mem::size_of::<gnttab_map_grant_ref>() - 32usize];
    ["Alignment of gnttab_map_grant_ref"][::core::mem::align_of::<gnttab_map_grant_ref>() - 8usize];
    ["Offset of field: gnttab_map_grant_ref::host_addr"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, host_addr) - 0usize];
    ["Offset of field: gnttab_map_grant_ref::flags"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, flags) - 8usize];
    ["Offset of field: gnttab_map_grant_ref::ref_"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, ref_) - 12usize];
    ["Offset of field: gnttab_map_grant_ref::dom"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, dom) - 16usize];
    ["Offset of field: gnttab_map_grant_ref::status"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, status) - 18usize];
    ["Offset of field: gnttab_map_grant_ref::handle"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, handle) - 20usize];
    ["Offset of field: gnttab_map_grant_ref::dev_bus_addr"]
        [::core::mem::offset_of!(gnttab_map_grant_ref, dev_bus_addr) - 24usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_unmap_grant_ref {
    pub host_addr: u64,
    pub dev_bus_addr: u64,
    pub handle: grant_handle_t,
    pub status: i16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_unmap_grant_ref"][::core::mem::size_of::<gnttab_unmap_grant_ref>() - 24usize];
    ["Alignment of gnttab_unmap_grant_ref"]
        [::core::mem::align_of::<gnttab_unmap_grant_ref>() - 8usize];
    ["Offset of field: gnttab_unmap_grant_ref::host_addr"]
        [::core::mem::offset_of!(gnttab_unmap_grant_ref, host_addr) - 0usize];
    ["Offset of field: gnttab_unmap_grant_ref::dev_bus_addr"]
        [::core::mem::offset_of!(gnttab_unmap_grant_ref, dev_bus_addr) - 8usize];
    ["Offset of field: gnttab_unmap_grant_ref::handle"]
        [::core::mem::offset_of!(gnttab_unmap_grant_ref, handle) - 16usize];
    ["Offset of field: gnttab_unmap_grant_ref::status"]
        [::core::mem::offset_of!(gnttab_unmap_grant_ref, status) - 20usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_copy {
    pub source: gnttab_copy_gnttab_copy_ptr,
    pub dest: gnttab_copy_gnttab_copy_ptr,
    pub len: u16,
    pub flags: u16,
    pub status: i16,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_copy_gnttab_copy_ptr {
    pub u: gnttab_copy_gnttab_copy_ptr__bindgen_ty_1,
    pub domid: domid_t,
    pub offset: u16,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union gnttab_copy_gnttab_copy_ptr__bindgen_ty_1 {
    pub ref_: grant_ref_t,
    pub gmfn: xen_pfn_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_copy_gnttab_copy_ptr__bindgen_ty_1"]
        [::core::mem::size_of::<gnttab_copy_gnttab_copy_ptr__bindgen_ty_1>() - 8usize];
    ["Alignment of gnttab_copy_gnttab_copy_ptr__bindgen_ty_1"]
        [::core::mem::align_of::<gnttab_copy_gnttab_copy_ptr__bindgen_ty_1>() - 8usize];
    ["Offset of field: gnttab_copy_gnttab_copy_ptr__bindgen_ty_1::ref_"]
        [::core::mem::offset_of!(gnttab_copy_gnttab_copy_ptr__bindgen_ty_1, ref_) - 0usize];
    ["Offset of field: gnttab_copy_gnttab_copy_ptr__bindgen_ty_1::gmfn"]
        [::core::mem::offset_of!(gnttab_copy_gnttab_copy_ptr__bindgen_ty_1, gmfn) - 0usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_copy_gnttab_copy_ptr"]
        [::core::mem::size_of::<gnttab_copy_gnttab_copy_ptr>() - 16usize];
    ["Alignment of gnttab_copy_gnttab_copy_ptr"]
        [::core::mem::align_of::<gnttab_copy_gnttab_copy_ptr>() - 8usize];
    ["Offset of field: gnttab_copy_gnttab_copy_ptr::u"]
        [::core::mem::offset_of!(gnttab_copy_gnttab_copy_ptr, u) - 0usize];
    ["Offset of field: gnttab_copy_gnttab_copy_ptr::domid"]
        [::core::mem::offset_of!(gnttab_copy_gnttab_copy_ptr, domid) - 8usize];
    ["Offset of field: gnttab_copy_gnttab_copy_ptr::offset"]
        [::core::mem::offset_of!(gnttab_copy_gnttab_copy_ptr, offset) - 10usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_copy"][::core::mem::size_of::<gnttab_copy>() - 40usize];
    ["Alignment of gnttab_copy"][::core::mem::align_of::<gnttab_copy>() - 8usize];
    ["Offset of field: gnttab_copy::source"][::core::mem::offset_of!(gnttab_copy, source) - 0usize];
    ["Offset of field: gnttab_copy::dest"][::core::mem::offset_of!(gnttab_copy, dest) - 16usize];
    ["Offset of field: gnttab_copy::len"][::core::mem::offset_of!(gnttab_copy, len) - 32usize];
    ["Offset of field: gnttab_copy::flags"][::core::mem::offset_of!(gnttab_copy, flags) - 34usize];
    ["Offset of field: gnttab_copy::status"]
        [::core::mem::offset_of!(gnttab_copy, status) - 36usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_query_size {
    pub dom: domid_t,
    pub nr_frames: u32,
    pub max_nr_frames: u32,
    pub status: i16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_query_size"][::core::mem::size_of::<gnttab_query_size>() - 16usize];
    ["Alignment of gnttab_query_size"][::core::mem::align_of::<gnttab_query_size>() - 4usize];
    ["Offset of field: gnttab_query_size::dom"]
        [::core::mem::offset_of!(gnttab_query_size, dom) - 0usize];
    ["Offset of field: gnttab_query_size::nr_frames"]
        [::core::mem::offset_of!(gnttab_query_size, nr_frames) - 4usize];
    ["Offset of field: gnttab_query_size::max_nr_frames"]
        [::core::mem::offset_of!(gnttab_query_size, max_nr_frames) - 8usize];
    ["Offset of field: gnttab_query_size::status"]
        [::core::mem::offset_of!(gnttab_query_size, status) - 12usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_set_version {
    pub version: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_set_version"][::core::mem::size_of::<gnttab_set_version>() - 4usize];
    ["Alignment of gnttab_set_version"][::core::mem::align_of::<gnttab_set_version>() - 4usize];
    ["Offset of field: gnttab_set_version::version"]
        [::core::mem::offset_of!(gnttab_set_version, version) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_get_version {
    pub dom: domid_t,
    pub pad: u16,
    pub version: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of gnttab_get_version"][::core::mem::size_of::<gnttab_get_version>() - 8usize];
    ["Alignment of gnttab_get_version"][::core::mem::align_of::<gnttab_get_version>() - 4usize];
    ["Offset of field: gnttab_get_version::dom"]
        [::core::mem::offset_of!(gnttab_get_version, dom) - 0usize];
    ["Offset of field: gnttab_get_version::pad"]
        [::core::mem::offset_of!(gnttab_get_version, pad) - 2usize];
    ["Offset of field: gnttab_get_version::version"]
        [::core::mem::offset_of!(gnttab_get_version, version) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_hvm_param {
    pub domid: domid_t,
    pub pad: u16,
    pub index: u32,
    pub value: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_hvm_param"][::core::mem::size_of::<xen_hvm_param>() - 16usize];
    ["Alignment of xen_hvm_param"][::core::mem::align_of::<xen_hvm_param>() - 8usize];
    ["Offset of field: xen_hvm_param::domid"]
        [::core::mem::offset_of!(xen_hvm_param, domid) - 0usize];
    ["Offset of field: xen_hvm_param::pad"][::core::mem::offset_of!(xen_hvm_param, pad) - 2usize];
    ["Offset of field: xen_hvm_param::index"]
        [::core::mem::offset_of!(xen_hvm_param, index) - 4usize];
    ["Offset of field: xen_hvm_param::value"]
        [::core::mem::offset_of!(xen_hvm_param, value) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_hvm_evtchn_upcall_vector {
    pub vcpu: u32,
    pub vector: u8,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_hvm_evtchn_upcall_vector"]
        [::core::mem::size_of::<xen_hvm_evtchn_upcall_vector>() - 8usize];
    ["Alignment of xen_hvm_evtchn_upcall_vector"]
        [::core::mem::align_of::<xen_hvm_evtchn_upcall_vector>() - 4usize];
    ["Offset of field: xen_hvm_evtchn_upcall_vector::vcpu"]
        [::core::mem::offset_of!(xen_hvm_evtchn_upcall_vector, vcpu) - 0usize];
    ["Offset of field: xen_hvm_evtchn_upcall_vector::vector"]
        [::core::mem::offset_of!(xen_hvm_evtchn_upcall_vector, vector) - 4usize];
};
pub type XENCONS_RING_IDX = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xencons_interface {
    pub in_: [core::ffi::c_char; 1024usize],
    pub out: [core::ffi::c_char; 2048usize],
    pub in_cons: XENCONS_RING_IDX,
    pub in_prod: XENCONS_RING_IDX,
    pub out_cons: XENCONS_RING_IDX,
    pub out_prod: XENCONS_RING_IDX,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xencons_interface"][::core::mem::size_of::<xencons_interface>() - 3088usize];
    ["Alignment of xencons_interface"][::core::mem::align_of::<xencons_interface>() - 4usize];
    ["Offset of field: xencons_interface::in_"]
        [::core::mem::offset_of!(xencons_interface, in_) - 0usize];
    ["Offset of field: xencons_interface::out"]
        [::core::mem::offset_of!(xencons_interface, out) - 1024usize];
    ["Offset of field: xencons_interface::in_cons"]
        [::core::mem::offset_of!(xencons_interface, in_cons) - 3072usize];
    ["Offset of field: xencons_interface::in_prod"]
        [::core::mem::offset_of!(xencons_interface, in_prod) - 3076usize];
    ["Offset of field: xencons_interface::out_cons"]
        [::core::mem::offset_of!(xencons_interface, out_cons) - 3080usize];
    ["Offset of field: xencons_interface::out_prod"]
        [::core::mem::offset_of!(xencons_interface, out_prod) - 3084usize];
};
pub const XenbusStateUnknown: xenbus_state = 0;
pub const XenbusStateInitialising: xenbus_state = 1;
pub const XenbusStateInitWait: xenbus_state = 2;
pub const XenbusStateInitialised: xenbus_state = 3;
pub const XenbusStateConnected: xenbus_state = 4;
pub const XenbusStateClosing: xenbus_state = 5;
pub const XenbusStateClosed: xenbus_state = 6;
pub const XenbusStateReconfiguring: xenbus_state = 7;
pub const XenbusStateReconfigured: xenbus_state = 8;
pub type xenbus_state = u32;
pub const XS_CONTROL: xsd_sockmsg_type = 0;
pub const XS_DIRECTORY: xsd_sockmsg_type = 1;
pub const XS_READ: xsd_sockmsg_type = 2;
pub const XS_GET_PERMS: xsd_sockmsg_type = 3;
pub const XS_WATCH: xsd_sockmsg_type = 4;
pub const XS_UNWATCH: xsd_sockmsg_type = 5;
pub const XS_TRANSACTION_START: xsd_sockmsg_type = 6;
pub const XS_TRANSACTION_END: xsd_sockmsg_type = 7;
pub const XS_INTRODUCE: xsd_sockmsg_type = 8;
pub const XS_RELEASE: xsd_sockmsg_type = 9;
pub const XS_GET_DOMAIN_PATH: xsd_sockmsg_type = 10;
pub const XS_WRITE: xsd_sockmsg_type = 11;
pub const XS_MKDIR: xsd_sockmsg_type = 12;
pub const XS_RM: xsd_sockmsg_type = 13;
pub const XS_SET_PERMS: xsd_sockmsg_type = 14;
pub const XS_WATCH_EVENT: xsd_sockmsg_type = 15;
pub const XS_ERROR: xsd_sockmsg_type = 16;
pub const XS_IS_DOMAIN_INTRODUCED: xsd_sockmsg_type = 17;
pub const XS_RESUME: xsd_sockmsg_type = 18;
pub const XS_SET_TARGET: xsd_sockmsg_type = 19;
pub const XS_RESET_WATCHES: xsd_sockmsg_type = 21;
pub const XS_DIRECTORY_PART: xsd_sockmsg_type = 22;
pub const XS_TYPE_COUNT: xsd_sockmsg_type = 23;
pub const XS_INVALID: xsd_sockmsg_type = 65535;
pub type xsd_sockmsg_type = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xsd_sockmsg {
    pub type_: u32,
    pub req_id: u32,
    pub tx_id: u32,
    pub len: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xsd_sockmsg"][::core::mem::size_of::<xsd_sockmsg>() - 16usize];
    ["Alignment of xsd_sockmsg"][::core::mem::align_of::<xsd_sockmsg>() - 4usize];
    ["Offset of field: xsd_sockmsg::type_"][::core::mem::offset_of!(xsd_sockmsg, type_) - 0usize];
    ["Offset of field: xsd_sockmsg::req_id"][::core::mem::offset_of!(xsd_sockmsg, req_id) - 4usize];
    ["Offset of field: xsd_sockmsg::tx_id"][::core::mem::offset_of!(xsd_sockmsg, tx_id) - 8usize];
    ["Offset of field: xsd_sockmsg::len"][::core::mem::offset_of!(xsd_sockmsg, len) - 12usize];
};
pub type XENSTORE_RING_IDX = u32;
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xenstore_domain_interface {
    pub req: [core::ffi::c_char; 1024usize],
    pub rsp: [core::ffi::c_char; 1024usize],
    pub req_cons: XENSTORE_RING_IDX,
    pub req_prod: XENSTORE_RING_IDX,
    pub rsp_cons: XENSTORE_RING_IDX,
    pub rsp_prod: XENSTORE_RING_IDX,
    pub server_features: u32,
    pub connection: u32,
    pub error: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xenstore_domain_interface"]
        [::core::mem::size_of::<xenstore_domain_interface>() - 2076usize];
    ["Alignment of xenstore_domain_interface"]
        [::core::mem::align_of::<xenstore_domain_interface>() - 4usize];
    ["Offset of field: xenstore_domain_interface::req"]
        [::core::mem::offset_of!(xenstore_domain_interface, req) - 0usize];
    ["Offset of field: xenstore_domain_interface::rsp"]
        [::core::mem::offset_of!(xenstore_domain_interface, rsp) - 1024usize];
    ["Offset of field: xenstore_domain_interface::req_cons"]
        [::core::mem::offset_of!(xenstore_domain_interface, req_cons) - 2048usize];
    ["Offset of field: xenstore_domain_interface::req_prod"]
        [::core::mem::offset_of!(xenstore_domain_interface, req_prod) - 2052usize];
    ["Offset of field: xenstore_domain_interface::rsp_cons"]
        [::core::mem::offset_of!(xenstore_domain_interface, rsp_cons) - 2056usize];
    ["Offset of field: xenstore_domain_interface::rsp_prod"]
        [::core::mem::offset_of!(xenstore_domain_interface, rsp_prod) - 2060usize];
    ["Offset of field: xenstore_domain_interface::server_features"]
        [::core::mem::offset_of!(xenstore_domain_interface, server_features) - 2064usize];
    ["Offset of field: xenstore_domain_interface::connection"]
        [::core::mem::offset_of!(xenstore_domain_interface, connection) - 2068usize];
    ["Offset of field: xenstore_domain_interface::error"]
        [::core::mem::offset_of!(xenstore_domain_interface, error) - 2072usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct blkif_request_segment {
    pub gref: grant_ref_t,
    pub first_sect: u8,
    pub last_sect: u8,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of blkif_request_segment"][::core::mem::size_of::<blkif_request_segment>() - 8usize];
    ["Alignment of blkif_request_segment"]
        [::core::mem::align_of::<blkif_request_segment>() - 4usize];
    ["Offset of field: blkif_request_segment::gref"]
        [::core::mem::offset_of!(blkif_request_segment, gref) - 0usize];
    ["Offset of field: blkif_request_segment::first_sect"]
        [::core::mem::offset_of!(blkif_request_segment, first_sect) - 4usize];
    ["Offset of field: blkif_request_segment::last_sect"]
        [::core::mem::offset_of!(blkif_request_segment, last_sect) - 5usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct blkif_request {
    pub operation: u8,
    pub nr_segments: u8,
    pub handle: u16,
    pub id: u64,
    pub sector_number: u64,
    pub seg: [blkif_request_segment; 11usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of blkif_request"][::core::mem::size_of::<blkif_request>() - 112usize];
    ["Alignment of blkif_request"][::core::mem::align_of::<blkif_request>() - 8usize];
    ["Offset of field: blkif_request::operation"]
        [::core::mem::offset_of!(blkif_request, operation) - 0usize];
    ["Offset of field: blkif_request::nr_segments"]
        [::core::mem::offset_of!(blkif_request, nr_segments) - 1usize];
    ["Offset of field: blkif_request::handle"]
        [::core::mem::offset_of!(blkif_request, handle) - 2usize];
    ["Offset of field: blkif_request::id"][::core::mem::offset_of!(blkif_request, id) - 8usize];
    ["Offset of field: blkif_request::sector_number"]
        [::core::mem::offset_of!(blkif_request, sector_number) - 16usize];
    ["Offset of field: blkif_request::seg"][::core::mem::offset_of!(blkif_request, seg) - 24usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct blkif_request_discard {
    pub operation: u8,
    pub flag: u8,
    pub handle: u16,
    pub id: u64,
    pub sector_number: u64,
    pub nr_sectors: u64,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of blkif_request_discard"][::core::mem::size_of::<blkif_request_discard>() - 32usize];
    ["Alignment of blkif_request_discard"]
        [::core::mem::align_of::<blkif_request_discard>() - 8usize];
    ["Offset of field: blkif_request_discard::operation"]
        [::core::mem::offset_of!(blkif_request_discard, operation) - 0usize];
    ["Offset of field: blkif_request_discard::flag"]
        [::core::mem::offset_of!(blkif_request_discard, flag) - 1usize];
    ["Offset of field: blkif_request_discard::handle"]
        [::core::mem::offset_of!(blkif_request_discard, handle) - 2usize];
    ["Offset of field: blkif_request_discard::id"]
        [::core::mem::offset_of!(blkif_request_discard, id) - 8usize];
    ["Offset of field: blkif_request_discard::sector_number"]
        [::core::mem::offset_of!(blkif_request_discard, sector_number) - 16usize];
    ["Offset of field: blkif_request_discard::nr_sectors"]
        [::core::mem::offset_of!(blkif_request_discard, nr_sectors) - 24usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct blkif_request_indirect {
    pub operation: u8,
    pub indirect_op: u8,
    pub nr_segments: u16,
    pub id: u64,
    pub sector_number: u64,
    pub handle: u16,
    pub indirect_grefs: [grant_ref_t; 8usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of blkif_request_indirect"][::core::mem::size_of::<blkif_request_indirect>() - 64usize];
    ["Alignment of blkif_request_indirect"]
        [::core::mem::align_of::<blkif_request_indirect>() - 8usize];
    ["Offset of field: blkif_request_indirect::operation"]
        [::core::mem::offset_of!(blkif_request_indirect, operation) - 0usize];
    ["Offset of field: blkif_request_indirect::indirect_op"]
        [::core::mem::offset_of!(blkif_request_indirect, indirect_op) - 1usize];
    ["Offset of field: blkif_request_indirect::nr_segments"]
        [::core::mem::offset_of!(blkif_request_indirect, nr_segments) - 2usize];
    ["Offset of field: blkif_request_indirect::id"]
        [::core::mem::offset_of!(blkif_request_indirect, id) - 8usize];
    ["Offset of field: blkif_request_indirect::sector_number"]
        [::core::mem::offset_of!(blkif_request_indirect, sector_number) - 16usize];
    ["Offset of field: blkif_request_indirect::handle"]
        [::core::mem::offset_of!(blkif_request_indirect, handle) - 24usize];
    ["Offset of field: blkif_request_indirect::indirect_grefs"]
        [::core::mem::offset_of!(blkif_request_indirect, indirect_grefs) - 28usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct blkif_response {
    pub id: u64,
    pub operation: u8,
    pub status: i16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of blkif_response"][::core::mem::size_of::<blkif_response>() - 16usize];
    ["Alignment of blkif_response"][::core::mem::align_of::<blkif_response>() - 8usize];
    ["Offset of field: blkif_response::id"][::core::mem::offset_of!(blkif_response, id) - 0usize];
    ["Offset of field: blkif_response::operation"]
        [::core::mem::offset_of!(blkif_response, operation) - 8usize];
    ["Offset of field: blkif_response::status"]
        [::core::mem::offset_of!(blkif_response, status) - 10usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_netif_ctrl_request {
    pub id: u16,
    pub type_: u16,
    pub data: [u32; 3usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_netif_ctrl_request"][::core::mem::size_of::<xen_netif_ctrl_request>() - 16usize];
    ["Alignment of xen_netif_ctrl_request"]
        [::core::mem::align_of::<xen_netif_ctrl_request>() - 4usize];
    ["Offset of field: xen_netif_ctrl_request::id"]
        [::core::mem::offset_of!(xen_netif_ctrl_request, id) - 0usize];
    ["Offset of field: xen_netif_ctrl_request::type_"]
        [::core::mem::offset_of!(xen_netif_ctrl_request, type_) - 2usize];
    ["Offset of field: xen_netif_ctrl_request::data"]
        [::core::mem::offset_of!(xen_netif_ctrl_request, data) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct xen_netif_ctrl_response {
    pub id: u16,
    pub type_: u16,
    pub status: u32,
    pub data: u32,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of xen_netif_ctrl_response"]
        [::core::mem::size_of::<xen_netif_ctrl_response>() - 12usize];
    ["Alignment of xen_netif_ctrl_response"]
        [::core::mem::align_of::<xen_netif_ctrl_response>() - 4usize];
    ["Offset of field: xen_netif_ctrl_response::id"]
        [::core::mem::offset_of!(xen_netif_ctrl_response, id) - 0usize];
    ["Offset of field: xen_netif_ctrl_response::type_"]
        [::core::mem::offset_of!(xen_netif_ctrl_response, type_) - 2usize];
    ["Offset of field: xen_netif_ctrl_response::status"]
        [::core::mem::offset_of!(xen_netif_ctrl_response, status) - 4usize];
    ["Offset of field: xen_netif_ctrl_response::data"]
        [::core::mem::offset_of!(xen_netif_ctrl_response, data) - 8usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_tx_request {
    pub gref: grant_ref_t,
    pub offset: u16,
    pub flags: u16,
    pub id: u16,
    pub size: u16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_tx_request"][::core::mem::size_of::<netif_tx_request>() - 12usize];
    ["Alignment of netif_tx_request"][::core::mem::align_of::<netif_tx_request>() - 4usize];
    ["Offset of field: netif_tx_request::gref"]
        [::core::mem::offset_of!(netif_tx_request, gref) - 0usize];
    ["Offset of field: netif_tx_request::offset"]
        [::core::mem::offset_of!(netif_tx_request, offset) - 4usize];
    ["Offset of field: netif_tx_request::flags"]
        [::core::mem::offset_of!(netif_tx_request, flags) - 6usize];
    ["Offset of field: netif_tx_request::id"]
        [::core::mem::offset_of!(netif_tx_request, id) - 8usize];
    ["Offset of field: netif_tx_request::size"]
        [::core::mem::offset_of!(netif_tx_request, size) - 10usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_extra_info {
    pub type_: u8,
    pub flags: u8,
    pub u: netif_extra_info__bindgen_ty_1,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union netif_extra_info__bindgen_ty_1 {
    pub gso: netif_extra_info__bindgen_ty_1__bindgen_ty_1,
    pub mcast: netif_extra_info__bindgen_ty_1__bindgen_ty_2,
    pub hash: netif_extra_info__bindgen_ty_1__bindgen_ty_3,
    pub pad: [u16; 3usize],
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_extra_info__bindgen_ty_1__bindgen_ty_1 {
    pub size: u16,
    pub type_: u8,
    pub pad: u8,
    pub features: u16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_extra_info__bindgen_ty_1__bindgen_ty_1"]
        [::core::mem::size_of::<netif_extra_info__bindgen_ty_1__bindgen_ty_1>() - 6usize];
    ["Alignment of netif_extra_info__bindgen_ty_1__bindgen_ty_1"]
        [::core::mem::align_of::<netif_extra_info__bindgen_ty_1__bindgen_ty_1>() - 2usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_1::size"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_1, size) - 0usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_1::type_"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_1, type_) - 2usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_1::pad"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_1, pad) - 3usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_1::features"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_1, features) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_extra_info__bindgen_ty_1__bindgen_ty_2 {
    pub addr: [u8; 6usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_extra_info__bindgen_ty_1__bindgen_ty_2"]
        [::core::mem::size_of::<netif_extra_info__bindgen_ty_1__bindgen_ty_2>() - 6usize];
    ["Alignment of netif_extra_info__bindgen_ty_1__bindgen_ty_2"]
        [::core::mem::align_of::<netif_extra_info__bindgen_ty_1__bindgen_ty_2>() - 1usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_2::addr"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_2, addr) - 0usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_extra_info__bindgen_ty_1__bindgen_ty_3 {
    pub type_: u8,
    pub algorithm: u8,
    pub value: [u8; 4usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_extra_info__bindgen_ty_1__bindgen_ty_3"]
        [::core::mem::size_of::<netif_extra_info__bindgen_ty_1__bindgen_ty_3>() - 6usize];
    ["Alignment of netif_extra_info__bindgen_ty_1__bindgen_ty_3"]
        [::core::mem::align_of::<netif_extra_info__bindgen_ty_1__bindgen_ty_3>() - 1usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_3::type_"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_3, type_) - 0usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_3::algorithm"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_3, algorithm) - 1usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1__bindgen_ty_3::value"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1__bindgen_ty_3, value) - 2usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_extra_info__bindgen_ty_1"]
        [::core::mem::size_of::<netif_extra_info__bindgen_ty_1>() - 6usize];
    ["Alignment of netif_extra_info__bindgen_ty_1"]
        [::core::mem::align_of::<netif_extra_info__bindgen_ty_1>() - 2usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1::gso"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1, gso) - 0usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1::mcast"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1, mcast) - 0usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1::hash"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1, hash) - 0usize];
    ["Offset of field: netif_extra_info__bindgen_ty_1::pad"]
        [::core::mem::offset_of!(netif_extra_info__bindgen_ty_1, pad) - 0usize];
};
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_extra_info"][::core::mem::size_of::<netif_extra_info>() - 8usize];
    ["Alignment of netif_extra_info"][::core::mem::align_of::<netif_extra_info>() - 2usize];
    ["Offset of field: netif_extra_info::type_"]
        [::core::mem::offset_of!(netif_extra_info, type_) - 0usize];
    ["Offset of field: netif_extra_info::flags"]
        [::core::mem::offset_of!(netif_extra_info, flags) - 1usize];
    ["Offset of field: netif_extra_info::u"][::core::mem::offset_of!(netif_extra_info, u) - 2usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_tx_response {
    pub id: u16,
    pub status: i16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_tx_response"][::core::mem::size_of::<netif_tx_response>() - 4usize];
    ["Alignment of netif_tx_response"][::core::mem::align_of::<netif_tx_response>() - 2usize];
    ["Offset of field: netif_tx_response::id"]
        [::core::mem::offset_of!(netif_tx_response, id) - 0usize];
    ["Offset of field: netif_tx_response::status"]
        [::core::mem::offset_of!(netif_tx_response, status) - 2usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_rx_request {
    pub id: u16,
    pub pad: u16,
    pub gref: grant_ref_t,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_rx_request"][::core::mem::size_of::<netif_rx_request>() - 8usize];
    ["Alignment of netif_rx_request"][::core::mem::align_of::<netif_rx_request>() - 4usize];
    ["Offset of field: netif_rx_request::id"]
        [::core::mem::offset_of!(netif_rx_request, id) - 0usize];
    ["Offset of field: netif_rx_request::pad"]
        [::core::mem::offset_of!(netif_rx_request, pad) - 2usize];
    ["Offset of field: netif_rx_request::gref"]
        [::core::mem::offset_of!(netif_rx_request, gref) - 4usize];
};
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_rx_response {
    pub id: u16,
    pub offset: u16,
    pub flags: u16,
    pub status: i16,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of netif_rx_response"][::core::mem::size_of::<netif_rx_response>() - 8usize];
    ["Alignment of netif_rx_response"][::core::mem::align_of::<netif_rx_response>() - 2usize];
    ["Offset of field: netif_rx_response::id"]
        [::core::mem::offset_of!(netif_rx_response, id) - 0usize];
    ["Offset of field: netif_rx_response::offset"]
        [::core::mem::offset_of!(netif_rx_response, offset) - 2usize];
    ["Offset of field: netif_rx_response::flags"]
        [::core::mem::offset_of!(netif_rx_response, flags) - 4usize];
    ["Offset of field: netif_rx_response::status"]
        [::core::mem::offset_of!(netif_rx_response, status) - 6usize];
};
pub const XENPV_DOMID_SELF: domid_t = 32752;
pub const XENPV_DOMID_FIRST_RESERVED: domid_t = 32752;
pub const XENPV_EVTCHN_2L_NR_CHANNELS: u32 = 4096;
pub const XENPV_EVTCHN_FIFO_NR_CHANNELS: u32 = 131072;

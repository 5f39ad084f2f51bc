// SPDX-License-Identifier: GPL-2.0-only
//! Places in the shared_info page (`struct shared_info`, `xen/include/public/xen.h`), 64-bit layout, in bytes.
use core::mem::{offset_of, size_of};

use crate::generated as sys;

/// vCPUs whose `vcpu_info` lies in the shared_info page.
pub const LEGACY_MAX_VCPUS: u32 = sys::XEN_LEGACY_MAX_VCPUS;
/// The first vCPU's `vcpu_info`; the others follow, [`VCPU_INFO_SIZE`] apart.
pub const VCPU_INFO: usize = offset_of!(sys::shared_info, vcpu_info);
/// Bytes of one `vcpu_info`.
pub const VCPU_INFO_SIZE: usize = size_of::<sys::vcpu_info>();
/// [`EVTCHN_WORDS`] 64-bit words: bit n set says that port n is pending.
pub const EVTCHN_PENDING: usize = offset_of!(sys::shared_info, evtchn_pending);
/// [`EVTCHN_WORDS`] 64-bit words: bit n set says that port n is masked.
pub const EVTCHN_MASK: usize = offset_of!(sys::shared_info, evtchn_mask);
/// Words of the pending and of the mask bitmap.
pub const EVTCHN_WORDS: usize = 64;
/// Version counter of the wall clock; odd while Xen writes it.
pub const WC_VERSION: usize = offset_of!(sys::shared_info, wc_version);
/// Wall clock at boot, seconds.
pub const WC_SEC: usize = offset_of!(sys::shared_info, wc_sec);
/// Wall clock at boot, nanoseconds.
pub const WC_NSEC: usize = offset_of!(sys::shared_info, wc_nsec);

/// Places in a `vcpu_info` (`struct vcpu_info`).
pub mod vcpu_info {
    use super::*;

    /// One byte: Xen sets it when it raises the upcall.
    pub const EVTCHN_UPCALL_PENDING: usize = offset_of!(sys::vcpu_info, evtchn_upcall_pending);
    /// One byte, of no use to HVM guests.
    pub const EVTCHN_UPCALL_MASK: usize = offset_of!(sys::vcpu_info, evtchn_upcall_mask);
    /// A 64-bit word: bit n set says that word n of the pending bitmap has something.
    pub const EVTCHN_PENDING_SEL: usize = offset_of!(sys::vcpu_info, evtchn_pending_sel);
    /// `struct vcpu_time_info`.
    pub const TIME: usize = offset_of!(sys::vcpu_info, time);
}

const _: () = {
    assert!(VCPU_INFO == 0 && VCPU_INFO_SIZE == 64);
    assert!(VCPU_INFO_SIZE * LEGACY_MAX_VCPUS as usize == EVTCHN_PENDING);
    assert!(EVTCHN_MASK == EVTCHN_PENDING + EVTCHN_WORDS * size_of::<u64>());
    assert!(EVTCHN_WORDS * 64 == crate::event_channel::NR_PORTS_2L as usize);
    assert!(size_of::<sys::shared_info>() <= crate::PAGE_SIZE);
};

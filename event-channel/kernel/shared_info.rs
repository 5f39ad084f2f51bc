// SPDX-License-Identifier: GPL-2.0-only
//! The shared_info page (`struct shared_info`, `xen/include/public/xen.h`).

use crate::fifo::{self, FifoPages};
use crate::service::Abi;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU64, AtomicU8};
use event_channel::{Fifo, PortWords, SharedPorts, VcpuInfo};
use kernel::prelude::*;
use linux::memremap::Mapping;
use pvclock::TimeInfo;
use xen_hypercall::{to_error, Xen};
use xen_sys::shared_info as place;
use xen_sys::{Gfn, Hypervisor, PhysmapSpace, VcpuId, PAGE_SIZE};

/// Where the page appears: the first of the window 0xfe700000..0xfe800000 that hvmloader reserves for the guest's PV
/// drivers. It is no RAM, so no memory is lost, and outside the uncached ranges.
pub(crate) const WINDOW: Gfn = Gfn(0xfe700);

/// `struct vcpu_info`. All of it is atomic: Xen may write at any time.
#[repr(C)]
struct RawVcpuInfo {
    upcall_pending: AtomicU8,
    _upcall_mask: AtomicU8,
    _pad: [AtomicU8; 6],
    pending_sel: AtomicU64,
    _arch: [AtomicU64; 2],
    time: TimeInfo,
}

/// The part of `struct shared_info` that event channels and the clock use.
#[repr(C)]
struct RawSharedInfo {
    vcpu_info: [RawVcpuInfo; place::LEGACY_MAX_VCPUS as usize],
    evtchn_pending: PortWords,
    evtchn_mask: PortWords,
}

const _: () = {
    assert!(size_of::<RawVcpuInfo>() == place::VCPU_INFO_SIZE);
    assert!(
        offset_of!(RawVcpuInfo, upcall_pending) == place::vcpu_info::EVTCHN_UPCALL_PENDING
            && offset_of!(RawVcpuInfo, pending_sel) == place::vcpu_info::EVTCHN_PENDING_SEL
            && offset_of!(RawVcpuInfo, time) == place::vcpu_info::TIME
    );
    assert!(offset_of!(RawSharedInfo, vcpu_info) == place::VCPU_INFO);
    assert!(offset_of!(RawSharedInfo, evtchn_pending) == place::EVTCHN_PENDING);
    assert!(offset_of!(RawSharedInfo, evtchn_mask) == place::EVTCHN_MASK);
    assert!(size_of::<RawSharedInfo>() <= PAGE_SIZE);
};

/// The page, mapped. Dropping it masks every port and takes the page out of the guest's memory map.
///
/// # Invariants
///
/// The mapping covers one page at [`WINDOW`].
pub(crate) struct SharedInfo {
    mapping: Mapping,
    /// The pages of the FIFO ABI, if the domain has it.
    fifo: Option<FifoPages>,
}

impl SharedInfo {
    /// Puts the page into the window, gives the domain the ABI that is wanted if it can have it, and masks all ports: the
    /// bits are as a boot loader or an earlier load left them.
    ///
    /// Xen must have been told that the guest is a 64-bit one, or it keeps the bits elsewhere in the page.
    ///
    /// # Errors
    /// As of [`fifo::choose`]; what Xen said; `ENOMEM`.
    pub(crate) fn map(wanted: Abi) -> Result<Self> {
        Xen.add_to_physmap(PhysmapSpace::SharedInfo, WINDOW)
            .map_err(to_error)?;
        let mapping = Mapping::new(WINDOW.address(), PAGE_SIZE).inspect_err(|_| {
            // The error that counts is the one before.
            let _ = Xen.remove_from_physmap(WINDOW);
        })?;
        // INVARIANT: So it was just mapped.
        let mut shared = Self {
            mapping,
            fifo: None,
        };
        shared.ports().mask_all();
        shared.fifo = fifo::choose(wanted)?;
        shared.ports().mask_all();
        Ok(shared)
    }

    fn raw(&self) -> &RawSharedInfo {
        // SAFETY: By the type invariant one page is mapped at this page-aligned address for as long as `self` lives,
        // and the structure is no longer than a page. It consists of atomics, for which every content is valid and may
        // change at any time.
        unsafe { self.mapping.as_ptr().cast().as_ref() }
    }

    /// The FIFO ABI's pages.
    pub(crate) fn fifo(&self) -> Option<Fifo<'_>> {
        self.fifo.as_ref().map(FifoPages::shared)
    }

    /// The pending and mask bits.
    #[inline]
    pub(crate) fn ports(&self) -> SharedPorts<'_> {
        if let Some(fifo) = self.fifo() {
            return fifo.ports();
        }
        let raw = self.raw();
        SharedPorts::new(&raw.evtchn_pending, &raw.evtchn_mask)
    }

    /// The time that Xen tells `vcpu`; `None` for those past the 32 that the page has room for.
    #[inline]
    pub(crate) fn time(&self, vcpu: VcpuId) -> Option<&TimeInfo> {
        let info = self.raw().vcpu_info.get(usize::try_from(vcpu.0).ok()?)?;
        Some(&info.time)
    }

    /// What Xen tells `vcpu`; `None` for those past the 32 that the page has room for. (Others need a page that is
    /// registered once in the domain's life, by VCPUOP_register_vcpu_info.)
    pub(crate) fn vcpu(&self, vcpu: VcpuId) -> Option<VcpuInfo<'_>> {
        let info = self.raw().vcpu_info.get(usize::try_from(vcpu.0).ok()?)?;
        match self.fifo() {
            None => Some(VcpuInfo::new(&info.upcall_pending, &info.pending_sel)),
            Some(fifo) => {
                let block = fifo.control().block(vcpu.0)?;
                Some(VcpuInfo::fifo(&info.upcall_pending, block))
            }
        }
    }
}

impl Drop for SharedInfo {
    fn drop(&mut self) {
        self.ports().mask_all();
        if let Err(error) = Xen.remove_from_physmap(WINDOW) {
            pr_err!(
                "Xen keeps shared_info in the memory map: {}\n",
                format_args!("{error}")
            );
        }
    }
}

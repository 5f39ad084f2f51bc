// SPDX-License-Identifier: GPL-2.0-only
//! Memory shared with the backend for as long as a connection lives.

use kernel::prelude::*;
use linux::page::Page;
use ring::SharedMemory;
use vnif_core::RING_SLOTS;
use xen_bus::Device;
use xen_grants::{Access, Granted};
use xen_sys::GrantRef;

/// A page for a ring, not yet granted.
pub(crate) struct RingPage(Page);

impl RingPage {
    pub(crate) fn new() -> Result<Self> {
        Page::new(GFP_KERNEL).map(Self)
    }

    /// The page's memory.
    ///
    /// # Safety
    ///
    /// The memory is used no longer than this page or the grant that [`share`](Self::share) makes of it lives.
    pub(crate) unsafe fn memory(&self) -> SharedMemory {
        // SAFETY: A page is aligned and as long as it says, it hands out no references, and nobody copies from or to it
        // otherwise. It stays alive long enough, as the caller promises.
        unsafe { SharedMemory::new(self.0.as_ptr(), self.0.len()) }
    }

    /// Lets the device's backend use the page.
    pub(crate) fn share(self, device: &Device) -> Result<Granted<Page>> {
        let free = device.grants().allocate()?;
        let (backend, access) = (device.otherend_id(), Access::ReadWrite);
        Ok(Granted::page(free, self.0, backend, access))
    }
}

/// A page for each slot of a ring, through which the packets are copied. See `docs/decisions/0028`.
pub(crate) struct Pages(KVec<Granted<Page>>);

impl Pages {
    pub(crate) fn new(device: &Device, access: Access) -> Result<Self> {
        let backend = device.otherend_id();
        let mut pages = KVec::with_capacity(RING_SLOTS, GFP_KERNEL)?;
        for free in device.grants().allocate_many(RING_SLOTS)? {
            let page = Page::new(GFP_KERNEL)?;
            pages.push(Granted::page(free, page, backend, access), GFP_KERNEL)?;
        }
        Ok(Self(pages))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The page of `slot`.
    #[inline]
    pub(crate) fn get(&self, slot: u16) -> Option<&Granted<Page>> {
        self.0.get(usize::from(slot))
    }

    /// The grant of `slot`'s page.
    #[inline]
    pub(crate) fn gref(&self, slot: u16) -> Option<GrantRef> {
        self.get(slot).map(Granted::gref)
    }

    /// Ends the grants. Returns the number of pages that the backend does not let go of.
    pub(crate) fn end(self) -> u64 {
        self.0
            .into_iter()
            .map(Granted::end)
            .fold(0, |kept, ended| kept.wrapping_add(ended.is_none().into()))
    }
}

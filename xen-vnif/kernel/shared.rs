// SPDX-License-Identifier: GPL-2.0-only
//! Memory shared with the backend for as long as a connection lives.

use kernel::prelude::*;
use linux::page::Page;
use ring::SharedMemory;
use vnif_core::{tx::HEAD_MAX, PAGE_SIZE, RING_SLOTS};
use xen_grants::{Access, FreeRef, Granted};
use xen_sys::{Domid, GrantRef};

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

    /// Lets the backend use the page.
    pub(crate) fn share(self, backend: Domid) -> Result<Granted<Page>> {
        let free = xen_grants::allocate()?;
        Ok(Granted::page(free, self.0, backend, Access::ReadWrite))
    }
}

/// Heads that fit one page.
const HEADS_PER_PAGE: usize = (PAGE_SIZE / HEAD_MAX) as usize;

/// The memory for packets' heads: a place of [`HEAD_MAX`] bytes for each id of the transmit ring, granted read-only.
pub(crate) struct Heads(KVec<Granted<Page>>);

/// Where a head lies, for the backend.
pub(crate) struct Place {
    pub(crate) gref: GrantRef,
    pub(crate) offset: u16,
}

impl Heads {
    pub(crate) fn new(backend: Domid) -> Result<Self> {
        let count = RING_SLOTS / HEADS_PER_PAGE;
        let mut pages = KVec::with_capacity(count, GFP_KERNEL)?;
        for free in xen_grants::allocate_many(count)? {
            let page = Page::new(GFP_KERNEL)?;
            pages.push(
                Granted::page(free, page, backend, Access::ReadOnly),
                GFP_KERNEL,
            )?;
        }
        Ok(Self(pages))
    }

    /// How many pages are granted.
    pub(crate) fn pages(&self) -> u64 {
        self.0.len() as u64
    }

    /// Ends the grants. Returns the number of pages that the backend does not let go of.
    pub(crate) fn end(self) -> u64 {
        self.0
            .into_iter()
            .map(Granted::end)
            .fold(0, |kept, ended| kept.wrapping_add(ended.is_none().into()))
    }

    /// Copies `bytes`, at most [`HEAD_MAX`], to the place of `id`.
    #[inline]
    pub(crate) fn write(&self, id: u16, bytes: &[u8]) -> Option<Place> {
        if bytes.len() > HEAD_MAX as usize {
            return None;
        }
        let page = self.0.get(usize::from(id) / HEADS_PER_PAGE)?;
        let offset = usize::from(id) % HEADS_PER_PAGE * HEAD_MAX as usize;
        page.get().copy_to(offset, bytes).ok()?;
        Some(Place {
            gref: page.gref(),
            offset: offset as u16,
        })
    }
}

/// Grant references at hand, so that the hot path takes none from the table's lock.
pub(crate) struct References(KVec<FreeRef>);

impl References {
    /// One for each slot of a ring.
    pub(crate) fn for_ring() -> Result<Self> {
        xen_grants::allocate_many(RING_SLOTS).map(Self)
    }

    /// Whether `count` can be taken one after the other; sees to it if possible.
    #[inline]
    pub(crate) fn has(&mut self, count: usize) -> bool {
        while self.0.len() < count {
            let more = xen_grants::allocate();
            if !more.is_ok_and(|free| self.0.push_within_capacity(free).is_ok()) {
                return false;
            }
        }
        true
    }

    /// Takes one. The stock runs out only when the backend kept pages: then the table is asked.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<FreeRef> {
        match self.0.pop() {
            Some(free) => Some(free),
            None => xen_grants::allocate().ok(),
        }
    }

    /// Puts one back; beyond the stock's size it goes back to the table.
    #[inline]
    pub(crate) fn put(&mut self, free: FreeRef) {
        drop(self.0.push_within_capacity(free));
    }
}

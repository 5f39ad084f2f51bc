// SPDX-License-Identifier: GPL-2.0-only
//! The ring's page and event channel, as they are announced to the backend.

use kernel::{prelude::*, sync::Arc};
use linux::page::Page;
use ring::{FrontRing, SharedMemory};
use vbd_core::{IndirectPage, Properties, Slot, MAX_DIRECT_BYTES};
use xen_bus::Device;
use xen_events::EventChannel;
use xen_grants::{Access, Granted};
use xen_sys::{blkif::MAX_SEGMENTS_PER_REQUEST, GrantRef, Port};

use crate::queue::{Core, Queue};

/// A ring and what keeps its memory: pages, granted to the backend.
///
/// Field order matters: the ring goes before the pages.
pub(crate) struct Ring {
    /// The ring with its shadow table.
    pub(crate) core: Core,
    page: Granted<Page>,
    /// For the segments of indirect requests, one for each tag; none when there are no such requests.
    indirect: KVec<Granted<Page>>,
}

impl Ring {
    /// Lets requests be indirect, if the backend knows them and there are pages and grant references for it; a disk can do
    /// without. Says what the disk is to have then.
    pub(crate) fn offer_indirect(&mut self, device: &Device, offered: &Properties) -> Properties {
        let mut properties = *offered;
        if properties.segments <= MAX_SEGMENTS_PER_REQUEST {
            return properties;
        }
        if let Err(error) = self.add_indirect(device) {
            properties.limit_segments(MAX_SEGMENTS_PER_REQUEST);
            pr_warn!(
                "{}: no pages or grant references for large requests ({error:?}), so that none has more than {} KiB: raise grant_quota or max_grant_frames\n",
                device.name(),
                MAX_DIRECT_BYTES / 1024
            );
        }
        properties
    }

    /// Gives each tag a page for its indirect requests, or none of them.
    fn add_indirect(&mut self, device: &Device) -> Result {
        let depth = self.core.depth();
        let mut pages = KVec::with_capacity(depth, GFP_KERNEL)?;
        let mut places = KVec::with_capacity(depth, GFP_KERNEL)?;
        for _ in 0..depth {
            // The account says nothing of it: our caller does.
            let free = device.grants().try_allocate()?;
            let page = Page::new(GFP_KERNEL)?;
            // SAFETY: as for the ring's page: only the core, if anybody, uses the memory, and goes before the page.
            let memory = unsafe { SharedMemory::new(page.as_ptr(), page.len()) };
            // For writing too: who keeps pages mapped (xen-blkback) maps them all alike. It is never read.
            let access = Access::ReadWrite;
            let page = Granted::page(free, page, device.otherend_id(), access);
            places.push_within_capacity(IndirectPage::new(memory, page.gref()))?;
            pages.push_within_capacity(page)?;
        }
        for (tag, place) in places.into_iter().enumerate() {
            self.core.set_indirect(tag, place);
        }
        self.indirect = pages;
        Ok(())
    }

    /// Pages that the backend may use.
    pub(crate) fn pages(&self) -> u64 {
        (self.indirect.len() as u64).wrapping_add(1)
    }

    /// Ends the ring. Returns the number of pages that the backend does not let go of; the deferred list has them.
    pub(crate) fn end(self) -> u64 {
        let Self {
            core,
            page,
            indirect,
        } = self;
        drop(core);
        let kept = |page: Granted<Page>| u64::from(page.end().is_none());
        indirect
            .into_iter()
            .map(kept)
            .fold(kept(page), u64::wrapping_add)
    }
}

/// A queue's ring and channel, not in use yet.
pub(crate) struct Published {
    /// The ring.
    pub(crate) ring: Ring,
    /// The event channel, whose events the queue handles from now on (it ignores them as long as it is closed).
    pub(crate) channel: EventChannel,
}

impl Published {
    /// Makes a one-page ring and an event channel to the backend of `device` for `queue`. `handle` goes into every request,
    /// `name` into `/proc/interrupts`.
    pub(crate) fn new(
        queue: &Arc<Queue>,
        device: &Device,
        handle: u16,
        name: &CStr,
    ) -> Result<Self> {
        let page = Page::new(GFP_KERNEL)?;
        // SAFETY: the page's memory is used as shared memory only, and lives as long as the ring: `Ring` has both, and
        // a page that is not given back by the backend goes to the deferred list, after the ring is gone.
        let memory = unsafe { SharedMemory::new(page.as_ptr(), page.len()) };
        let front = FrontRing::new(&memory).map_err(|_| EINVAL)?;
        let mut slots = KVec::new();
        for _ in 0..front.capacity() {
            slots.push(Slot::EMPTY, GFP_KERNEL)?;
        }
        let free = device.grants().allocate()?;
        let page = Granted::page(free, page, device.otherend_id(), Access::ReadWrite);
        let ring = Ring {
            core: Core::new(front, slots, handle),
            page,
            indirect: KVec::new(),
        };
        let channel = device.event_channel(name, queue.clone())?;
        Ok(Self { ring, channel })
    }

    /// The ring's grant reference.
    pub(crate) fn gref(&self) -> GrantRef {
        self.ring.page.gref()
    }

    /// The channel's port.
    pub(crate) fn port(&self) -> Port {
        self.channel.port()
    }

    /// Requests that the ring holds.
    pub(crate) fn depth(&self) -> usize {
        self.ring.core.depth()
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The ring's page and event channel, as they are announced to the backend.

use kernel::{prelude::*, sync::Arc};
use linux::page::Page;
use ring::{FrontRing, SharedMemory};
use vbd_core::Slot;
use xen_bus::Device;
use xen_events::EventChannel;
use xen_grants::{Access, Granted};
use xen_sys::{GrantRef, Port};

use crate::queue::{Core, Queue};

/// A ring and what keeps its memory: the page, granted to the backend.
///
/// Field order matters: the ring goes before the page.
pub(crate) struct Ring {
    /// The ring with its shadow table.
    pub(crate) core: Core,
    page: Granted<Page>,
}

impl Ring {
    /// Ends the ring. True when the backend does not let go of its page, which is on the deferred list then.
    pub(crate) fn end(self) -> bool {
        let Self { core, page } = self;
        drop(core);
        page.end().is_none()
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
        let free = xen_grants::allocate()?;
        let page = Granted::page(free, page, device.otherend_id(), Access::ReadWrite);
        let ring = Ring {
            core: Core::new(front, slots, handle),
            page,
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

// SPDX-License-Identifier: GPL-2.0-only
//! The receive half of a connection.

use kernel::{prelude::*, sync::Arc};
use linux::page::Page;
use linux_net::{GsoKind, Napi, RxChecksum, RxSkb};
use vnif_core::{
    gso::Kind,
    rx::{Checksum, Frame},
    Received, RingCounters, RxQueue, Violation,
};
use xen_bus::Device;
use xen_events::EventChannel;
use xen_grants::{Access, Granted};
use xen_sys::GrantRef;

use crate::{
    counters::{Counter, Counters},
    shared::{Pages, RingPage},
};

/// The receive ring and all that belongs to it.
///
/// Field order matters: the ring goes before its page.
pub(crate) struct Receive {
    queue: RxQueue,
    page: Granted<Page>,
    pages: Pages,
    channel: Arc<EventChannel>,
}

impl Receive {
    /// Makes a ring full of pages for the backend of `device`, which is notified through `channel`.
    pub(crate) fn new(device: &Device, channel: Arc<EventChannel>) -> Result<Self> {
        let page = RingPage::new()?;
        // SAFETY: The ring is dropped before the grant of the page, by the order of our fields; `end` takes the grant first,
        // but uses the ring no more, which has no destructor.
        let mut queue = RxQueue::new(&unsafe { page.memory() }).map_err(|_| EINVAL)?;
        let pages = Pages::new(device, Access::ReadWrite)?;
        queue.fill(|slot| pages.gref(slot));
        // The backend is not connected yet: it looks at the ring when it is.
        let _ = queue.show();
        Ok(Self {
            queue,
            page: page.share(device)?,
            pages,
            channel,
        })
    }

    /// The ring's grant.
    pub(crate) fn gref(&self) -> GrantRef {
        self.page.gref()
    }

    /// What has gone over the ring.
    pub(crate) fn counters(&self) -> RingCounters {
        self.queue.counters()
    }

    /// Pages that the backend may use: the ring's and those of its slots.
    pub(crate) fn grants_in_use(&self) -> u64 {
        self.pages.count().wrapping_add(1)
    }

    /// Ends the connection. Returns the number of pages that the backend does not let go of.
    pub(crate) fn end(self) -> u64 {
        let Self { page, pages, .. } = self;
        pages.end().wrapping_add(page.end().is_none().into())
    }

    /// Receives up to `budget` frames, good and bad, and offers their slots again. Returns how many there were.
    pub(crate) fn poll(
        &mut self,
        napi: &Napi,
        budget: u32,
        counters: &Counters,
    ) -> Result<u32, Violation> {
        let Self { queue, pages, .. } = self;
        let mut work = 0;
        while work < budget {
            match queue.receive(|frame| deliver(frame, pages, napi, counters))? {
                Received::Nothing => break,
                Received::Frame(true) => {}
                Received::Frame(false) => counters.add(Counter::RxDropped, 1),
                Received::Dropped(_) => counters.add(Counter::RxErrors, 1),
            }
            work = work.wrapping_add(1);
        }
        queue.fill(|slot| pages.gref(slot));
        if queue.show().is_needed() {
            self.channel.notify();
            counters.add(Counter::RxNotifies, 1);
        }
        Ok(work)
    }

    /// The poll is over: asks for an event. True if there is more to receive.
    #[inline]
    pub(crate) fn arm(&mut self) -> Result<bool, Violation> {
        self.queue.arm()
    }
}

/// Copies a frame out of its slots' pages and gives it to the stack; false if it is lost.
#[inline]
fn deliver(frame: &Frame, pages: &Pages, napi: &Napi, counters: &Counters) -> bool {
    let Some(skb) = copy(frame, pages, napi) else {
        return false;
    };
    let checksum = match frame.checksum() {
        Checksum::Unknown => RxChecksum::Unknown,
        Checksum::Validated => RxChecksum::Valid,
        Checksum::Blank => RxChecksum::Blank,
    };
    let gso = frame.gso().map(|gso| match gso.kind {
        Kind::TcpV4 => (GsoKind::TcpV4, gso.size),
        Kind::TcpV6 => (GsoKind::TcpV6, gso.size),
    });
    let delivered = skb.deliver(checksum, gso);
    if delivered {
        counters.add(Counter::RxPackets, 1);
        counters.add(Counter::RxBytes, frame.len().into());
        if gso.is_some() {
            counters.add(Counter::RxGso, 1);
        }
    }
    delivered
}

#[inline]
fn copy<'a>(frame: &Frame, pages: &Pages, napi: &'a Napi) -> Option<RxSkb<'a>> {
    let mut skb = RxSkb::new(napi, frame.len())?;
    for piece in frame.pieces() {
        let page = pages.get(piece.slot)?.get();
        skb.append(page, piece.offset.into(), piece.len.into())
            .ok()?;
    }
    Some(skb)
}

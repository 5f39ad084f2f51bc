// SPDX-License-Identifier: GPL-2.0-only
//! The receive half of a connection.

use kernel::{alloc::Flags, prelude::*, sync::Arc};
use linux::page::Page;
use linux_net::{GsoKind, Napi, RxChecksum, RxSkb};
use vnif_core::{
    gso::Kind,
    refill::Refill,
    rx::{Checksum, Piece},
    Received, RingCounters, RxPage, RxQueue, Violation, RING_SLOTS,
};
use xen_events::EventChannel;
use xen_grants::{Access, Granted};
use xen_sys::{Domid, GrantRef};

use crate::{
    counters::{Counter, Counters},
    shared::{References, RingPage},
};

/// The largest frame of one piece that is copied, so that its page stays in the ring: see `docs/decisions/0005`.
const COPY_MAX: u16 = 2048;

/// A page that the backend may fill.
struct Posted(Granted<Page>);

impl RxPage for Posted {
    #[inline]
    fn gref(&self) -> GrantRef {
        self.0.gref()
    }
}

/// The receive ring and all that belongs to it.
///
/// Field order matters: the ring goes before its page.
pub(crate) struct Receive {
    queue: RxQueue<Posted, KVec<Option<Posted>>>,
    page: Granted<Page>,
    references: References,
    channel: Arc<EventChannel>,
    backend: Domid,
    refill: Refill,
}

/// What a poll came to.
pub(crate) struct Polled {
    /// Frames received, good and bad.
    pub(crate) work: u32,
    /// Milliseconds after which the ring is to be filled again, if that is needed.
    pub(crate) retry: Option<u32>,
}

impl Receive {
    /// Makes a ring full of pages for `backend`, which is notified through `channel`.
    pub(crate) fn new(backend: Domid, channel: Arc<EventChannel>) -> Result<Self> {
        let mut slots = KVec::with_capacity(RING_SLOTS, GFP_KERNEL)?;
        for _ in 0..RING_SLOTS {
            slots.push(None, GFP_KERNEL)?;
        }
        let page = RingPage::new()?;
        // SAFETY: The ring is dropped before the grant of the page, by the order of our fields.
        let queue = RxQueue::new(&unsafe { page.memory() }, slots).map_err(|_| EINVAL)?;
        let mut receive = Self {
            queue,
            page: page.share(backend)?,
            references: References::for_ring()?,
            channel,
            backend,
            refill: Refill::new(),
        };
        receive.fill(GFP_KERNEL)?;
        // The backend is not connected yet: it looks at the ring when it is.
        let _ = receive.queue.show();
        Ok(receive)
    }

    /// The ring's grant.
    pub(crate) fn gref(&self) -> GrantRef {
        self.page.gref()
    }

    /// What has gone over the ring.
    pub(crate) fn counters(&self) -> RingCounters {
        self.queue.counters()
    }

    /// Pages that the backend may use now: the ring's and those in it.
    pub(crate) fn grants_in_use(&self) -> u64 {
        (self.queue.pages() as u64).wrapping_add(1)
    }

    /// Ends the connection. Returns the number of pages that the backend does not let go of.
    pub(crate) fn end(self) -> u64 {
        let Self {
            mut queue, page, ..
        } = self;
        let kept = queue
            .drain()
            .filter_map(|posted| posted.0.end().is_none().then_some(()));
        let pages = kept.count() as u64;
        drop(queue);
        pages.wrapping_add(page.end().is_none().into())
    }

    /// Receives up to `budget` frames and fills the ring again.
    pub(crate) fn poll(
        &mut self,
        napi: &Napi,
        budget: u32,
        counters: &Counters,
    ) -> Result<Polled, Violation> {
        let mut work = 0;
        while work < budget {
            match self.queue.receive()? {
                Received::Nothing => break,
                Received::Frame => self.deliver(napi, counters)?,
                Received::Dropped(_) => counters.add(Counter::RxErrors, 1),
            }
            work = work.wrapping_add(1);
        }
        let filled = self.fill(GFP_ATOMIC | __GFP_NOWARN);
        if filled.is_err() {
            counters.add(Counter::RxRefillFailures, 1);
        }
        if self.queue.show().is_needed() {
            self.channel.notify();
            counters.add(Counter::RxNotifies, 1);
        }
        let retry = self.refill.after(self.queue.posted(), RING_SLOTS as u32);
        Ok(Polled { work, retry })
    }

    /// The poll is over: asks for an event. True if there is more to receive.
    #[inline]
    pub(crate) fn arm(&mut self) -> Result<bool, Violation> {
        self.queue.arm()
    }

    /// Gives the frame that has arrived to the stack.
    #[inline]
    fn deliver(&mut self, napi: &Napi, counters: &Counters) -> Result<(), Violation> {
        let frame = self.queue.frame();
        let len = frame.len();
        let checksum = match frame.checksum() {
            Checksum::Unknown => RxChecksum::Unknown,
            Checksum::Validated => RxChecksum::Valid,
            Checksum::Blank => RxChecksum::Blank,
        };
        let gso = frame.gso().map(|gso| match gso.kind {
            Kind::TcpV4 => (GsoKind::TcpV4, gso.size),
            Kind::TcpV6 => (GsoKind::TcpV6, gso.size),
        });
        let skb = match frame.take_single() {
            Some(piece) if piece.len <= COPY_MAX => self.copy(napi, piece, counters),
            Some(piece) => self.take_pages(napi, Some(piece), counters)?,
            None => self.take_pages(napi, None, counters)?,
        };
        if skb.is_some_and(|skb| skb.deliver(checksum, gso)) {
            counters.add(Counter::RxPackets, 1);
            counters.add(Counter::RxBytes, len.into());
            if gso.is_some() {
                counters.add(Counter::RxGso, 1);
            }
        } else {
            counters.add(Counter::RxDropped, 1);
        }
        Ok(())
    }

    /// Copies a small frame out; its page goes back into the ring as it is.
    #[inline]
    fn copy<'a>(
        &mut self,
        napi: &'a Napi,
        piece: Piece<Posted>,
        counters: &Counters,
    ) -> Option<RxSkb<'a>> {
        let data = piece.page.0.get().as_ptr();
        // SAFETY: A piece lies within its page, which lives until it is dropped below.
        let skb = unsafe {
            let data = data.add(piece.offset.into());
            RxSkb::copied(napi, data, piece.len.into())
        };
        counters.add(Counter::RxCopied, 1);
        // There is room: the page's own slot is vacant, and the ring is filled after the last frame only.
        drop(self.queue.post(piece.page));
        skb
    }

    /// Ends the grants of a large frame's pages, given as a single `piece` or still in the queue's frame, and makes a
    /// packet of them.
    fn take_pages<'a>(
        &mut self,
        napi: &'a Napi,
        single: Option<Piece<Posted>>,
        counters: &Counters,
    ) -> Result<Option<RxSkb<'a>>, Violation> {
        let mut skb = RxSkb::with_pages(napi);
        let references = &mut self.references;
        let mut kept = 0u64;
        let mut take = |piece: Piece<Posted>| match piece.page.0.end() {
            Some((page, free)) => {
                references.put(free);
                let (offset, len) = (piece.offset.into(), piece.len.into());
                if let Some(Err(_page)) = skb.as_mut().map(|skb| skb.add_page(page, offset, len)) {
                    skb = None;
                }
            }
            None => kept = kept.wrapping_add(1),
        };
        if let Some(piece) = single {
            take(piece);
        }
        self.queue.frame().pieces().for_each(&mut take);
        if kept != 0 {
            counters.add(Counter::RxDeferredFrees, kept);
            return Err(self.queue.distrust(Violation::StillMapped));
        }
        Ok(skb)
    }

    /// Posts new pages until no slot is vacant.
    #[inline]
    fn fill(&mut self, flags: Flags) -> Result {
        while self.queue.vacant() != 0 {
            let page = Page::new(flags)?;
            let free = self.references.take().ok_or(ENOSPC)?;
            let page = Posted(Granted::page(free, page, self.backend, Access::ReadWrite));
            self.queue.post(page).map_err(|_| ENOSPC)?;
        }
        Ok(())
    }
}

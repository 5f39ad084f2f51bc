// SPDX-License-Identifier: GPL-2.0-only
//! The transmit half of a connection.

use core::{ffi::c_void, ptr::NonNull};
use kernel::{prelude::*, sync::Arc};
use linux::page::Page;
use linux_net::{Fragment, GsoKind, Interface, Skb, TxInfo, MAX_FRAGS, RELEASE_SKB};
use vnif_core::{
    features::Features,
    gso::{Gso, Kind},
    tx::{Entry, Headers, PagePart, Plan, Refused, HEAD_MAX},
    Part, Payload, RingCounters, TxQueue, Violation, RING_SLOTS,
};
use xen_events::EventChannel;
use xen_grants::{Access, Granted, Owner};
use xen_sys::{netif::TxFlags, Domid, Gfn, GrantRef};

use crate::{
    counters::{Counter, Counters},
    shared::{Heads, References, RingPage},
};

/// A reference to a packet, as the owner of one granted page of it.
pub(crate) struct SentSkb(Skb);

// SAFETY: A packet's pages live and keep their content as long as a reference to the packet does, which the pointer of
// `into_raw` is until `RELEASE_SKB`, a function of the kernel image for process context, drops it.
unsafe impl Owner for SentSkb {
    const RELEASE: unsafe extern "C" fn(*mut c_void) = RELEASE_SKB;

    fn into_raw(self) -> NonNull<c_void> {
        self.0.into_raw()
    }
}

/// What a slot keeps alive until it is answered.
enum Sent {
    /// Nothing: the slot's data was copied to its place among the heads.
    Copied,
    /// A page of the packet.
    Skb(Granted<SentSkb>),
    /// A page with a copy of the whole packet.
    Page(Granted<Page>),
}

impl Sent {
    fn is_granted(&self) -> bool {
        !matches!(self, Self::Copied)
    }

    /// Ends the grant, if any. True when the backend does not let go of the page.
    fn end(self) -> bool {
        match self {
            Self::Copied => false,
            Self::Skb(granted) => granted.end().is_none(),
            Self::Page(granted) => granted.end().is_none(),
        }
    }
}

impl Payload for Sent {
    #[inline]
    fn is_waited_for(&self) -> bool {
        matches!(self, Self::Skb(_))
    }
}

/// Why a packet was not sent.
struct NotSent;

/// The transmit ring and all that belongs to it.
///
/// Field order matters: the ring goes before its page.
pub(crate) struct Transmit {
    queue: TxQueue<Sent, KVec<Entry<Sent>>>,
    page: Granted<Page>,
    heads: Heads,
    references: References,
    channel: Arc<EventChannel>,
    backend: Domid,
    /// What the backend takes.
    features: Features,
    /// The stack was told to wait for room.
    stopped: bool,
}

impl Transmit {
    /// Makes a ring for `backend`, which is notified through `channel`.
    pub(crate) fn new(
        backend: Domid,
        channel: Arc<EventChannel>,
        features: Features,
    ) -> Result<Self> {
        let mut entries = KVec::with_capacity(RING_SLOTS, GFP_KERNEL)?;
        for _ in 0..RING_SLOTS {
            entries.push(Entry::FREE, GFP_KERNEL)?;
        }
        let page = RingPage::new()?;
        // SAFETY: The ring is dropped before the grant of the page, by the order of our fields.
        let queue = TxQueue::new(&unsafe { page.memory() }, entries).map_err(|_| EINVAL)?;
        Ok(Self {
            queue,
            page: page.share(backend)?,
            heads: Heads::new(backend)?,
            references: References::for_ring()?,
            channel,
            backend,
            features,
            stopped: false,
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

    /// Pages that the backend may use now: the ring's, those of the heads and those of packets in flight.
    pub(crate) fn grants_in_use(&self) -> u64 {
        let packets = self.queue.payloads().filter(|sent| sent.is_granted());
        let count = self.heads.pages().wrapping_add(packets.count() as u64);
        count.wrapping_add(1)
    }

    /// Ends the connection. Returns the number of pages that the backend does not let go of.
    pub(crate) fn end(self) -> u64 {
        let Self {
            mut queue,
            page,
            heads,
            ..
        } = self;
        let packets = queue.drain().map(Sent::end).filter(|kept| *kept).count() as u64;
        drop(queue);
        let pages = packets.wrapping_add(heads.end());
        pages.wrapping_add(page.end().is_none().into())
    }

    /// Tells the channel whether a poll has found work.
    #[inline]
    pub(crate) fn judged(&self, work: bool) {
        self.channel.judged(work);
    }

    /// The stack starts anew and believes that there is room. The ring may be as full as it was.
    pub(crate) fn restarted(&mut self, interface: &Interface) {
        self.stopped = !self.queue.has_room();
        if self.stopped {
            interface.stop_queue();
        }
    }

    /// The stack was told to wait, whatever room there is; it need not any more if there is some.
    pub(crate) fn continued(&mut self, interface: &Interface) {
        self.stopped = !self.queue.has_room();
        if !self.stopped {
            interface.wake_queue();
        }
    }

    /// Sends a packet, or drops it and counts that.
    #[inline]
    pub(crate) fn send(
        &mut self,
        interface: &Interface,
        mut skb: Skb,
        counters: &Counters,
    ) -> Result<(), Violation> {
        if !self.queue.has_room() {
            // The interface was down while the ring was full, and the stack is quicker than `restarted`.
            counters.add(Counter::TxDropped, 1);
            return self.out_of_room(interface, counters);
        }
        let info = skb.begin_transmit();
        let len = skb.len();
        match self.place(skb, info, counters) {
            Ok(()) => {
                counters.add(Counter::TxPackets, 1);
                counters.add(Counter::TxBytes, len.into());
                if info.gso().is_some() {
                    counters.add(Counter::TxGso, 1);
                }
            }
            Err(NotSent) => counters.add(Counter::TxDropped, 1),
        }
        if !self.queue.has_room() {
            return self.out_of_room(interface, counters);
        }
        if !info.xmit_more() {
            self.notify(counters)?;
        }
        Ok(())
    }

    /// Shows the backend what was placed.
    #[inline]
    fn notify(&mut self, counters: &Counters) -> Result<(), Violation> {
        if self.queue.show()?.is_needed() {
            self.channel.notify();
            counters.add(Counter::TxNotifies, 1);
        }
        Ok(())
    }

    /// The next packet may not fit: makes room, or tells the stack to wait for it.
    #[cold]
    fn out_of_room(&mut self, interface: &Interface, counters: &Counters) -> Result<(), Violation> {
        self.notify(counters)?;
        self.reap(0, counters)?;
        if self.queue.has_room() {
            return Ok(());
        }
        interface.stop_queue();
        self.stopped = true;
        counters.add(Counter::TxStops, 1);
        // Responses that came before the event was asked for are seen here, those after it raise the event.
        while self.stopped && self.queue.arm(true)? {
            self.reap(0, counters)?;
            self.wake(interface);
        }
        Ok(())
    }

    /// Ends what the backend has answered, in a poll of `budget` (0: in any context). Returns the number of slots.
    #[inline]
    pub(crate) fn reap(&mut self, budget: u32, counters: &Counters) -> Result<u32, Violation> {
        let references = &mut self.references;
        let mut kept = 0u64;
        let reaped = self.queue.reap(|sent| match sent {
            Sent::Copied => {}
            Sent::Skb(granted) => match granted.end() {
                Some((skb, free)) => {
                    references.put(free);
                    skb.0.consume_in_poll(budget);
                }
                None => kept = kept.wrapping_add(1),
            },
            Sent::Page(granted) => match granted.end() {
                Some((_, free)) => references.put(free),
                None => kept = kept.wrapping_add(1),
            },
        })?;
        if reaped.dropped != 0 {
            counters.add(Counter::TxErrors, reaped.dropped.into());
        }
        if kept != 0 {
            counters.add(Counter::TxDeferredFrees, kept);
            return Err(self.queue.distrust(Violation::StillMapped));
        }
        Ok(reaped.slots)
    }

    /// Lets the stack go on if it waits and there is room.
    #[inline]
    pub(crate) fn wake(&mut self, interface: &Interface) {
        if self.stopped && self.queue.may_wake() {
            self.stopped = false;
            interface.wake_queue();
        }
    }

    /// The poll is over: asks for an event where one is needed. True if there is more to reap.
    #[inline]
    pub(crate) fn arm(&mut self) -> Result<bool, Violation> {
        self.queue.arm(self.stopped)
    }

    /// Puts a packet into the ring.
    #[inline]
    fn place(&mut self, skb: Skb, info: TxInfo, counters: &Counters) -> Result<(), NotSent> {
        let mut flags = TxFlags::empty();
        if info.checksum_blank() {
            flags = TxFlags::CSUM_BLANK | TxFlags::DATA_VALIDATED;
        } else if info.checksum_valid() {
            flags = TxFlags::DATA_VALIDATED;
        }
        let gso = info.gso().map(|(kind, size)| Gso {
            kind: match kind {
                GsoKind::TcpV4 => Kind::TcpV4,
                GsoKind::TcpV6 => Kind::TcpV6,
            },
            size,
        });
        if let Some(gso) = gso {
            // The stack may have made it for an earlier backend, which could do more.
            if !self.features.gso(gso.kind) {
                return Err(NotSent);
            }
        }
        match Plan::copied_whole(skb.len(), flags) {
            Some(plan) => {
                self.place_head(&plan.with_gso(gso), &skb)?;
                skb.consume();
                counters.add(Counter::TxCopied, 1);
                Ok(())
            }
            None => self.place_large(skb, info, gso, flags, counters),
        }
    }

    /// A packet that is more than a head. It is made linear if it would need more slots than a backend must take.
    fn place_large(
        &mut self,
        mut skb: Skb,
        info: TxInfo,
        gso: Option<Gso>,
        flags: TxFlags,
        counters: &Counters,
    ) -> Result<(), NotSent> {
        let headers = if info.headers_linear() {
            Headers::Linear
        } else {
            Headers::Unknown
        };
        for linear in [false, true] {
            if linear {
                skb.linearize().map_err(|_| NotSent)?;
                counters.add(Counter::TxLinearized, 1);
            }
            let mut fragments = [Fragment::default(); MAX_FRAGS + 1];
            let Some(fragments) = skb.fragments(&mut fragments) else {
                continue;
            };
            let mut parts = [vnif_core::tx::Fragment::default(); MAX_FRAGS + 1];
            for (part, fragment) in parts.iter_mut().zip(fragments) {
                *part = vnif_core::tx::Fragment {
                    gfn: Gfn(fragment.pfn),
                    offset: fragment.offset,
                    len: fragment.len,
                };
            }
            let Some(parts) = parts.get(..fragments.len()) else {
                continue;
            };
            match Plan::new(skb.len(), headers, parts, flags) {
                Ok(plan) if plan.slots() == 1 || self.features.sg => {
                    return self.place_parts(&plan.with_gso(gso), skb, counters);
                }
                Ok(_) => return self.place_copy(&skb, flags),
                Err(Refused::TooManySlots) => {}
                Err(Refused::Length) => return Err(NotSent),
            }
        }
        Err(NotSent)
    }

    /// Copies the head and grants the rest in place. Once the first slot is filled nothing may fail, or the backend would
    /// take the next packet for this one's rest: the queue refuses a first slot when there is no room for all, and the
    /// references are seen to before it.
    fn place_parts(
        &mut self,
        plan: &Plan<'_>,
        skb: Skb,
        counters: &Counters,
    ) -> Result<(), NotSent> {
        if !self.references.has(plan.slots().into()) {
            return Err(NotSent);
        }
        let mut index = 0;
        if plan.copied() != 0 {
            self.place_head(plan, &skb)?;
            index = 1;
        }
        let mut parts = plan.granted();
        let mut next = parts.next();
        let mut skb = Some(skb);
        while let Some(part) = next {
            next = parts.next();
            // Each slot has a reference to the packet; the last one has ours.
            let owner = match (&skb, next) {
                (Some(skb), Some(_)) => skb.another(),
                _ => skb.take().ok_or(NotSent)?,
            };
            self.place_granted(plan, index, part, owner)?;
            index = index.wrapping_add(1);
            counters.add(Counter::TxGrantedSlots, 1);
        }
        Ok(())
    }

    /// Copies the packet's head to the place of the next id and fills the first slot with it.
    #[inline]
    fn place_head(&mut self, plan: &Plan<'_>, skb: &Skb) -> Result<(), NotSent> {
        let id = self.queue.next_id().ok_or(NotSent)?;
        let len = usize::from(plan.copied());
        let place = match skb.head().get(..len) {
            Some(head) => self.heads.write(id, head),
            None => {
                let mut head = [0; HEAD_MAX as usize];
                let head = head.get_mut(..len).ok_or(NotSent)?;
                skb.copy_bits(0, head).map_err(|_| NotSent)?;
                self.heads.write(id, head)
            }
        };
        let place = place.ok_or(NotSent)?;
        let part = Part {
            index: 0,
            gref: place.gref,
            offset: place.offset,
            len: plan.copied(),
        };
        self.queue
            .push(plan, &part, Sent::Copied)
            .map_err(|_| NotSent)
    }

    #[inline]
    fn place_granted(
        &mut self,
        plan: &Plan<'_>,
        index: u16,
        page: PagePart,
        owner: Skb,
    ) -> Result<(), NotSent> {
        let free = self.references.take().ok_or(NotSent)?;
        // SAFETY: The page is one of the packet's, which `owner` keeps alive. The only reference that may exist to its
        // content is the slice that `Skb::head` borrows, and the backend may only read.
        let granted = unsafe {
            Granted::new(
                free,
                SentSkb(owner),
                self.backend,
                page.gfn,
                Access::ReadOnly,
            )
        };
        let part = Part {
            index,
            gref: granted.gref(),
            offset: page.offset,
            len: page.len,
        };
        self.queue
            .push(plan, &part, Sent::Skb(granted))
            .map_err(|_| NotSent)
    }

    /// For a backend that takes only packets of one slot: copies the packet to a page.
    #[cold]
    fn place_copy(&mut self, skb: &Skb, flags: TxFlags) -> Result<(), NotSent> {
        let page = Page::new(GFP_ATOMIC | __GFP_NOWARN).map_err(|_| NotSent)?;
        let mut at = 0;
        let mut chunk = [0; HEAD_MAX as usize];
        let len = skb.len() as usize;
        if len > page.len() {
            return Err(NotSent);
        }
        while at < len {
            let size = chunk.len().min(len.wrapping_sub(at));
            let bytes = chunk.get_mut(..size).ok_or(NotSent)?;
            skb.copy_bits(at as u32, bytes).map_err(|_| NotSent)?;
            page.copy_to(at, bytes).map_err(|_| NotSent)?;
            at = at.wrapping_add(size);
        }
        let fragments = [vnif_core::tx::Fragment {
            gfn: Gfn(page.gfn()),
            offset: 0,
            len: skb.len(),
        }];
        let plan = Plan::new(skb.len(), Headers::Linear, &fragments, flags).map_err(|_| NotSent)?;
        let free = self.references.take().ok_or(NotSent)?;
        let granted = Granted::page(free, page, self.backend, Access::ReadOnly);
        let part = Part {
            index: 0,
            gref: granted.gref(),
            offset: 0,
            len: skb.len() as u16,
        };
        self.queue
            .push(&plan, &part, Sent::Page(granted))
            .map_err(|_| NotSent)
    }
}

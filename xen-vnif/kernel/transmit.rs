// SPDX-License-Identifier: GPL-2.0-only
//! The transmit half of a connection.

use kernel::{prelude::*, sync::Arc};
use linux::{page::Page, timer::now};
use linux_net::{GsoKind, Interface, Skb, TxInfo};
use vnif_core::{
    features::Features,
    gso::{Gso, Kind},
    tx::{Entry, Packet},
    RingCounters, TxQueue, Violation, RING_SLOTS,
};
use xen_bus::Device;
use xen_events::EventChannel;
use xen_grants::{Access, Granted};
use xen_sys::{netif::TxFlags, GrantRef};

use crate::{
    counters::{Counter, Counters},
    shared::{Pages, RingPage},
};

/// The largest packet that the stack gets back at once. A larger one is kept until the backend has answered it, for
/// its sender to be held back by what is in the ring (TCP's small queues, a socket's send buffer).
const NOT_KEPT_MAX: u32 = 256;

/// The packets that are kept are looked at so often, in milliseconds: who was there at the last look goes, so that a backend
/// that does not answer cannot keep a socket for longer than twice that. As long as Linux gives a device before it calls it
/// hung (`dev_watchdog`); sooner, and it would no longer hold back who sends through a slow link.
const LOOK_MS: u32 = 5_000;
/// A timer may be early by a tick.
const TICK_MS: u32 = 10;
const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// Why a packet was not sent.
struct NotSent;

/// The transmit ring and all that belongs to it.
///
/// Field order matters: the ring goes before its page.
pub(crate) struct Transmit {
    queue: TxQueue<Skb, KVec<Entry<Skb>>>,
    page: Granted<Page>,
    pages: Pages,
    channel: Arc<EventChannel>,
    /// What the backend takes.
    features: Features,
    /// The stack was told to wait for room.
    stopped: bool,
    /// When the packets that are kept are looked at next, in nanoseconds of the clock; `None` while none is kept.
    look_at: Option<u64>,
}

impl Transmit {
    /// Makes a ring for the backend of `device`, which is notified through `channel`.
    pub(crate) fn new(
        device: &Device,
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
            page: page.share(device)?,
            pages: Pages::new(device, Access::ReadOnly)?,
            channel,
            features,
            stopped: false,
            look_at: None,
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
    pub(crate) fn end(mut self) -> u64 {
        self.let_go();
        let Self {
            queue, page, pages, ..
        } = self;
        drop(queue);
        pages.end().wrapping_add(page.end().is_none().into())
    }

    /// Gives the stack back all packets that are kept. Their slots, which have copies, go on.
    pub(crate) fn let_go(&mut self) {
        self.queue.let_go().for_each(Skb::consume);
        // Its timer may not come any more.
        self.look_at = None;
    }

    /// Has a poll [`look`](Self::look) in a while, if a packet is kept and none is to do so yet.
    #[inline]
    fn watch(&mut self, interface: &Interface) {
        if self.look_at.is_none() && self.queue.keeps() {
            let delay = u64::from(LOOK_MS).wrapping_mul(NANOSECONDS_PER_MS);
            self.look_at = Some(now().saturating_add(delay));
            interface.schedule_poll_after(LOOK_MS.saturating_add(TICK_MS));
        }
    }

    /// In a poll: gives the stack back the packets that were kept for too long, if it is time.
    #[inline]
    pub(crate) fn look(&mut self, interface: &Interface) {
        if self.look_at.is_some_and(|at| at <= now()) {
            self.queue.let_go_old(Skb::consume);
            self.look_at = None;
            self.watch(interface);
        }
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
        match self.place(skb, info) {
            Ok(()) => {
                counters.add(Counter::TxPackets, 1);
                counters.add(Counter::TxBytes, len.into());
                if info.gso().is_some() {
                    counters.add(Counter::TxGso, 1);
                }
                self.watch(interface);
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
        // Responses that came before the event was asked for are seen here, those after it raise the event. Each round leaves
        // at most half of what was in flight, and the last one an event for whatever is still waited for.
        while self.queue.arm(self.stopped)? {
            self.reap(0, counters)?;
            self.wake(interface);
        }
        Ok(())
    }

    /// Ends what the backend has answered, in a poll of `budget` (0: in any context). Returns the number of slots.
    #[inline]
    pub(crate) fn reap(&mut self, budget: u32, counters: &Counters) -> Result<u32, Violation> {
        let reaped = self.queue.reap(|skb| skb.consume_in_poll(budget))?;
        if reaped.dropped != 0 {
            counters.add(Counter::TxErrors, reaped.dropped.into());
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

    /// Copies a packet into the ring's pages.
    #[inline]
    fn place(&mut self, mut skb: Skb, info: TxInfo) -> Result<(), NotSent> {
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
        let packet = Packet::new(skb.len(), flags, gso).ok_or(NotSent)?;
        // The stack may have made it for an earlier backend, which could do more.
        if !self.features.can_take(&packet) {
            return Err(NotSent);
        }
        let pages = &self.pages;
        let pushed = self.queue.push(&packet, |id, part| {
            let page = pages.get(id)?;
            skb.copy_to_page(part.offset, part.len.into(), page.get())
                .ok()?;
            Some(page.gref())
        });
        let last = pushed.map_err(|_| NotSent)?;
        if skb.len() <= NOT_KEPT_MAX {
            skb.consume();
        } else {
            skb.keep();
            // It comes back only if the slot is not in flight, which it is.
            drop(self.queue.keep(last, skb));
        }
        Ok(())
    }
}

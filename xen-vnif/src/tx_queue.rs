// SPDX-License-Identifier: GPL-2.0-only
//! The transmit ring with its ids: what the kernel's half drives.

use core::ops::DerefMut;

use crate::gso::Gso;
use crate::tx::{BadResponse, Ended, Entry, Packet, Part, TxTable, PACKET_SLOTS_MAX};
use crate::{RingCounters, Violation, RING_SLOTS};
use ring::{BadRingMemory, FrontRing, Notify, SharedMemory};
use xen_sys::netif::{NetifTxResponse, NetifTxSlot, RSP_NULL};
use xen_sys::GrantRef;

/// Slots that must be free before the stack may hand over another packet, whatever it is: its data's and one of extra info.
const PACKET_ROOM: u32 = PACKET_SLOTS_MAX as u32 + 1;

/// Free slots at which a stopped stack is let go on: not at the first, or it would stop and go for each packet.
const WAKE_ROOM: u32 = 64;

/// A transmit ring, some of whose slots keep a `P` that the stack waits for.
pub struct TxQueue<P, S> {
    ring: FrontRing<NetifTxSlot, NetifTxResponse>,
    table: TxTable<P, S>,
    /// Slots of extra info in flight. They have no id; the backend answers each with [`RSP_NULL`].
    extras: u32,
    /// What the slots in flight keep.
    kept: u32,
    /// An event was asked for, and has not come as far as we know.
    armed: bool,
    counters: RingCounters,
    violation: Option<Violation>,
}

/// What one [`TxQueue::reap`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Responses consumed.
    pub slots: u32,
    /// Those that say that the backend threw the data away.
    pub dropped: u32,
}

/// A packet was not put into the ring: there is no room, or its bytes could not be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPushed;

impl<P, S: DerefMut<Target = [Entry<P>]>> TxQueue<P, S> {
    /// Makes an empty ring in `memory`, a page that the backend does not have yet, with [`RING_SLOTS`] `entries`.
    ///
    /// # Errors
    /// [`BadRingMemory`] if either has another size.
    pub fn new(memory: &SharedMemory, entries: S) -> Result<Self, BadRingMemory> {
        let ring = FrontRing::new(memory)?;
        if ring.capacity() as usize != RING_SLOTS || entries.len() != RING_SLOTS {
            return Err(BadRingMemory);
        }
        Ok(Self {
            ring,
            table: TxTable::new(entries),
            extras: 0,
            kept: 0,
            armed: false,
            counters: RingCounters::default(),
            violation: None,
        })
    }

    /// Whether any packet fits.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.ring.free_requests() >= PACKET_ROOM
    }

    /// Whether there is so much room that a stopped stack may go on.
    #[inline]
    #[must_use]
    pub fn may_wake(&self) -> bool {
        self.ring.free_requests() >= WAKE_ROOM
    }

    /// Slots in flight.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        u32::from(self.table.in_flight()).wrapping_add(self.extras)
    }

    /// The counts so far.
    #[must_use]
    pub const fn counters(&self) -> RingCounters {
        self.counters
    }

    /// Puts a packet into the ring; the backend sees it after [`show`](Self::show). `copy` brings a part of it to the
    /// page of an id and says which grant that page has. Returns the id of the last slot.
    ///
    /// # Errors
    /// [`NotPushed`] if there is no room for all of it or a part could not be copied. Then nothing of it is in the
    /// ring: the backend would take the next packet for the rest of this one.
    #[inline]
    pub fn push(
        &mut self,
        packet: &Packet,
        mut copy: impl FnMut(u16, Part) -> Option<GrantRef>,
    ) -> Result<u16, NotPushed> {
        if self.ring.free_requests() < u32::from(packet.ring_slots()) {
            return Err(NotPushed);
        }
        if packet.slots() > 1 || packet.gso().is_some() {
            return self.push_large(packet, copy);
        }
        let id = self.table.take().ok_or(NotPushed)?;
        let Some(gref) = copy(id, packet.part(0)) else {
            self.table.give_back(id);
            return Err(NotPushed);
        };
        self.push_slot(packet.request(0, id, gref).into());
        Ok(id)
    }

    /// A packet of several slots: all is copied before the first one is filled.
    fn push_large(
        &mut self,
        packet: &Packet,
        mut copy: impl FnMut(u16, Part) -> Option<GrantRef>,
    ) -> Result<u16, NotPushed> {
        let mut pages = [(0, GrantRef(0)); PACKET_SLOTS_MAX];
        let slots = usize::from(packet.slots());
        let pages = pages.get_mut(..slots).ok_or(NotPushed)?;
        for (index, page) in (0..).zip(pages.iter_mut()) {
            let id = self.table.take();
            let gref = id.and_then(|id| copy(id, packet.part(index)));
            match id.zip(gref) {
                Some(copied) => *page = copied,
                None => {
                    let taken = pages.iter().take(index.into()).map(|page| page.0);
                    for id in taken.chain(id) {
                        self.table.give_back(id);
                    }
                    return Err(NotPushed);
                }
            }
        }
        let mut last = 0;
        for (index, (id, gref)) in (0..).zip(pages.iter()) {
            self.push_slot(packet.request(index, *id, *gref).into());
            if let (0, Some(gso)) = (index, packet.gso()) {
                self.push_extra(gso);
            }
            last = *id;
        }
        Ok(last)
    }

    #[inline]
    fn push_slot(&mut self, slot: NetifTxSlot) {
        // There is room, as seen before the first slot.
        let _ = self.ring.push_request(&slot);
        self.counters.requests = self.counters.requests.wrapping_add(1);
    }

    /// Writes the slot behind a packet's first one.
    fn push_extra(&mut self, gso: Gso) {
        self.push_slot(gso.extra_info().into());
        self.extras = self.extras.wrapping_add(1);
    }

    /// Has the slot `id`, which [`push`](Self::push) has just filled, keep what the stack waits for. It comes back if the
    /// slot is not in flight or keeps something already.
    ///
    /// # Errors
    /// The payload.
    #[inline]
    pub fn keep(&mut self, id: u16, payload: P) -> Result<(), P> {
        self.table.keep(id, payload)?;
        self.kept = self.kept.wrapping_add(1);
        Ok(())
    }

    /// Takes all that slots keep. The slots stay in flight.
    pub fn let_go(&mut self) -> impl Iterator<Item = P> + '_ {
        self.kept = 0;
        self.table.payloads()
    }

    /// Whether slots keep something.
    #[inline]
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.kept != 0
    }

    /// Gives `each` what was kept when this was called last, and is not answered yet: called at intervals, it bounds how long
    /// anything is kept. The slots stay in flight.
    pub fn let_go_old(&mut self, mut each: impl FnMut(P)) {
        for payload in self.table.old_payloads() {
            self.kept = self.kept.wrapping_sub(1);
            each(payload);
        }
    }

    /// Shows the backend all slots pushed, and asks for an event if the stack waits for one of them and none was asked
    /// for yet.
    ///
    /// # Errors
    /// The [`Violation`] that was found; nothing is shown then.
    #[inline]
    pub fn show(&mut self) -> Result<Notify, Violation> {
        self.trust()?;
        if self.kept != 0 && !self.armed {
            // Not answered yet, for the backend does not see the last one yet: the event is sure to come. (Without a last one
            // it may be too late for an event, and the next one asks.)
            let all = self.ring.in_flight().wrapping_add(self.ring.unpublished());
            self.armed = !self.ring.final_check_for_responses_ahead(all)?;
        }
        Ok(self.ring.push_requests_and_check_notify())
    }

    /// Consumes all responses that are there; `each` gets what they end.
    ///
    /// # Errors
    /// The [`Violation`] that was found, the same ever after. What had been ended before was given to `each`.
    #[inline]
    pub fn reap(&mut self, mut each: impl FnMut(P)) -> Result<Reaped, Violation> {
        let mut reaped = Reaped::default();
        self.trust()?;
        loop {
            let response = match self.ring.next_response() {
                Ok(Some(response)) => response,
                Ok(None) => return Ok(reaped),
                Err(violation) => return Err(self.distrust(violation.into())),
            };
            match self.table.complete(response) {
                Ok((ended, payload)) => {
                    reaped.dropped = reaped
                        .dropped
                        .wrapping_add((ended == Ended::Dropped).into());
                    if let Some(payload) = payload {
                        self.kept = self.kept.wrapping_sub(1);
                        each(payload);
                    }
                }
                // Its id means nothing. There can be no more of these than slots of extra info.
                Err(BadResponse::Status(RSP_NULL)) if self.extras != 0 => {
                    self.extras = self.extras.wrapping_sub(1);
                }
                Err(BadResponse::Id(_)) => return Err(self.distrust(Violation::Id)),
                Err(BadResponse::Status(_)) => return Err(self.distrust(Violation::Status)),
            }
            reaped.slots = reaped.slots.wrapping_add(1);
            self.counters.responses = self.counters.responses.wrapping_add(1);
        }
    }

    /// To be called when the poll is over: asks for an event if somebody waits for responses, be it the stack for the
    /// end of packets or, with `stopped`, for room. True if there are responses to [`reap`](Self::reap) already.
    ///
    /// # Errors
    /// The [`Violation`] that was found.
    #[inline]
    pub fn arm(&mut self, stopped: bool) -> Result<bool, Violation> {
        self.trust()?;
        self.armed = false;
        if self.kept == 0 && !stopped {
            return Ok(false);
        }
        // One event for the first half of what is in flight: while it is handled the backend has the other half.
        let ahead = self.ring.in_flight() / 2;
        match self.ring.final_check_for_responses_ahead(ahead) {
            Ok(there) => {
                self.armed = !there;
                Ok(there)
            }
            Err(violation) => Err(self.distrust(violation.into())),
        }
    }

    fn trust(&self) -> Result<(), Violation> {
        self.violation.map_or(Ok(()), Err)
    }

    /// Ends the trust in the backend: from now on nothing is shown to it or believed, whatever is called fails with
    /// `violation`.
    #[cold]
    fn distrust(&mut self, violation: Violation) -> Violation {
        self.violation = Some(violation);
        violation
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The transmit ring with its ids: what the kernel's half drives.

use core::ops::DerefMut;

use crate::gso::Gso;
use crate::tx::{BadResponse, Ended, Entry, Plan, TxTable};
use crate::{RingCounters, Violation, RING_SLOTS};
use ring::{BadRingMemory, FrontRing, Notify, SharedMemory};
use xen_sys::netif::{NetifTxResponse, NetifTxSlot, NR_SLOTS_MIN, RSP_NULL};
use xen_sys::GrantRef;

/// Slots that must be free before the stack may hand over another packet, whatever it is: its data's and one of extra info.
const PACKET_ROOM: u32 = NR_SLOTS_MIN as u32 + 1;

/// Free slots at which a stopped stack is let go on: not at the first, or it would stop and go for each packet.
const WAKE_ROOM: u32 = 64;

/// A transmit ring whose slots keep a `P` each.
pub struct TxQueue<P, S> {
    ring: FrontRing<NetifTxSlot, NetifTxResponse>,
    table: TxTable<P, S>,
    /// Slots of extra info in flight. They have no id; the backend answers each with [`RSP_NULL`].
    extras: u32,
    /// Slots in flight whose payload the stack waits for.
    waited_for: u32,
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

/// The part of a packet that goes into one slot.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The slot's number within the packet.
    pub index: u16,
    /// Grant of the page.
    pub gref: GrantRef,
    /// First byte within the page.
    pub offset: u16,
    /// Bytes.
    pub len: u16,
}

/// What a slot keeps alive until it is answered.
pub trait Payload {
    /// Whether the stack waits for its end. If not, the slot may stay unanswered for long without harm.
    fn is_waited_for(&self) -> bool;
}

impl<P: Payload, S: DerefMut<Target = [Entry<P>]>> TxQueue<P, S> {
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
            waited_for: 0,
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

    /// The id that the next slot will have; `None` while the ring is full.
    #[inline]
    #[must_use]
    pub fn next_id(&self) -> Option<u16> {
        self.table.next_id()
    }

    /// Slots in flight.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        u32::from(self.table.in_flight()).wrapping_add(self.extras)
    }

    /// What the slots in flight keep alive.
    pub fn payloads(&self) -> impl Iterator<Item = &P> {
        self.table.payloads()
    }

    /// The counts so far.
    #[must_use]
    pub const fn counters(&self) -> RingCounters {
        self.counters
    }

    /// Writes one slot of a packet, and behind its first one the extra info if there is any; the backend sees it after
    /// [`show`](Self::show). The payload comes back when the ring is full, the first slot's also when it has no room for
    /// the whole packet: one that fits in part would run into the next one.
    // Always: it has several callers, and out of line it costs each slot some fifty instructions more.
    #[inline(always)]
    pub fn push(&mut self, plan: &Plan<'_>, part: &Part, payload: P) -> Result<(), P> {
        let first = part.index == 0;
        let needed = if first { plan.ring_slots() } else { 1 };
        if self.ring.free_requests() < u32::from(needed) {
            return Err(payload);
        }
        let waited_for = payload.is_waited_for();
        let id = self.table.insert(payload)?;
        let request = plan.request(part.index, id, part.gref, part.offset, part.len);
        // There is room, as just seen.
        let _ = self.ring.push_request(&request.into());
        self.counters.requests = self.counters.requests.wrapping_add(1);
        if first {
            if let Some(gso) = plan.gso() {
                self.push_extra(gso);
            }
        }
        self.waited_for = self.waited_for.wrapping_add(waited_for.into());
        Ok(())
    }

    /// Writes the slot behind a packet's first one. Not inlined: most packets have none, and few large ones are many small
    /// ones' worth.
    #[cold]
    fn push_extra(&mut self, gso: Gso) {
        // There is room, as seen before the first slot.
        let _ = self.ring.push_request(&gso.extra_info().into());
        self.counters.requests = self.counters.requests.wrapping_add(1);
        self.extras = self.extras.wrapping_add(1);
    }

    /// Shows the backend all slots pushed, and asks for an event if the stack waits for one of them and none was asked
    /// for yet.
    ///
    /// # Errors
    /// The [`Violation`] that was found; nothing is shown then.
    #[inline]
    pub fn show(&mut self) -> Result<Notify, Violation> {
        self.trust()?;
        if self.waited_for != 0 && !self.armed {
            // Not answered yet, for the backend does not see the last one yet: the event is sure to come.
            let all = self.ring.in_flight().wrapping_add(self.ring.unpublished());
            let _ = self.ring.final_check_for_responses_ahead(all)?;
            self.armed = true;
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
                    reaped.slots = reaped.slots.wrapping_add(1);
                    self.counters.responses = self.counters.responses.wrapping_add(1);
                    reaped.dropped = reaped
                        .dropped
                        .wrapping_add((ended == Ended::Dropped).into());
                    let waited_for = payload.is_waited_for();
                    self.waited_for = self.waited_for.wrapping_sub(waited_for.into());
                    each(payload);
                }
                Err(BadResponse::Status(RSP_NULL)) if self.extras != 0 => {
                    // Its id means nothing. There can be no more of these than slots of extra info.
                    self.extras = self.extras.wrapping_sub(1);
                    reaped.slots = reaped.slots.wrapping_add(1);
                    self.counters.responses = self.counters.responses.wrapping_add(1);
                }
                Err(BadResponse::Id(_)) => return Err(self.distrust(Violation::Id)),
                Err(BadResponse::Status(_)) => return Err(self.distrust(Violation::Status)),
            }
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
        if self.waited_for == 0 && !stopped {
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

    /// Everything still in flight, for the end of the ring.
    pub fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        self.waited_for = 0;
        self.extras = 0;
        self.table.drain()
    }

    fn trust(&self) -> Result<(), Violation> {
        self.violation.map_or(Ok(()), Err)
    }

    /// Ends the trust in the backend: from now on nothing is shown to it or believed, whatever is called fails with
    /// `violation`. Also for what the queue's owner finds out.
    #[cold]
    pub fn distrust(&mut self, violation: Violation) -> Violation {
        self.violation = Some(violation);
        violation
    }
}

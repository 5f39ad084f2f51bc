// SPDX-License-Identifier: GPL-2.0-only
//! The receive ring: what the kernel's half drives.

use crate::rx::{Assembler, Frame, Outcome, Why};
use crate::{RingCounters, Violation, RING_SLOTS};
use ring::{BadRingMemory, FrontRing, Notify, SharedMemory};
use xen_sys::netif::{NetifRxRequest, NetifRxSlot};
use xen_sys::GrantRef;

/// What [`RxQueue::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// A frame, and what was made of it.
    Frame(T),
    /// A frame that was thrown away.
    Dropped(Why),
    /// Nothing more for now.
    Nothing,
}

/// A receive ring, each of whose slots has a page of its own.
pub struct RxQueue {
    ring: FrontRing<NetifRxRequest, NetifRxSlot>,
    assembler: Assembler,
    counters: RingCounters,
    violation: Option<Violation>,
}

impl RxQueue {
    /// Makes an empty ring in `memory`, a page that the backend does not have yet.
    ///
    /// # Errors
    /// [`BadRingMemory`] if it has not [`RING_SLOTS`] slots.
    pub fn new(memory: &SharedMemory) -> Result<Self, BadRingMemory> {
        let ring = FrontRing::new(memory)?;
        if ring.capacity() as usize != RING_SLOTS {
            return Err(BadRingMemory);
        }
        Ok(Self {
            ring,
            assembler: Assembler::new(),
            counters: RingCounters::default(),
            violation: None,
        })
    }

    /// The slot of ring index `index`; it is the request's id as well.
    #[inline]
    const fn slot_of(index: u32) -> u16 {
        (index % RING_SLOTS as u32) as u16
    }

    /// Slots that can be offered to the backend.
    #[inline]
    #[must_use]
    pub fn vacant(&self) -> u32 {
        // Those of a frame that is still arriving were answered last, so their turn comes last.
        self.ring
            .free_requests()
            .saturating_sub(self.assembler.held())
    }

    /// The counts so far.
    #[must_use]
    pub const fn counters(&self) -> RingCounters {
        self.counters
    }

    /// Offers the page of each vacant slot to the backend, until `gref` names none; it sees them after [`show`](Self::show).
    #[inline]
    pub fn fill(&mut self, mut gref: impl FnMut(u16) -> Option<GrantRef>) {
        for _ in 0..self.vacant() {
            let id = Self::slot_of(self.ring.request_index());
            let Some(gref) = gref(id) else {
                return;
            };
            // There is room: the slot is vacant.
            let _ = self.ring.push_request(&NetifRxRequest::new(id, gref));
            self.counters.requests = self.counters.requests.wrapping_add(1);
        }
    }

    /// Shows the backend the pages offered.
    #[inline]
    pub fn show(&mut self) -> Notify {
        if self.violation.is_some() {
            return Notify::NotNeeded;
        }
        self.ring.push_requests_and_check_notify()
    }

    /// Goes on with the responses until a frame is complete or bad; `take` copies a complete one out, whose slots are
    /// vacant then.
    ///
    /// # Errors
    /// The [`Violation`] that was found, the same ever after.
    #[inline]
    pub fn receive<T>(&mut self, take: impl FnOnce(&Frame) -> T) -> Result<Received<T>, Violation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        loop {
            let slot = Self::slot_of(self.ring.response_index());
            let response = match self.ring.next_response() {
                Ok(Some(response)) => response,
                Ok(None) => return Ok(Received::Nothing),
                Err(violation) => return Err(self.distrust(violation.into())),
            };
            self.counters.responses = self.counters.responses.wrapping_add(1);
            match self.assembler.accept(slot, response) {
                Ok(Outcome::More) => {}
                Ok(Outcome::Complete) => return Ok(Received::Frame(take(self.assembler.frame()))),
                Ok(Outcome::Dropped(why)) => return Ok(Received::Dropped(why)),
                Err(_) => return Err(self.distrust(Violation::Id)),
            }
        }
    }

    /// To be called when the poll is over: asks for an event. True if there are responses already.
    ///
    /// # Errors
    /// The [`Violation`] that was found.
    #[inline]
    pub fn arm(&mut self) -> Result<bool, Violation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        let there = self.ring.final_check_for_responses();
        there.map_err(|violation| self.distrust(violation.into()))
    }

    /// Ends the trust in the backend: from now on nothing is shown to it or believed, whatever is called fails with
    /// `violation`.
    #[cold]
    fn distrust(&mut self, violation: Violation) -> Violation {
        self.violation = Some(violation);
        violation
    }
}

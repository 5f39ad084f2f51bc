// SPDX-License-Identifier: GPL-2.0-only
//! The receive ring with its pages: what the kernel's half drives.

use core::ops::DerefMut;

use crate::rx::{Assembler, Frame, Outcome, RxTable, Why};
use crate::{RingCounters, Violation, RING_SLOTS};
use ring::{BadRingMemory, FrontRing, Notify, SharedMemory};
use xen_sys::netif::{NetifRxRequest, NetifRxSlot};
use xen_sys::GrantRef;

/// A page that can lie in the ring.
pub trait RxPage {
    /// Its grant, writable for the backend.
    fn gref(&self) -> GrantRef;
}

/// What [`RxQueue::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame: take the pages of [`RxQueue::frame`] now.
    Frame,
    /// A frame that was thrown away; its pages are posted again.
    Dropped(Why),
    /// Nothing more for now.
    Nothing,
}

/// A receive ring of pages.
pub struct RxQueue<P, S> {
    ring: FrontRing<NetifRxRequest, NetifRxSlot>,
    table: RxTable<P, S>,
    assembler: Assembler<P>,
    counters: RingCounters,
    violation: Option<Violation>,
}

impl<P: RxPage, S: DerefMut<Target = [Option<P>]>> RxQueue<P, S> {
    /// Makes an empty ring in `memory`, a page that the backend does not have yet, with [`RING_SLOTS`] `slots`.
    ///
    /// # Errors
    /// [`BadRingMemory`] if either has another size.
    pub fn new(memory: &SharedMemory, slots: S) -> Result<Self, BadRingMemory> {
        let ring = FrontRing::new(memory)?;
        if ring.capacity() as usize != RING_SLOTS || slots.len() != RING_SLOTS {
            return Err(BadRingMemory);
        }
        Ok(Self {
            ring,
            table: RxTable::new(slots),
            assembler: Assembler::new(),
            counters: RingCounters::default(),
            violation: None,
        })
    }

    /// Slots without a page.
    #[inline]
    #[must_use]
    pub fn vacant(&self) -> u32 {
        self.ring.free_requests()
    }

    /// Slots with a page that the backend has not answered, as far as we know.
    #[inline]
    #[must_use]
    pub fn posted(&self) -> u32 {
        self.ring.capacity().saturating_sub(self.vacant())
    }

    /// Pages posted, and those of a frame that has arrived in part.
    #[must_use]
    pub fn pages(&self) -> usize {
        let frame = self.assembler.pages();
        self.table.pages().saturating_add(frame)
    }

    /// The counts so far.
    #[must_use]
    pub const fn counters(&self) -> RingCounters {
        self.counters
    }

    /// Offers a page to the backend, which sees it after [`show`](Self::show). It comes back when no slot is vacant.
    #[inline]
    pub fn post(&mut self, page: P) -> Result<(), P> {
        if self.ring.free_requests() == 0 {
            return Err(page);
        }
        let slot = self.table.slot_of(self.ring.request_index());
        let request = NetifRxRequest::new(slot, page.gref());
        self.table.post(slot, page)?;
        // There is room, as just seen.
        let _ = self.ring.push_request(&request);
        self.counters.requests = self.counters.requests.wrapping_add(1);
        Ok(())
    }

    /// Shows the backend all pages posted.
    #[inline]
    pub fn show(&mut self) -> Notify {
        if self.violation.is_some() {
            return Notify::NotNeeded;
        }
        self.ring.push_requests_and_check_notify()
    }

    /// Consumes responses up to the end of the next frame. Since pages are only posted, not shown, meanwhile, no more
    /// than a ring of responses is consumed between two calls of [`show`](Self::show), whatever the backend does.
    ///
    /// # Errors
    /// The [`Violation`] that was found, the same ever after.
    #[inline]
    pub fn receive(&mut self) -> Result<Received, Violation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        loop {
            let slot = self.table.slot_of(self.ring.response_index());
            let response = match self.ring.next_response() {
                Ok(Some(response)) => response,
                Ok(None) => return Ok(Received::Nothing),
                Err(violation) => return Err(self.distrust(violation.into())),
            };
            self.counters.responses = self.counters.responses.wrapping_add(1);
            // Each slot between the indices has a page, so there is always one; if not, trust nobody.
            let Some(page) = self.table.take(slot) else {
                return Err(self.distrust(Violation::Id));
            };
            let Ok(step) = self.assembler.accept(slot, response, page) else {
                return Err(self.distrust(Violation::Id));
            };
            if let Some(page) = step.repost {
                self.repost(page);
            }
            match step.outcome {
                Outcome::More => {}
                Outcome::Complete => return Ok(Received::Frame),
                Outcome::Dropped(why) => {
                    self.repost_frame();
                    return Ok(Received::Dropped(why));
                }
            }
        }
    }

    /// The frame that [`receive`](Self::receive) found.
    #[inline]
    pub fn frame(&mut self) -> &mut Frame<P> {
        self.assembler.frame()
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

    /// Everything posted or received, for the end of the ring.
    pub fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        let frame = self.assembler.frame().pieces().map(|piece| piece.page);
        frame.chain(self.table.drain())
    }

    #[cold]
    fn repost_frame(&mut self) {
        while let Some(page) = self.assembler.frame().take_last() {
            self.repost(page);
        }
    }

    fn repost(&mut self, page: P) {
        // No slot is vacant if the ring was refilled while the frame was still arriving: then this page is one too many
        // and dropped, which ends its grant.
        drop(self.post(page));
    }

    /// Ends the trust in the backend: from now on nothing is shown to it or believed, whatever is called fails with
    /// `violation`. Also for what the queue's owner finds out.
    #[cold]
    pub fn distrust(&mut self, violation: Violation) -> Violation {
        self.violation = Some(violation);
        violation
    }
}

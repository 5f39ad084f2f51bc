// SPDX-License-Identifier: GPL-2.0-only
//! The backend's half of a ring: it consumes requests and produces responses.
use crate::error::{BadRingMemory, Notify, RingFull, RingViolation};
use crate::index::{distance, passed};
use crate::shared::SharedMemory;
use crate::slots::{Slot, Slots};
use crate::sync::{store_ahead_of_loads, Ordering};

/// The backend's half of a ring of `Req` and `Rsp`: the mirror of [`crate::FrontRing`], for tests and for anything
/// that serves others.
pub struct BackRing<Req, Rsp> {
    shared: Slots<Req, Rsp>,
    /// Requests consumed.
    req_cons: u32,
    /// The frontend's `req_prod` as last loaded and found good.
    req_prod: u32,
    /// Responses written, shown to the frontend or not.
    rsp_prod_pvt: u32,
    /// Responses shown to the frontend.
    rsp_prod: u32,
    violation: Option<RingViolation>,
}

impl<Req: Slot, Rsp: Slot> BackRing<Req, Rsp> {
    /// Joins the ring that a frontend has made in `memory`, behind the responses that are there.
    ///
    /// # Errors
    /// [`BadRingMemory`] if not even one slot fits.
    pub fn attach(memory: &SharedMemory) -> Result<Self, BadRingMemory> {
        let shared = Slots::<Req, Rsp>::new(memory)?;
        let index = shared.rsp_prod.load(Ordering::Acquire);
        Ok(Self {
            shared,
            req_cons: index,
            req_prod: index,
            rsp_prod_pvt: index,
            rsp_prod: index,
            violation: None,
        })
    }

    /// Slots in the ring.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.shared.memory.capacity()
    }

    /// Requests consumed whose responses have not been pushed.
    #[inline]
    pub fn unanswered(&self) -> u32 {
        distance(self.req_cons, self.rsp_prod_pvt)
    }

    /// Copies the next request out, `None` if there is none (yet).
    ///
    /// # Errors
    /// [`RingViolation`] if the frontend claims more requests than there are slots; the same again ever after.
    #[inline]
    pub fn next_request(&mut self) -> Result<Option<Req>, RingViolation> {
        if self.req_cons == self.req_prod && !self.load_req_prod() {
            return self.unless_violated(None);
        }
        let request = self.shared.memory.load_request(self.req_cons);
        self.req_cons = self.req_cons.wrapping_add(1);
        Ok(Some(request))
    }

    /// Asks to be told of the next request, and says whether there is one already.
    ///
    /// # Errors
    /// As [`next_request`](Self::next_request).
    #[inline]
    pub fn final_check_for_requests(&mut self) -> Result<bool, RingViolation> {
        if self.req_cons != self.req_prod {
            return Ok(true);
        }
        store_ahead_of_loads(&self.shared.req_event, self.req_cons.wrapping_add(1));
        if self.load_req_prod() {
            return Ok(true);
        }
        self.unless_violated(false)
    }

    /// Writes a response into the next slot.
    ///
    /// # Errors
    /// [`RingFull`] if every request consumed has been answered, and then nothing is written.
    #[inline]
    pub fn push_response(&mut self, response: &Rsp) -> Result<(), RingFull> {
        if self.unanswered() == 0 {
            return Err(RingFull);
        }
        self.shared
            .memory
            .store_response(self.rsp_prod_pvt, response);
        self.rsp_prod_pvt = self.rsp_prod_pvt.wrapping_add(1);
        Ok(())
    }

    /// Shows all pushed responses to the frontend, and says whether it asked to be told.
    #[inline]
    pub fn push_responses_and_check_notify(&mut self) -> Notify {
        let old = self.rsp_prod;
        let new = self.rsp_prod_pvt;
        if old == new {
            return Notify::NotNeeded;
        }
        self.rsp_prod = new;
        store_ahead_of_loads(&self.shared.rsp_prod, new);
        let event = self.shared.rsp_event.load(Ordering::SeqCst);
        Notify::when(passed(old, new, event))
    }

    /// The violation that this ring has seen, if any.
    pub fn violation(&self) -> Option<RingViolation> {
        self.violation
    }

    /// Loads `req_prod`, once, and takes it over if it can be true. Says whether there are requests; if not, it may
    /// be because of a violation.
    #[inline]
    fn load_req_prod(&mut self) -> bool {
        let req_prod = self.shared.req_prod.load(Ordering::SeqCst);
        if req_prod == self.req_cons {
            return false;
        }
        let room = self.capacity().wrapping_sub(self.unanswered());
        if distance(req_prod, self.req_cons) > room || self.violation.is_some() {
            self.violated_by(req_prod, room);
            return false;
        }
        self.req_prod = req_prod;
        true
    }

    /// The frontend has claimed requests for which there cannot be slots, now or before.
    #[cold]
    fn violated_by(&mut self, req_prod: u32, room: u32) {
        self.violation
            .get_or_insert(RingViolation::RequestProducer {
                req_prod,
                req_cons: self.req_cons,
                room,
            });
    }

    #[inline]
    fn unless_violated<T>(&self, value: T) -> Result<T, RingViolation> {
        match self.violation {
            None => Ok(value),
            Some(violation) => Err(violation),
        }
    }
}

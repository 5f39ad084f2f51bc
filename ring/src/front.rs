// SPDX-License-Identifier: GPL-2.0-only
//! The frontend's half of a ring: it produces requests and consumes responses.
use crate::error::{BadRingMemory, Notify, RingFull, RingViolation};
use crate::index::{distance, passed};
use crate::shared::SharedMemory;
use crate::slots::{Slot, Slots};
use crate::sync::{store_ahead_of_loads, Ordering};

/// The frontend's half of a ring of `Req` and `Rsp`.
///
/// Producing: [`push_request`](Self::push_request) fills slots that the backend does not see yet;
/// [`push_requests_and_check_notify`](Self::push_requests_and_check_notify) shows them all at once.
///
/// Consuming, in the event's handler:
/// ```
/// # use ring::{FrontRing, RingViolation, SharedMemory};
/// # fn complete(_: u32) {}
/// # fn handler(ring: &mut FrontRing<u32, u32>) -> Result<(), RingViolation> {
/// loop {
///     while let Some(response) = ring.next_response()? {
///         complete(response);
///     }
///     if !ring.final_check_for_responses()? {
///         return Ok(());
///     }
/// }
/// # }
/// # handler(&mut FrontRing::new(&SharedMemory::zeroed(4096)).unwrap()).unwrap();
/// ```
///
/// The ring does not know which request a response answers: ids are the device's matter, and backends may answer
/// out of order. It knows that there are never more responses than requests.
pub struct FrontRing<Req, Rsp> {
    shared: Slots<Req, Rsp>,
    /// Requests written, shown to the backend or not.
    req_prod_pvt: u32,
    /// Requests shown to the backend.
    req_prod: u32,
    /// Responses consumed.
    rsp_cons: u32,
    /// The backend's `rsp_prod` as last loaded and found good; at most `req_prod`.
    rsp_prod: u32,
    violation: Option<RingViolation>,
}

impl<Req: Slot, Rsp: Slot> FrontRing<Req, Rsp> {
    /// Makes an empty ring in `memory`, whose every byte is set: the old content is gone.
    ///
    /// The backend must not have the memory yet.
    ///
    /// # Errors
    /// [`BadRingMemory`] if not even one slot fits.
    pub fn new(memory: &SharedMemory) -> Result<Self, BadRingMemory> {
        Self::starting_at(memory, 0)
    }

    /// As [`new`](Self::new), with all indices at `index`: for tests of what happens near the wrap.
    pub fn starting_at(memory: &SharedMemory, index: u32) -> Result<Self, BadRingMemory> {
        let shared = Slots::new(memory)?;
        memory.zero();
        shared.req_prod.store(index, Ordering::Relaxed);
        shared.rsp_prod.store(index, Ordering::Relaxed);
        let event = index.wrapping_add(1);
        shared.req_event.store(event, Ordering::Relaxed);
        shared.rsp_event.store(event, Ordering::Relaxed);
        Ok(Self {
            shared,
            req_prod_pvt: index,
            req_prod: index,
            rsp_cons: index,
            rsp_prod: index,
            violation: None,
        })
    }

    /// Slots in the ring.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.shared.memory.capacity()
    }

    /// Requests that can be pushed now.
    #[inline]
    pub fn free_requests(&self) -> u32 {
        self.capacity()
            .saturating_sub(distance(self.req_prod_pvt, self.rsp_cons))
    }

    /// Requests that the backend may answer: shown, and their responses not consumed.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        distance(self.req_prod, self.rsp_cons)
    }

    /// Requests pushed that the backend does not see yet.
    #[inline]
    pub fn unpublished(&self) -> u32 {
        distance(self.req_prod_pvt, self.req_prod)
    }

    /// Free-running count of requests pushed: the index that the next one gets.
    #[inline]
    pub fn request_index(&self) -> u32 {
        self.req_prod_pvt
    }

    /// Free-running count of responses consumed: the index of the next one.
    #[inline]
    pub fn response_index(&self) -> u32 {
        self.rsp_cons
    }

    /// Writes a request into the next slot.
    ///
    /// # Errors
    /// [`RingFull`], and then nothing is written.
    #[inline]
    pub fn push_request(&mut self, request: &Req) -> Result<(), RingFull> {
        if distance(self.req_prod_pvt, self.rsp_cons) >= self.capacity() {
            return Err(RingFull);
        }
        self.shared.memory.store_request(self.req_prod_pvt, request);
        self.req_prod_pvt = self.req_prod_pvt.wrapping_add(1);
        Ok(())
    }

    /// Shows all pushed requests to the backend, and says whether it asked to be told.
    #[inline]
    pub fn push_requests_and_check_notify(&mut self) -> Notify {
        let old = self.req_prod;
        let new = self.req_prod_pvt;
        if old == new {
            return Notify::NotNeeded;
        }
        self.req_prod = new;
        // The slots before the index, and the index before the look at what the backend asks: it sets req_event, then
        // looks at the index again.
        store_ahead_of_loads(&self.shared.req_prod, new);
        let event = self.shared.req_event.load(Ordering::SeqCst);
        Notify::when(passed(old, new, event))
    }

    /// Copies the next response out, `None` if there is none (yet).
    ///
    /// # Errors
    /// [`RingViolation`] if the backend claims more responses than there are requests; the same again ever after.
    #[inline]
    pub fn next_response(&mut self) -> Result<Option<Rsp>, RingViolation> {
        if self.rsp_cons == self.rsp_prod && !self.load_rsp_prod() {
            return self.unless_violated(None);
        }
        let response = self.shared.memory.load_response(self.rsp_cons);
        self.rsp_cons = self.rsp_cons.wrapping_add(1);
        Ok(Some(response))
    }

    /// Asks to be told of the next response, and says whether there is one already: then go on consuming, for the
    /// backend may not have seen the wish.
    ///
    /// # Errors
    /// As [`next_response`](Self::next_response).
    #[inline]
    pub fn final_check_for_responses(&mut self) -> Result<bool, RingViolation> {
        if self.rsp_cons != self.rsp_prod || self.ask_and_look_again(1) {
            return Ok(true);
        }
        self.unless_violated(false)
    }

    /// Asks to be told only when `ahead` more responses are there (at least one), and says whether they are already:
    /// then consume them, for the backend may not have seen the wish.
    ///
    /// For a ring whose responses can wait, such as those that only say that something was sent: one event for many.
    /// More than [`in_flight`](Self::in_flight) counts requests that are yet to be shown.
    ///
    /// # Errors
    /// As [`next_response`](Self::next_response).
    #[inline]
    pub fn final_check_for_responses_ahead(&mut self, ahead: u32) -> Result<bool, RingViolation> {
        let ahead = ahead.max(1);
        self.ask_and_look_again(ahead);
        self.unless_violated(distance(self.rsp_prod, self.rsp_cons) >= ahead)
    }

    /// The violation that this ring has seen, if any.
    pub fn violation(&self) -> Option<RingViolation> {
        self.violation
    }

    /// Asks to be told when `ahead` more responses are there, and says whether there are any already.
    #[inline]
    fn ask_and_look_again(&mut self, ahead: u32) -> bool {
        let event = self.rsp_cons.wrapping_add(ahead);
        if self.in_flight() == 0 {
            // No response can come before a request is shown, and who sees that request sees this wish.
            self.shared.rsp_event.store(event, Ordering::Relaxed);
            return false;
        }
        // The wish before the second look: the backend moves the index, then looks at the wish.
        store_ahead_of_loads(&self.shared.rsp_event, event);
        self.load_rsp_prod()
    }

    /// Loads `rsp_prod`, once, and takes it over if it can be true. Says whether there are responses; if not, it may
    /// be because of a violation.
    #[inline]
    fn load_rsp_prod(&mut self) -> bool {
        // The index before the slots, and after the wish that `ask_and_look_again` has left.
        let rsp_prod = self.shared.rsp_prod.load(Ordering::SeqCst);
        if rsp_prod == self.rsp_cons {
            return false;
        }
        if distance(rsp_prod, self.rsp_cons) > self.in_flight() || self.violation.is_some() {
            self.violated_by(rsp_prod);
            return false;
        }
        self.rsp_prod = rsp_prod;
        true
    }

    /// The backend has claimed responses that cannot be, now or before.
    #[cold]
    fn violated_by(&mut self, rsp_prod: u32) {
        // Responses that were there before are not believed any more either.
        self.rsp_prod = self.rsp_cons;
        self.violation
            .get_or_insert(RingViolation::ResponseProducer {
                rsp_prod,
                rsp_cons: self.rsp_cons,
                in_flight: self.in_flight(),
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

// SPDX-License-Identifier: GPL-2.0-only
//! One ring to the backend and the private table of what is in flight on it.

use core::fmt;
use core::marker::PhantomData;
use core::ops::DerefMut;

use ring::{FrontRing, Notify, RingViolation};
use xen_sys::blkif::{
    BlkifIndirectRequest, BlkifRequest, BlkifResponse, BlkifRwRequest, BlkifSegment,
    OP_FLUSH_DISKCACHE, OP_READ, OP_WRITE, OP_WRITE_BARRIER, RSP_EOPNOTSUPP, RSP_OKAY,
    SECTORS_PER_PAGE,
};
use xen_sys::{GrantRef, PAGE_SIZE};

use crate::segments::{fill_direct, IndirectPage, MAX_DIRECT_BYTES};

/// Which way the data of a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the disk into the granted pages.
    Read,
    /// From the granted pages to the disk.
    Write,
}

/// The operation by which a backend empties its write cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// `feature-flush-cache`.
    Cache,
    /// `feature-barrier`, of old backends and of tapdisk's: a barrier without data does as much as a flush, and keeps
    /// the order of writes besides.
    Barrier,
}

impl Flush {
    const fn operation(self) -> u8 {
        match self {
            Self::Cache => OP_FLUSH_DISKCACHE,
            Self::Barrier => OP_WRITE_BARRIER,
        }
    }
}

/// What the backend answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// The backend does not do this operation.
    Unsupported,
}

/// Something that no honest backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An index of the ring cannot be true.
    Ring(RingViolation),
    /// A response names an id beyond the table.
    IdOutOfRange(u64),
    /// A response names a request that is not in flight: made up, or answered before.
    NotInFlight(u64),
    /// A response says that it answers another operation than was asked.
    WrongOperation {
        /// The request's id.
        id: u64,
        /// The operation that was asked.
        asked: u8,
        /// The operation that the response names.
        answered: u8,
    },
}

impl Violation {
    /// The violation's name, for a log line without numbers.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Ring(violation) => violation.what(),
            Self::IdOutOfRange(_) => "a response has an id beyond the ring",
            Self::NotInFlight(_) => "a response names no request in flight",
            Self::WrongOperation { .. } => "a response has the wrong operation",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ring(violation) => fmt::Display::fmt(&violation, f),
            Self::IdOutOfRange(id) | Self::NotInFlight(id) => {
                write!(f, "{} (id {id})", self.what())
            }
            Self::WrongOperation {
                id,
                asked,
                answered,
            } => {
                write!(
                    f,
                    "{} (id {id}, {answered} instead of {asked})",
                    self.what()
                )
            }
        }
    }
}

/// Counts since the queue was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests put on the ring.
    pub requests: u64,
    /// Of these, such whose segments lie in a page of their own.
    pub indirect_requests: u64,
    /// Pages of data that these requests moved, or will.
    pub pages: u64,
    /// Responses that passed the check.
    pub responses: u64,
    /// Notifications that the backend had to be sent.
    pub notifies_sent: u64,
    /// Events for which there was no response: an earlier event's handler had seen it already, or nobody had reason to
    /// send one.
    pub spurious_events: u64,
    /// Responses that said something else than "done".
    pub errors: u64,
    /// Violations; at most one, since the queue ends with it.
    pub violations: u64,
}

impl Counters {
    /// Requests that needed no notification of their own: batched, or seen by a backend at work.
    pub fn notifies_saved(&self) -> u64 {
        self.requests.saturating_sub(self.notifies_sent)
    }

    /// The counts of both, for a device that has been connected before.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.wrapping_add(other.requests),
            indirect_requests: self.indirect_requests.wrapping_add(other.indirect_requests),
            pages: self.pages.wrapping_add(other.pages),
            responses: self.responses.wrapping_add(other.responses),
            notifies_sent: self.notifies_sent.wrapping_add(other.notifies_sent),
            spurious_events: self.spurious_events.wrapping_add(other.spurious_events),
            errors: self.errors.wrapping_add(other.errors),
            violations: self.violations.wrapping_add(other.violations),
        }
    }
}

/// A place in the shadow table: empty, or a request in flight with the caller's token; and where the segments of a large
/// one go.
#[derive(Debug)]
pub struct Slot<T> {
    in_flight: Option<InFlight<T>>,
    indirect: Option<IndirectPage>,
}

/// What is remembered of a request.
#[derive(Debug)]
struct InFlight<T> {
    /// What the answer must name.
    operation: u8,
    /// Pages of data.
    pages: u16,
    token: T,
}

impl<T> Slot<T> {
    /// A place with nothing in flight, for direct requests.
    pub const EMPTY: Self = Self {
        in_flight: None,
        indirect: None,
    };
}

/// A queue of requests to one backend.
///
/// Each request comes with a token `T` (the block layer's request) that the queue owns until a response to it
/// has passed every check, or until [`take_back`](Self::take_back). So a token comes out exactly once, whatever
/// the backend does. The place in the table is the request's tag, which is the id on the ring too: the block
/// layer hands out tags, no second free list is needed.
///
/// After a [`Violation`] the ring is left alone. Requests are still taken, to be handed back by `take_back` with
/// the ones that the backend never answered.
pub struct Queue<T, S> {
    ring: FrontRing<BlkifRequest, BlkifResponse>,
    slots: S,
    tokens: PhantomData<T>,
    handle: u16,
    flush: Flush,
    broken: bool,
    counters: Counters,
}

impl<T, S: DerefMut<Target = [Slot<T>]>> Queue<T, S> {
    /// A queue on a fresh ring. `slots` must have a place for each slot of the ring; `handle` is the device's
    /// number, which goes into every request.
    pub fn new(ring: FrontRing<BlkifRequest, BlkifResponse>, slots: S, handle: u16) -> Self {
        Self {
            ring,
            slots,
            tokens: PhantomData,
            handle,
            flush: Flush::Cache,
            broken: false,
            counters: Counters::default(),
        }
    }

    /// Says how this backend flushes, if not by [`Flush::Cache`].
    pub fn set_flush(&mut self, flush: Flush) {
        self.flush = flush;
    }

    /// Gives the request with this tag a page for its segments, so that it may be larger than [`MAX_DIRECT_BYTES`]. Only
    /// for a backend that takes such requests, which it must know before.
    pub fn set_indirect(&mut self, tag: usize, page: IndirectPage) {
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.indirect = Some(page);
        }
    }

    /// Requests that the ring holds, which is also the range of tags.
    pub fn depth(&self) -> usize {
        self.ring.capacity() as usize
    }

    /// The counts so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Pages of data of the requests in flight.
    pub fn pages_in_flight(&self) -> u64 {
        let in_flight = self.slots.iter().filter_map(|slot| slot.in_flight.as_ref());
        in_flight.fold(0, |sum: u64, one| sum.wrapping_add(one.pages.into()))
    }

    /// Puts a read or write of `bytes` bytes at `sector` (512-byte units) on the ring. The data fills the pages
    /// behind `grefs` without gaps. The backend sees it after the next [`commit`](Self::commit).
    ///
    /// Gives the token back when the request cannot be: a tag beyond the table or in flight already, bytes that are
    /// no whole sectors, or more than the pages hold or than fit a request: [`MAX_DIRECT_BYTES`], or
    /// [`MAX_INDIRECT_SEGMENTS`](crate::MAX_INDIRECT_SEGMENTS) pages if the tag has a page for its segments.
    #[inline]
    pub fn submit(
        &mut self,
        tag: usize,
        direction: Direction,
        sector: u64,
        bytes: usize,
        grefs: &[GrantRef],
        token: T,
    ) -> Result<(), T> {
        let operation = match direction {
            Direction::Read => OP_READ,
            Direction::Write => OP_WRITE,
        };
        match grefs.first() {
            // The most frequent size: without a loop the compiler keeps the request in registers.
            Some(gref) if bytes == PAGE_SIZE => {
                let mut request = BlkifRwRequest::new(operation, self.handle, tag as u64, sector);
                request.segments[0] = BlkifSegment::new(*gref, 0, SECTORS_PER_PAGE - 1);
                request.nr_segments = 1;
                self.push_rw(tag, operation, &request, token)
            }
            _ if bytes <= MAX_DIRECT_BYTES => {
                let request = BlkifRwRequest::new(operation, self.handle, tag as u64, sector);
                self.submit_any(request, bytes, grefs, token)
            }
            _ => {
                let request = BlkifIndirectRequest::new(operation, self.handle, tag as u64, sector);
                self.submit_indirect(request, bytes, grefs, token)
            }
        }
    }

    /// Gives `request` its segments and puts it on the ring.
    #[inline(never)]
    fn submit_any(
        &mut self,
        mut request: BlkifRwRequest,
        bytes: usize,
        grefs: &[GrantRef],
        token: T,
    ) -> Result<(), T> {
        match fill_direct(&mut request, bytes, grefs) {
            true => self.push_rw(request.id as usize, request.operation, &request, token),
            false => Err(token),
        }
    }

    /// Writes the segments of `request` into the page of its tag and puts it on the ring.
    #[inline(never)]
    fn submit_indirect(
        &mut self,
        mut request: BlkifIndirectRequest,
        bytes: usize,
        grefs: &[GrantRef],
        token: T,
    ) -> Result<(), T> {
        let (tag, operation) = (request.id as usize, request.indirect_op);
        // While a request is in flight the backend may be reading its page.
        let Some(Slot {
            in_flight: None,
            indirect: Some(page),
        }) = self.slots.get(tag)
        else {
            return Err(token);
        };
        if !self.broken && !page.fill(&mut request, bytes, grefs) {
            return Err(token);
        }
        let pages = request.nr_segments;
        self.push(tag, operation, || request.into(), pages, token)?;
        let indirect = u64::from(!self.broken);
        self.counters.indirect_requests = self.counters.indirect_requests.wrapping_add(indirect);
        Ok(())
    }

    /// Puts a flush of the backend's write cache on the ring. Gives the token back for a tag beyond the table or
    /// in flight already.
    #[inline(never)]
    pub fn submit_flush(&mut self, tag: usize, token: T) -> Result<(), T> {
        let operation = self.flush.operation();
        let request = BlkifRwRequest::new(operation, self.handle, tag as u64, 0);
        self.push_rw(tag, operation, &request, token)
    }

    #[inline]
    fn push_rw(
        &mut self,
        tag: usize,
        operation: u8,
        request: &BlkifRwRequest,
        token: T,
    ) -> Result<(), T> {
        let pages = u16::from(request.nr_segments);
        self.push(tag, operation, || (*request).into(), pages, token)
    }

    /// Claims the tag's place for the request and puts it on the ring, unless that is broken. The answer must name
    /// `operation`, which for an indirect request is the one behind it, as with xen-blkback.
    #[inline]
    fn push(
        &mut self,
        tag: usize,
        operation: u8,
        request: impl FnOnce() -> BlkifRequest,
        pages: u16,
        token: T,
    ) -> Result<(), T> {
        let Some(
            slot @ Slot {
                in_flight: None, ..
            },
        ) = self.slots.get_mut(tag)
        else {
            return Err(token);
        };
        if !self.broken {
            if self.ring.push_request(&request()).is_err() {
                return Err(token);
            }
            self.counters.requests = self.counters.requests.wrapping_add(1);
            self.counters.pages = self.counters.pages.wrapping_add(pages.into());
        }
        slot.in_flight = Some(InFlight {
            operation,
            pages,
            token,
        });
        Ok(())
    }

    /// Shows the backend everything submitted so far.
    #[inline]
    pub fn commit(&mut self) -> Notify {
        if self.broken {
            return Notify::NotNeeded;
        }
        let notify = self.ring.push_requests_and_check_notify();
        if notify.is_needed() {
            self.counters.notifies_sent = self.counters.notifies_sent.wrapping_add(1);
        }
        notify
    }

    /// Takes every response that is there, checks it and hands its token to `each`. To be called for each event.
    ///
    /// It ends, whatever the backend writes meanwhile: each turn takes a response, each response uses up a token, and
    /// there are no more tokens than the ring has slots. With an error the queue is broken from here on.
    #[inline]
    pub fn collect(&mut self, mut each: impl FnMut(T, Outcome)) -> Result<(), Violation> {
        if self.broken {
            return Ok(());
        }
        let before = self.counters.responses;
        let result = self.collect_checked(&mut each);
        if result.is_err() {
            self.give_up();
        } else if self.counters.responses == before {
            self.counters.spurious_events = self.counters.spurious_events.wrapping_add(1);
        }
        result
    }

    #[inline]
    fn collect_checked(&mut self, each: &mut impl FnMut(T, Outcome)) -> Result<(), Violation> {
        loop {
            while let Some(response) = self.ring.next_response().map_err(Violation::Ring)? {
                let token = self.claim(&response)?;
                each(token, self.outcome(response.status));
            }
            if !self
                .ring
                .final_check_for_responses()
                .map_err(Violation::Ring)?
            {
                return Ok(());
            }
        }
    }

    /// The token of the request that `response` answers. A response that fails a check leaves the table as it is.
    #[inline]
    fn claim(&mut self, response: &BlkifResponse) -> Result<T, Violation> {
        let id = response.id;
        let index = usize::try_from(id).map_err(|_| Violation::IdOutOfRange(id))?;
        let slot = self
            .slots
            .get_mut(index)
            .ok_or(Violation::IdOutOfRange(id))?;
        match slot.in_flight.take() {
            Some(InFlight {
                operation, token, ..
            }) if operation == response.operation => Ok(token),
            Some(other) => {
                let asked = other.operation;
                slot.in_flight = Some(other);
                Err(Violation::WrongOperation {
                    id,
                    asked,
                    answered: response.operation,
                })
            }
            None => Err(Violation::NotInFlight(id)),
        }
    }

    #[inline]
    fn outcome(&mut self, status: i16) -> Outcome {
        self.counters.responses = self.counters.responses.wrapping_add(1);
        let outcome = match status {
            RSP_OKAY => return Outcome::Done,
            RSP_EOPNOTSUPP => Outcome::Unsupported,
            _ => Outcome::Failed,
        };
        self.counters.errors = self.counters.errors.wrapping_add(1);
        outcome
    }

    /// Ends the use of the ring because of what the backend did elsewhere. False when it was over before.
    pub fn give_up(&mut self) -> bool {
        let first = !self.broken;
        self.broken = true;
        self.counters.violations = self.counters.violations.wrapping_add(first.into());
        first
    }

    /// Hands every unanswered request's token to `each`; for a ring that is going away.
    pub fn take_back(&mut self, mut each: impl FnMut(T)) {
        self.broken = true;
        for slot in self.slots.iter_mut() {
            if let Some(request) = slot.in_flight.take() {
                each(request.token);
            }
        }
    }
}

#[cfg(test)]
#[path = "queue_tests/mod.rs"]
mod tests;

// SPDX-License-Identifier: GPL-2.0-only
//! A hardware queue of the block layer: the hot path.
//!
//! A request goes down through [`Operations::queue_rq`]: its data is copied into the pages of its tag, it takes a slot
//! of the ring under the lock, and the backend is notified when the batch ends. It comes back in the interrupt handler
//! ([`EventHandler::handle`]): the answer is checked under the lock, the data is copied out without it, perhaps on
//! another CPU.
//!
//! What is used without the lock hangs in two [`Gate`]s, and this is the protocol of both, carried out by
//! [`Queue::open`] and [`Queue::close`]:
//! * The channel is used by `queue_rq` and `commit_rqs`, which the block layer does not call while the disk is quiesced.
//! * The pool is used by those and by [`Operations::finish`], which is called only for requests that were answered, and
//!   by nobody once the channel is gone (so that no handler runs) and the block layer has waited for completions.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernel::{prelude::*, sync::Arc};
use linux_block::{
    CompletedList, Counter, Disk, Finished, IrqLock, Op, Operations, Request, Status,
};
use ring::Notify;
use vbd_core::{Counters, Direction, Outcome, Slot, MAX_DIRECT_BYTES};
use xen_bus::DeviceRef;
use xen_events::{EventChannel, EventHandler, Handled};

use crate::{
    gate::Gate,
    params,
    pool::{Pool, StillMapped},
    ring_page::{Published, Ring},
};

/// The ring and its shadow table, with the block layer's requests as tokens.
pub(crate) type Core = vbd_core::Queue<Request, KVec<Slot<Request>>>;

/// What the lock guards.
struct Locked {
    /// None while the disk has no backend. Requests come then only if it will have none again.
    ring: Option<Ring>,
    /// See [`Pool::persistent_pages`].
    persistent_pages: Option<u64>,
    /// Counters of earlier connections.
    past: Counters,
    /// Those of their pages that were persistent ones.
    past_hits: u64,
}

impl Locked {
    fn counters(&self) -> Counters {
        match &self.ring {
            Some(ring) => self.past.plus(&ring.core.counters()),
            None => self.past,
        }
    }

    fn persistent_hits(&self) -> u64 {
        match (&self.ring, self.persistent_pages) {
            (Some(ring), Some(_)) => self.past_hits.wrapping_add(ring.core.counters().pages),
            _ => self.past_hits,
        }
    }

    /// The ring's pages, and all of the pool or the pages of what is in flight.
    fn grants_in_use(&self) -> u64 {
        let Some(ring) = &self.ring else {
            return 0;
        };
        let in_flight = || ring.core.pages_in_flight();
        let data = self.persistent_pages.unwrap_or_else(in_flight);
        data.wrapping_add(ring.pages())
    }

    /// Ends the connection's part of the lock.
    fn take_ring(&mut self) -> Option<Ring> {
        (self.past, self.past_hits) = (self.counters(), self.persistent_hits());
        self.ring.take()
    }
}

/// A hardware queue.
#[pin_data]
pub(crate) struct Queue {
    #[pin]
    locked: IrqLock<Locked>,
    channel: Gate<EventChannel>,
    pool: Gate<Pool>,
    device: DeviceRef,
    flush_refused: AtomicBool,
    /// Requests of which a part was left for another one.
    partial: AtomicU64,
    /// Pages that the backend kept.
    deferred: AtomicU64,
}

/// All hardware queues of a disk.
pub(crate) struct Queues(KVec<Arc<Queue>>);

impl Queues {
    /// Closed queues, `count` of them.
    pub(crate) fn new(device: &DeviceRef, count: usize) -> Result<Self> {
        let mut queues = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            queues.push(Arc::pin_init(Queue::new(device), GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self(queues))
    }

    /// The queues.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.0.iter()
    }
}

impl Queue {
    fn new(device: &DeviceRef) -> impl PinInit<Self, Error> {
        let device = device.clone();
        try_pin_init!(Self {
            locked <- IrqLock::new(
                Locked { ring: None, persistent_pages: None, past: Counters::default(), past_hits: 0 },
                c"xen_vbd queue",
                kernel::static_lock_class!(),
            ),
            channel: Gate::new(),
            pool: Gate::new(),
            device,
            flush_refused: AtomicBool::new(false),
            partial: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
        })
    }

    /// Puts a connection in place.
    ///
    /// # Safety
    /// The disk must be quiesced, or not made yet, and the queue closed. The caller orders: one call of `open` or
    /// [`close`](Self::close) at a time.
    pub(crate) unsafe fn open(&self, published: Published, pool: Pool) {
        let persistent_pages = pool.persistent_pages();
        // SAFETY: quiesced, so there is no reader of the channel; closed, so there is none of the pool. The requests
        // that will read them come after the disk was opened again.
        unsafe {
            self.pool.replace(Some(pool));
            self.channel.replace(Some(published.channel));
        }
        let mut locked = self.locked.lock();
        locked.persistent_pages = persistent_pages;
        locked.ring = Some(published.ring);
    }

    /// Takes the connection away: when this returns the backend has no page that is not on the deferred list, nobody
    /// uses the ring's memory, and every request that was not answered has gone to `each`.
    ///
    /// # Safety
    /// `disk` must be the queue's disk, and quiesced; the caller orders as for [`open`](Self::open).
    pub(crate) unsafe fn close(&self, disk: &Disk<Queues>, each: impl FnMut(Request)) {
        // SAFETY: quiesced, so nobody reads the channel. Dropping it waits for a handler that runs.
        drop(unsafe { self.channel.replace(None) });
        disk.wait_for_completions();
        let ring = self.locked.lock().take_ring();
        if let Some(mut ring) = ring {
            ring.core.take_back(each);
            self.count_deferred(ring.end());
        }
        // SAFETY: no queue_rq while quiesced; no handler, so no new completion; and those before were waited for.
        let pool = unsafe { self.pool.replace(None) };
        self.count_deferred(pool.map_or(0, Pool::end));
        self.flush_refused.store(false, Ordering::Relaxed);
    }

    /// The pool, as the block layer's calls see it.
    #[inline]
    fn pool(&self) -> Option<&Pool> {
        // SAFETY: called by queue_rq and finish only, which do not run when the pool is replaced (see above).
        unsafe { self.pool.get() }
    }

    /// Starts a request. Gives it back when it cannot be.
    #[inline]
    fn start(&self, mut request: Request, last: bool) -> (Result<(), Request>, Notify) {
        let op = request.op();
        let direction = match op {
            Op::Read => Some(Direction::Read),
            Op::Write => Some(Direction::Write),
            Op::Flush => None,
            Op::Other => return (Err(request), Notify::NotNeeded),
        };
        let Some(pool) = self.pool() else {
            return (Err(request), Notify::NotNeeded);
        };
        // Pages that are lost make the ring broken, so that the request waits there for the new connection.
        let bytes = match direction {
            Some(_) => pool.prepare(&mut request),
            None => 0,
        };
        let (tag, sector) = (request.tag(), request.sector());
        let mut locked = self.locked.lock();
        if bytes > MAX_DIRECT_BYTES {
            // It may have got some for this request.
            locked.persistent_pages = pool.persistent_pages();
        }
        let Some(Ring { core, .. }) = &mut locked.ring else {
            return (Err(request), Notify::NotNeeded);
        };
        let result = match direction {
            Some(direction) => {
                // SAFETY: the request has the tag. It goes into the ring, and nobody takes it out there as long as the
                // lock is held; the references are used until `submit` returns.
                let grefs = unsafe { pool.grefs(tag) };
                core.submit(tag, direction, sector, bytes, grefs, request)
            }
            None => core.submit_flush(tag, request),
        };
        (
            result,
            if last {
                core.commit()
            } else {
                Notify::NotNeeded
            },
        )
    }

    /// Sends the event if that is needed.
    #[inline]
    fn notify(&self, notify: Notify) {
        if notify.is_needed() {
            // SAFETY: called by queue_rq and commit_rqs only, which do not run when the channel is replaced.
            if let Some(channel) = unsafe { self.channel.get() } {
                channel.notify();
            }
        }
    }

    #[cold]
    fn count_deferred(&self, pages: u64) {
        self.deferred.fetch_add(pages, Ordering::Relaxed);
    }

    /// Takes the request's pages back, see [`Pool::finish`].
    #[inline]
    fn finish_pages(
        &self,
        pool: &Pool,
        request: &mut Request,
        done: bool,
    ) -> Result<usize, StillMapped> {
        let result = pool.finish(request, done);
        if let Err(StillMapped(pages)) = result {
            self.count_deferred(pages);
        }
        result
    }

    /// Ends the use of the ring, once, and asks the bus for a new connection.
    #[cold]
    fn give_up(&self, why: &'static str) {
        let first = match &mut self.locked.lock().ring {
            Some(ring) => ring.core.give_up(),
            None => false,
        };
        if first {
            self.device.report_violation(why);
        }
    }

    /// The backend takes, or there are pages for, less than the request asks.
    #[cold]
    fn finish_part(&self, bytes: usize) -> Finished {
        self.partial.fetch_add(1, Ordering::Relaxed);
        Finished::Part(bytes as u32)
    }

    #[cold]
    fn note_refused_flush(&self) {
        if !self.flush_refused.swap(true, Ordering::Relaxed) {
            pr_warn!(
                "{}: the backend offered to flush its cache, but does not do it\n",
                self.device.name()
            );
        }
    }

    /// Ends a request that cannot be started.
    #[cold]
    fn refuse(&self, mut request: Request, last: bool) {
        if last {
            Queues::commit_rqs(self);
        }
        if let Some(pool) = self.pool() {
            let _ = self.finish_pages(pool, &mut request, false);
        }
        request.end(Status::IoError);
    }

    /// The block layer's word for the backend's answer to a request.
    #[inline]
    fn status(&self, request: &Request, outcome: Outcome) -> Status {
        match (outcome, request.op()) {
            (Outcome::Done, _) => Status::Ok,
            (Outcome::Unsupported, Op::Flush) => {
                self.note_refused_flush();
                Status::Ok
            }
            (Outcome::Unsupported, _) => Status::NotSupported,
            (Outcome::Failed, _) => Status::IoError,
        }
    }
}

impl EventHandler for Queue {
    fn handle(&self) -> Handled {
        let mut handled = Handled::Spurious;
        let mut completed = CompletedList::<Queues>::default();
        let result = match &mut self.locked.lock().ring {
            Some(ring) => ring.core.collect(|request, outcome| {
                handled = Handled::Work;
                let status = self.status(&request, outcome);
                completed.push(request, status);
            }),
            None => Ok(()),
        };
        completed.complete();
        if let Err(violation) = result {
            self.device.report_violation(violation.what());
        }
        handled
    }
}

impl Operations for Queues {
    type Queue = Queue;

    fn queue(&self, index: usize) -> Option<&Queue> {
        self.0.get(index).map(|queue| &**queue)
    }

    fn queue_rq(queue: &Queue, request: Request, last: bool) {
        let (result, notify) = queue.start(request, last);
        queue.notify(notify);
        if let Err(request) = result {
            queue.refuse(request, last);
        }
    }

    fn commit_rqs(queue: &Queue) {
        let notify = match &mut queue.locked.lock().ring {
            Some(ring) => ring.core.commit(),
            None => Notify::NotNeeded,
        };
        queue.notify(notify);
    }

    fn finish(queue: &Queue, request: &mut Request, status: Status) -> Finished {
        if request.op() == Op::Flush {
            return Finished::All(status);
        }
        let Some(pool) = queue.pool() else {
            return Finished::All(Status::IoError);
        };
        match queue.finish_pages(pool, request, status == Status::Ok) {
            Ok(bytes) if bytes == request.len() => Finished::All(status),
            Ok(_) if status != Status::Ok => Finished::All(status),
            Ok(0) => Finished::All(Status::IoError),
            Ok(bytes) => queue.finish_part(bytes),
            Err(_) => {
                queue.give_up("a page is still mapped after the answer");
                Finished::All(Status::IoError)
            }
        }
    }

    fn timed_out(queue: &Queue) {
        // Without a time-out of ours the block layer has one of its own, which says nothing about the backend.
        if params::timeout_ms() != 0 {
            queue.give_up("no answer within the time-out");
        }
    }

    fn counter(queue: &Queue, counter: Counter) -> u64 {
        let locked = queue.locked.lock();
        let counters = locked.counters();
        match counter {
            Counter::Requests => counters.requests,
            Counter::IndirectRequests => counters.indirect_requests,
            Counter::PartialRequests => queue.partial.load(Ordering::Relaxed),
            Counter::Responses => counters.responses,
            Counter::NotifiesSent => counters.notifies_sent,
            Counter::NotifiesSaved => counters.notifies_saved(),
            Counter::SpuriousEvents => counters.spurious_events,
            Counter::Errors => counters.errors,
            Counter::Violations => counters.violations,
            Counter::PersistentHits => locked.persistent_hits(),
            Counter::PagesGranted => counters.pages.wrapping_sub(locked.persistent_hits()),
            Counter::GrantsInUse => locked.grants_in_use(),
            Counter::DeferredFrees => queue.deferred.load(Ordering::Relaxed),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What a driver does with requests, and the table of C functions made of it (`struct blk_mq_ops`).

use core::{
    ffi::{c_int, c_uint, c_void},
    marker::PhantomData,
    ptr::NonNull,
};
use kernel::{bindings, prelude::*};

use crate::request::{complete_here, Finished, Request, Status};
use crate::Counter;

/// The size of a disk's queues.
#[derive(Clone, Copy, Debug)]
pub struct QueueSetup {
    /// Number of hardware queues.
    pub queues: u32,
    /// Requests in flight in each, which is also the range of [`Request::tag`].
    pub depth: u32,
    /// Time after which [`Operations::timed_out`] is called, in milliseconds; 0 for the block
    /// layer's 30 s.
    pub timeout_ms: u32,
}

/// A driver of disks.
///
/// The calls about a queue carry `Self::Queue`, which the block layer keeps for us, so that no call has
/// to look for it.
pub trait Operations: Send + Sync + Sized + 'static {
    /// The driver's part of one hardware queue.
    type Queue: Send + Sync;

    /// The queue of that number: the same, at the same address, as long as `self` lives.
    fn queue(&self, index: usize) -> Option<&Self::Queue>;

    /// Starts a request. `last` says that no other one follows at once, so that the device is to be
    /// told. Called in any context, never while the disk is quiesced.
    fn queue_rq(queue: &Self::Queue, request: Request, last: bool);

    /// Tells the device of requests that were started with `last` not set.
    fn commit_rqs(queue: &Self::Queue);

    /// Finishes a completed request (data, grants) on the CPU that issued it and says how it ended. Called
    /// in hard or soft interrupt context, or by whoever completes.
    fn finish(queue: &Self::Queue, request: &mut Request, status: Status) -> Finished;

    /// A request of the queue has had no answer for the tag set's time-out; it will be asked again
    /// after the same time. Process context.
    fn timed_out(queue: &Self::Queue);

    /// One of the counters of a queue, for the files in sysfs.
    fn counter(queue: &Self::Queue, counter: Counter) -> u64;
}

/// The C functions for `T`.
pub(crate) struct Table<T>(PhantomData<T>);

impl<T: Operations> Table<T> {
    pub(crate) const OPS: bindings::blk_mq_ops = bindings::blk_mq_ops {
        queue_rq: Some(Self::queue_rq),
        queue_rqs: Some(Self::queue_rqs),
        commit_rqs: Some(Self::commit_rqs),
        complete: Some(Self::complete),
        timeout: Some(Self::timeout),
        init_hctx: Some(Self::init_hctx),
        // SAFETY: every field of the table is an optional function, for which zero is None.
        ..unsafe { core::mem::zeroed() }
    };

    /// # Safety
    /// `hctx` must be a hardware queue that `init_hctx` has seen.
    #[inline]
    unsafe fn queue<'a>(hctx: *mut bindings::blk_mq_hw_ctx) -> &'a T::Queue {
        // SAFETY: `init_hctx` stored a reference to the queue, which lives as long as the tag set; the
        // reference is used inside one call of the block layer only.
        unsafe { &*(*hctx).driver_data.cast::<T::Queue>() }
    }

    unsafe extern "C" fn init_hctx(
        hctx: *mut bindings::blk_mq_hw_ctx,
        data: *mut c_void,
        index: c_uint,
    ) -> c_int {
        // SAFETY: `data` is the tag set's driver_data, which points at the `T` that the disk holds.
        let operations = unsafe { &*data.cast::<T>() };
        let Some(queue) = operations.queue(index as usize) else {
            return EINVAL.to_errno();
        };
        // SAFETY: the block layer lets the driver set this field of the hctx under construction.
        unsafe { (*hctx).driver_data = core::ptr::from_ref(queue).cast_mut().cast() };
        0
    }

    unsafe extern "C" fn queue_rq(
        hctx: *mut bindings::blk_mq_hw_ctx,
        data: *const bindings::blk_mq_queue_data,
    ) -> bindings::blk_status_t {
        // SAFETY: `data` is valid during the call, and hands over a request to be started.
        unsafe { Self::start(hctx, NonNull::new_unchecked((*data).rq), (*data).last) };
        // The request is ours, whatever becomes of it.
        Status::Ok as u8
    }

    /// A whole list of requests at once, from a task that has plugged its I/O.
    unsafe extern "C" fn queue_rqs(list: *mut bindings::rq_list) {
        // SAFETY: the list is valid during the call, and hands over every request that is taken off it.
        unsafe {
            while let Some(rq) = NonNull::new((*list).head) {
                let hctx = (*rq.as_ptr()).mq_hctx;
                let next = (*rq.as_ptr()).__bindgen_anon_1.rq_next;
                (*list).head = next;
                let last = next.is_null() || (*next).mq_hctx != hctx;
                Self::start(hctx, rq, last);
            }
            (*list).tail = core::ptr::null_mut();
        }
    }

    /// Gives a request to the driver.
    ///
    /// # Safety
    /// The block layer must have handed over `rq` to be started on `hctx`.
    #[inline]
    unsafe fn start(
        hctx: *mut bindings::blk_mq_hw_ctx,
        rq: NonNull<bindings::request>,
        last: bool,
    ) {
        // SAFETY: handed over, so it is ours to start; from then on it is in flight and the driver's. An hctx that
        // takes requests has been initialised.
        unsafe {
            bindings::blk_mq_start_request(rq.as_ptr());
            T::queue_rq(Self::queue(hctx), Request::from_raw(rq), last);
        }
    }

    unsafe extern "C" fn commit_rqs(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: an hctx that takes requests has been initialised.
        T::commit_rqs(unsafe { Self::queue(hctx) });
    }

    unsafe extern "C" fn complete(rq: *mut bindings::request) {
        // SAFETY: called once for a request which `CompletedList` gave up for completion elsewhere.
        complete_here::<T>(unsafe { Request::from_raw(NonNull::new_unchecked(rq)) });
    }

    unsafe extern "C" fn timeout(rq: *mut bindings::request) -> bindings::blk_eh_timer_return {
        // SAFETY: the block layer holds a reference to the request during the call, and a request
        // which was started has its hctx.
        T::timed_out(unsafe { Self::queue((*rq).mq_hctx) });
        bindings::blk_eh_timer_return_BLK_EH_RESET_TIMER
    }
}

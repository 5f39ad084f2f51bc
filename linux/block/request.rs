// SPDX-License-Identifier: GPL-2.0-only
//! One request of the block layer, owned (`struct request`).

use core::{
    ffi::c_void,
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr,
    ptr::NonNull,
    sync::atomic::{AtomicU8, Ordering},
};
use kernel::bindings;

use crate::{ffi, Operations};

const PAGE_SIZE: usize = bindings::PAGE_SIZE;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Data from the disk into memory.
    Read,
    /// Data from memory to the disk.
    Write,
    /// Make everything written so far survive a loss of power.
    Flush,
    /// An operation that the disk's limits did not offer.
    Other,
}

/// How a request ended (`blk_status_t`, the `BLK_STS_*` of `include/linux/blk_types.h`).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `BLK_STS_OK`.
    Ok = 0,
    /// `BLK_STS_NOTSUPP`: the device cannot do this.
    NotSupported = 1,
    /// `BLK_STS_IOERR`.
    IoError = 10,
}

/// How far a request has come when the device has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is over.
    All(Status),
    /// So many bytes from its start are done, a whole number of logical blocks. The rest is issued again, as a request of
    /// its own.
    Part(u32),
}

/// The driver's byte behind each request: from the device's answer until [`Operations::finish`] has run,
/// [`ANSWERED`] and the status, else 0, with which the block layer fills it when it makes the request.
type Pdu = AtomicU8;
/// The bit of a request that is answered and not finished.
const ANSWERED: u8 = 0x80;
/// Size for the tag set's `cmd_size`.
pub(crate) const PDU_SIZE: u32 = size_of::<Pdu>() as u32;

/// A started request, owned by the driver.
///
/// Invariant: the pointer is a request in the state `MQ_RQ_IN_FLIGHT` which the block layer gave to this
/// driver and of which there is no other `Request`. Every way out ([`end`](Self::end),
/// [`requeue`](Self::requeue), [`CompletedList`]) consumes it, so nothing is ended twice. One that is
/// dropped ends with an I/O error.
pub struct Request(NonNull<bindings::request>);

// SAFETY: a request belongs to whoever holds it; the block layer lets any CPU end it.
unsafe impl Send for Request {}

impl Request {
    /// # Safety
    /// `rq` must fulfil the invariant of the type.
    #[inline]
    pub(crate) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
        Self(rq)
    }

    #[inline]
    fn into_raw(self) -> NonNull<bindings::request> {
        ManuallyDrop::new(self).0
    }

    #[inline]
    fn raw(&self) -> &bindings::request {
        // SAFETY: by the type's invariant the request is alive, and in flight it is changed by its
        // owner only, in the fields that are read through this reference.
        unsafe { self.0.as_ref() }
    }

    /// What is asked for.
    #[inline]
    pub fn op(&self) -> Op {
        match self.raw().cmd_flags & ((1 << bindings::REQ_OP_BITS) - 1) {
            bindings::req_op_REQ_OP_READ => Op::Read,
            bindings::req_op_REQ_OP_WRITE => Op::Write,
            bindings::req_op_REQ_OP_FLUSH => Op::Flush,
            _ => Op::Other,
        }
    }

    /// The first sector in units of 512 bytes. Meaningless for a flush.
    #[inline]
    pub fn sector(&self) -> u64 {
        self.raw().__sector
    }

    /// Bytes of data (`blk_rq_bytes`).
    #[inline]
    pub fn len(&self) -> usize {
        self.raw().__data_len as usize
    }

    /// True when there is no data, as for a flush.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tag: below the queue's depth, and no other started request of the queue has the same one.
    #[inline]
    pub fn tag(&self) -> usize {
        self.raw().tag as usize
    }

    /// Copies the first `bytes` bytes of a write's data into `pages`, without gaps from the first byte of the first page
    /// on. False, and nothing copied, when the pages have no room for them or the request has less.
    ///
    /// # Safety
    /// Each pointer must be the start of a page of 4096 bytes which is mapped for writing and holds no
    /// Rust object. (That a peer reads or writes it at the same time is allowed.)
    #[inline]
    #[must_use]
    pub unsafe fn copy_to_pages(&self, pages: &[*mut u8], bytes: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { self.copy(pages, bytes, false) }
    }

    /// Copies `bytes` bytes from `pages` into the memory of a read, as [`copy_to_pages`](Self::copy_to_pages) fills them.
    ///
    /// # Safety
    /// As for [`copy_to_pages`](Self::copy_to_pages).
    #[inline]
    #[must_use]
    pub unsafe fn copy_from_pages(&self, pages: &[*mut u8], bytes: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { self.copy(pages, bytes, true) }
    }

    #[inline]
    unsafe fn copy(&self, pages: &[*mut u8], bytes: usize, to_request: bool) -> bool {
        let fits = bytes <= self.len() && bytes <= pages.len().saturating_mul(PAGE_SIZE);
        if fits {
            // SAFETY: the request is ours and has its bios until it ends; the pages are as the caller
            // promises and, as just seen, enough for so many bytes, which the request has.
            unsafe { ffi::xenpv_blk_copy(self.0.as_ptr(), pages.as_ptr(), bytes, to_request) };
        }
        fits
    }

    /// Ends the request here and now, in any context.
    pub fn end(self, status: Status) {
        // SAFETY: the request is in flight and ours, and `into_raw` gives up the ownership.
        unsafe { bindings::blk_mq_end_request(self.into_raw().as_ptr(), status as u8) };
    }

    /// Gives the request back to be issued anew after the next [`Disk::kick`](crate::Disk::kick).
    pub fn requeue(self) {
        // SAFETY: the request is in flight and ours, and `into_raw` gives up the ownership.
        unsafe { bindings::blk_mq_requeue_request(self.into_raw().as_ptr(), false) };
    }

    /// Ends the first `bytes` bytes of the request, less than it has, and gives the rest back to be issued at once. So
    /// what is done is never asked again.
    #[cold]
    fn end_part(self, bytes: u32) {
        let rq = self.into_raw().as_ptr();
        // SAFETY: the request is in flight and ours, and `into_raw` gives up the ownership: to the requeue list, for it
        // is not over when less than all is.
        unsafe {
            bindings::blk_update_request(rq, Status::Ok as u8, bytes);
            bindings::blk_mq_requeue_request(rq, true);
        }
    }

    #[inline]
    fn pdu(&self) -> &Pdu {
        // SAFETY: the tag set was made with PDU_SIZE bytes behind each request for this very use, zeroed, and they are
        // accessed as an atomic only.
        unsafe { self.0.add(1).cast::<Pdu>().as_ref() }
    }

    #[inline]
    fn set_status(&mut self, status: Status) {
        self.pdu().store(ANSWERED | status as u8, Ordering::Relaxed);
    }

    #[inline]
    fn status(&self) -> Status {
        match self.pdu().load(Ordering::Relaxed) & !ANSWERED {
            0 => Status::Ok,
            1 => Status::NotSupported,
            _ => Status::IoError,
        }
    }

    /// For `blk_mq_tagset_busy_iter`: sets a `bool` if `rq` is answered and not finished, and looks no further then.
    ///
    /// # Safety
    /// `rq` must be a started request of this driver to which the caller has a reference, `found` a `bool` that is the
    /// callee's alone.
    pub(crate) unsafe extern "C" fn note_answered(
        rq: *mut bindings::request,
        found: *mut c_void,
    ) -> bool {
        // SAFETY: by this function's contract. Somebody else owns the request; `Self` is not dropped here, and only
        // the atomic behind the request is looked at.
        let request = unsafe { ManuallyDrop::new(Self::from_raw(NonNull::new_unchecked(rq))) };
        // Acquire: what `finish` did was before.
        let answered = request.pdu().load(Ordering::Acquire) & ANSWERED != 0;
        if answered {
            // SAFETY: by this function's contract.
            unsafe { found.cast::<bool>().write(true) };
        }
        !answered
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: the request is in flight and ours, and after drop nobody has it.
        unsafe { bindings::blk_mq_end_request(self.0.as_ptr(), Status::IoError as u8) };
    }
}

/// Requests that the device has answered, waiting for [`complete`](Self::complete).
///
/// A list of links inside the requests: adding allocates nothing, so it can grow under a lock and be
/// completed after it.
pub struct CompletedList<T: Operations> {
    head: *mut bindings::request,
    tail: *mut bindings::request,
    operations: PhantomData<T>,
}

impl<T: Operations> Default for CompletedList<T> {
    /// An empty list.
    #[inline]
    fn default() -> Self {
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            operations: PhantomData,
        }
    }
}

impl<T: Operations> CompletedList<T> {
    /// Adds a request which the device ended with `status`. It must be one of `T`'s.
    #[inline]
    pub fn push(&mut self, mut request: Request, status: Status) {
        request.set_status(status);
        let rq = request.into_raw().as_ptr();
        // SAFETY: the list owns `rq` from here on; `rq_next` is free for the driver's use while a
        // request is in flight. A non-null `tail` is the last request of this list.
        unsafe {
            (*rq).__bindgen_anon_1.rq_next = ptr::null_mut();
            match self.tail.is_null() {
                true => self.head = rq,
                false => (*self.tail).__bindgen_anon_1.rq_next = rq,
            }
        }
        self.tail = rq;
    }

    /// Completes every request: on the CPU that issued it where the block layer wants that, else here, several as
    /// one batch. Call it with no lock held.
    #[inline]
    pub fn complete(self) {
        let list = ManuallyDrop::new(self);
        if list.head != list.tail {
            // SAFETY: the list is forgotten, and its requests with it.
            return unsafe { list.complete_batch() };
        }
        if let Some(rq) = NonNull::new(list.head) {
            // SAFETY: `rq` is the list's only request, and the list gives it up. Once complete it is ended here.
            unsafe {
                if let Some((rq, status)) = Self::complete_one(rq) {
                    bindings::blk_mq_end_request(rq.as_ptr(), status as u8);
                }
            }
        }
    }

    /// Marks a request complete and finishes it, unless the block layer does that on another CPU. What is left is to
    /// end it.
    ///
    /// # Safety
    /// `rq` must be a request that the device has answered, and the caller's alone, who gives it up.
    #[inline]
    unsafe fn complete_one(
        rq: NonNull<bindings::request>,
    ) -> Option<(NonNull<bindings::request>, Status)> {
        // SAFETY: a request in flight is marked complete once, here, since the caller gives it up.
        if unsafe { bindings::blk_mq_complete_request_remote(rq.as_ptr()) } {
            return None;
        }
        // SAFETY: the block layer left the completion to us, so the request is still ours alone.
        let (request, status) = finish::<T>(unsafe { Request::from_raw(rq) })?;
        Some((request.into_raw(), status))
    }

    /// Completes the requests of a list of several.
    ///
    /// # Safety
    /// The caller gives up all of them.
    #[inline(never)]
    unsafe fn complete_batch(&self) {
        // SAFETY: a structure of C, of which all bytes zero are the empty batch (`DEFINE_IO_COMP_BATCH`).
        let mut batch: bindings::io_comp_batch = unsafe { core::mem::zeroed() };
        let mut next = self.head;
        while let Some(rq) = NonNull::new(next) {
            // SAFETY: `rq` is in this list, which owns it.
            next = unsafe { rq.as_ref().__bindgen_anon_1.rq_next };
            // SAFETY: as above, and the list gives `rq` up.
            let Some((rq, status)) = (unsafe { Self::complete_one(rq) }) else {
                continue;
            };
            let failed = status != Status::Ok;
            // SAFETY: `rq` is complete and goes to exactly one of the batch and the end.
            unsafe {
                if !ffi::xenpv_blk_add_to_batch(rq.as_ptr(), &mut batch, failed) {
                    bindings::blk_mq_end_request(rq.as_ptr(), status as u8);
                }
            }
        }
        if !batch.req_list.head.is_null() {
            // SAFETY: the batch holds requests that were completed just now and nobody else has.
            unsafe { bindings::blk_mq_end_request_batch(&mut batch) };
        }
    }
}

impl<T: Operations> Drop for CompletedList<T> {
    fn drop(&mut self) {
        Self {
            head: self.head,
            tail: self.tail,
            operations: PhantomData,
        }
        .complete();
    }
}

/// Lets the driver finish a request: its last touch before the end, which is the caller's unless there is more to do.
#[inline]
fn finish<T: Operations>(mut request: Request) -> Option<(Request, Status)> {
    let status = request.status();
    let mut finished = Finished::All(status);
    // SAFETY: a request in flight has its hardware queue.
    let hctx = unsafe { &*request.raw().mq_hctx };
    // SAFETY: `init_hctx` put the queue there, and queues live as long as the tag set.
    if let Some(queue) = unsafe { hctx.driver_data.cast::<T::Queue>().as_ref() } {
        finished = T::finish(queue, &mut request, status);
    }
    // Release: what was done with the queue is over for who sees this (see `Disk::wait_for_completions`).
    request.pdu().store(0, Ordering::Release);
    match finished {
        Finished::All(status) => Some((request, status)),
        Finished::Part(bytes) if (bytes as usize) < request.len() => {
            request.end_part(bytes);
            None
        }
        Finished::Part(_) => Some((request, Status::Ok)),
    }
}

/// The body of the operation `complete`: the second half on the CPU that issued the request.
pub(crate) fn complete_here<T: Operations>(request: Request) {
    if let Some((request, status)) = finish::<T>(request) {
        request.end(status);
    }
}

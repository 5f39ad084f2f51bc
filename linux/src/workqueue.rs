// SPDX-License-Identifier: GPL-2.0-only
//! A work queue of one's own (`struct workqueue_struct`).

use crate::thread::{Sleep, WaitQueue};
use core::sync::atomic::{AtomicBool, Ordering};
use core::{ops::Deref, ptr::NonNull};
use kernel::{bindings, prelude::*, sync::Arc, workqueue::Queue};

/// A work queue whose items are all over when it is dropped: what a module needs whose items run its own code.
pub struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: the work queue's functions lock for themselves.
unsafe impl Send for WorkQueue {}
// SAFETY: as above.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// A queue of any number of items at a time, for work that may take long.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(name: &'static CStr) -> Result<Self> {
        Self::with(name, bindings::wq_flags_WQ_UNBOUND, 0)
    }

    /// A queue of one item at a time, in their order. It has a thread for when there is no memory for another. Its items may
    /// wait for such of queues without one, as much of the kernel does: hence `__WQ_LEGACY`, which spares a warning.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn ordered(name: &'static CStr) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND
            | bindings::wq_flags___WQ_ORDERED
            | bindings::wq_flags_WQ_MEM_RECLAIM
            | bindings::wq_flags___WQ_LEGACY;
        Self::with(name, flags, 1)
    }

    fn with(name: &'static CStr, flags: bindings::wq_flags, active: i32) -> Result<Self> {
        // SAFETY: the format takes one string, which is given.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), flags, active, name.as_char_ptr())
        };
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }

    /// Waits until what is in an ordered queue now is over, at most `limit` milliseconds. Returns whether it is.
    ///
    /// # Errors
    /// `ENOMEM`, or `ERESTARTSYS` when the caller is being killed.
    pub fn settle(&self, limit: u64) -> Result<bool> {
        let mark = Arc::pin_init(
            pin_init!(Mark {
                reached: AtomicBool::new(false),
                moved <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )?;
        let end = mark.clone();
        self.try_spawn(GFP_KERNEL, move || {
            end.reached.store(true, Ordering::Release);
            end.moved.wake_all();
        })?;
        mark.moved.wait(Sleep::Killable, Some(limit), || {
            mark.reached.load(Ordering::Acquire)
        })
    }
}

/// An item that only says that its turn has come.
#[pin_data]
struct Mark {
    reached: AtomicBool,
    #[pin]
    moved: WaitQueue,
}

impl Deref for WorkQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: the work queue lives as long as `self`.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nobody can queue anything here any more. It waits for what is queued.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A work queue of one's own (`struct workqueue_struct`).

use core::{ops::Deref, ptr::NonNull};
use kernel::{bindings, prelude::*, workqueue::Queue};

/// A work queue whose items are all over when it is dropped: what a module needs whose items run its own code.
pub struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: the work queue's functions lock for themselves.
unsafe impl Send for WorkQueue {}
// SAFETY: as above.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// A queue of any number of items at a time, for work that may take long.
    pub fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: the format takes one string, which is given.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND,
                0,
                name.as_char_ptr(),
            )
        };
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }
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

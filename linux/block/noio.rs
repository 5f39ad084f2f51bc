// SPDX-License-Identifier: GPL-2.0-only
//! Allocating memory for a disk on which the memory's owner may wait (`memalloc_noio_save`).

use core::{ffi::c_uint, marker::PhantomData};

use crate::ffi;

/// As long as this lives, no allocation of the current task starts I/O to make room: the I/O could be for the very disk
/// that the memory is needed for. Guards may be nested, and go in the reverse order.
pub struct NoIo {
    flags: c_uint,
    not_send: PhantomData<*mut ()>,
}

impl NoIo {
    /// Begins the time without I/O.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // SAFETY: sets a flag of the current task, in any context that may sleep.
        let flags = unsafe { ffi::xenpv_blk_noio_save() };
        Self {
            flags,
            not_send: PhantomData,
        }
    }
}

impl Drop for NoIo {
    fn drop(&mut self) {
        // SAFETY: on the same task, since a guard cannot be sent, with what `new` got.
        unsafe { ffi::xenpv_blk_noio_restore(self.flags) };
    }
}

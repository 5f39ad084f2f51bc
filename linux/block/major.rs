// SPDX-License-Identifier: GPL-2.0-only
//! A major number for block devices.

use kernel::{bindings, error::to_result, prelude::*};

/// A registered major number; dropping it gives it back.
pub struct Major {
    number: u32,
    name: &'static CStr,
}

impl Major {
    /// Takes major number `number` under `name` (as in `/proc/devices`). `EBUSY` when another driver has it.
    pub fn register(number: u32, name: &'static CStr) -> Result<Self> {
        // SAFETY: the name lives for ever; no function to call at the first open is given.
        to_result(unsafe { bindings::__register_blkdev(number, name.as_char_ptr(), None) })?;
        Ok(Self { number, name })
    }

    /// The number.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Major {
    fn drop(&mut self) {
        // SAFETY: registered under these by `register`, and every disk with it is gone: they borrow from it.
        unsafe { bindings::unregister_blkdev(self.number, self.name.as_char_ptr()) };
    }
}

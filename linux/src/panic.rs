// SPDX-License-Identifier: GPL-2.0-only
//! A function to be called when the kernel panics.

use kernel::error::to_result;
use kernel::{ffi::c_int, prelude::*};

extern "C" {
    // linux/c/panic.c
    fn xenpv_panic_register(hook: extern "C" fn()) -> c_int;
    fn xenpv_panic_unregister();
}

/// As long as this lives, a function is called when the kernel panics: with interrupts off, after everybody else who
/// wanted to know, and only if there is no crash kernel to take over. There is one such function.
pub struct PanicHook(());

impl PanicHook {
    /// Registers `hook`, which must not sleep or take a lock.
    ///
    /// # Errors
    /// `EEXIST` when there is one.
    pub fn register(hook: extern "C" fn()) -> Result<Self> {
        // SAFETY: The function lives until `drop` takes it away, for the module does not go before. The notifier chain
        // refuses the block when it is registered already, so that `drop` belongs to this registration.
        to_result(unsafe { xenpv_panic_register(hook) })?;
        Ok(Self(()))
    }
}

impl Drop for PanicHook {
    fn drop(&mut self) {
        // SAFETY: This value is the registration. The function is not being called any more afterwards.
        unsafe { xenpv_panic_unregister() };
    }
}

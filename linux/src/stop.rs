// SPDX-License-Identifier: GPL-2.0-only
//! Stopping every CPU but one.

use kernel::types::NotThreadSafe;
use kernel::{error::to_result, ffi, prelude::*};

extern "C" {
    // linux/c/stop.c
    fn xenpv_stop_prepare() -> ffi::c_uint;
    fn xenpv_stop_over(flags: ffi::c_uint);
    fn xenpv_stop_machine(
        run: unsafe extern "C" fn(*mut ffi::c_void),
        data: *mut ffi::c_void,
    ) -> ffi::c_int;
}

/// As long as this lives no CPU comes or goes and nobody else suspends the system, so that the machine can be stopped at
/// any moment, with nobody to wait for who may be waiting for memory.
pub struct Stoppable {
    flags: ffi::c_uint,
    _task: NotThreadSafe,
}

impl Stoppable {
    /// Waits for whoever is at any of that. Sleeps.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // SAFETY: Takes a mutex and counts; the other half is in `drop`.
        let flags = unsafe { xenpv_stop_prepare() };
        Self {
            flags,
            _task: NotThreadSafe,
        }
    }

    /// Runs `f` on the first CPU with interrupts off, while every other CPU waits with interrupts off too and the clock
    /// is held: the time until the end is seen as sleep. Sleeps; `f` must not, and must not allocate or take a lock that
    /// may be held by one who sleeps.
    ///
    /// # Errors
    /// Why it was not run: `ENOMEM`, or what one of the system's devices said.
    pub fn stop_machine<R: Send>(&self, f: impl FnOnce() -> R + Send) -> Result<R> {
        let mut call = Call {
            f: Some(f),
            result: None,
        };
        let run = call.run();
        // SAFETY: `run` is the function for this type of call. It is called before this returns, if at all, perhaps on
        // another thread, which may have both function and result: they are `Send`.
        to_result(unsafe { xenpv_stop_machine(run, (&raw mut call).cast()) })?;
        call.result.ok_or(EIO)
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        // SAFETY: The other half of what `new` did, on the same task, since this cannot be sent.
        unsafe { xenpv_stop_over(self.flags) };
    }
}

/// A function to be called once, and the place for what it returns.
struct Call<F, R> {
    f: Option<F>,
    result: Option<R>,
}

impl<F: FnOnce() -> R, R> Call<F, R> {
    /// The function that runs such a call.
    fn run(&self) -> unsafe extern "C" fn(*mut ffi::c_void) {
        /// # Safety
        ///
        /// `data` points to such a call, which nobody else uses meanwhile.
        unsafe extern "C" fn run<F: FnOnce() -> R, R>(data: *mut ffi::c_void) {
            // SAFETY: By the contract of this function.
            let call = unsafe { &mut *data.cast::<Call<F, R>>() };
            call.result = call.f.take().map(|f| f());
        }
        run::<F, R>
    }
}

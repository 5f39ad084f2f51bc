// SPDX-License-Identifier: GPL-2.0-only
//! Watchdog devices of the kernel (`/dev/watchdogN`).
//!
//! [`Operations`] is what a driver does; [`Device`] owns the device and calls it. Who may stop a watchdog, and what
//! happens when a process goes without, is decided by Linux's watchdog core.
//!
//! C counterpart: `include/linux/watchdog.h`.
#![no_std]
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use core::ptr::NonNull;
use kernel::{
    error::{from_err_ptr, from_result},
    ffi::{c_char, c_int, c_uint, c_void},
    prelude::*,
};

/// `struct xenpv_watchdog`, known to C only.
#[repr(C)]
struct RawWatchdog {
    _opaque: [u8; 0],
}

/// `struct xenpv_watchdog_hooks` in `shim.h`.
#[repr(C)]
struct RawHooks {
    set: unsafe extern "C" fn(*mut c_void, c_uint) -> c_int,
    stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    left: unsafe extern "C" fn(*mut c_void) -> c_uint,
    resume: unsafe extern "C" fn(*mut c_void),
}

extern "C" {
    // shim.c
    fn xenpv_watchdog_register(
        identity: *const c_char,
        timeout: c_uint,
        nowayout: bool,
        hooks: *const RawHooks,
        data: *mut c_void,
    ) -> *mut RawWatchdog;
    fn xenpv_watchdog_unregister(watchdog: *mut RawWatchdog);
}

/// What a watchdog does. In process context, if not said otherwise.
pub trait Operations: Send + Sync + 'static {
    /// Lets the watchdog bark in so many seconds from now, more than none, and starts it if need be.
    ///
    /// # Errors
    /// What the process gets to see.
    fn set(&self, seconds: u32) -> Result;

    /// Stops it.
    ///
    /// # Errors
    /// What the process gets to see; it is then taken to be running.
    fn stop(&self) -> Result;

    /// Whole seconds that are left.
    fn left(&self) -> u32;

    /// The system, or the domain it runs in, goes on after it was suspended. With interrupts off and all other CPUs at
    /// rest, which may be in any of the other functions: must not sleep or take a lock that may be held by one who does.
    fn resume(&self);
}

/// What the user has chosen.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Seconds without a ping; one that is of no use is replaced by 60.
    pub timeout: u32,
    /// Once started it cannot be stopped.
    pub nowayout: bool,
}

/// A watchdog device, shown as long as this lives. Dropping it stops the watchdog.
///
/// # Invariants
///
/// `raw` came from `xenpv_watchdog_register` with the address of what `operations` points to.
pub struct Device<T: Operations> {
    raw: NonNull<RawWatchdog>,
    _operations: KBox<T>,
}

// SAFETY: The device may be unregistered on any thread; the operations are `Send` and `Sync` by `Operations`.
unsafe impl<T: Operations> Send for Device<T> {}
// SAFETY: There is no method that takes a shared reference.
unsafe impl<T: Operations> Sync for Device<T> {}

impl<T: Operations> Device<T> {
    const HOOKS: RawHooks = RawHooks {
        set: Self::set,
        stop: Self::stop,
        left: Self::left,
        resume: Self::resume,
    };

    /// Shows the device. Programs know it by `identity`.
    ///
    /// # Errors
    /// What Linux said.
    pub fn register(
        identity: &'static CStr,
        settings: Settings,
        operations: KBox<T>,
    ) -> Result<Self> {
        let data = core::ptr::from_ref::<T>(&operations).cast_mut().cast();
        // SAFETY: The identity is copied; the hooks are promoted to a static, and the data stays in its box until our
        // drop has unregistered the device.
        let raw = from_err_ptr(unsafe {
            xenpv_watchdog_register(
                identity.as_char_ptr(),
                settings.timeout,
                settings.nowayout,
                &Self::HOOKS,
                data,
            )
        })?;
        // INVARIANT: As just registered.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            _operations: operations,
        })
    }

    /// # Safety
    ///
    /// `data` is the operations' address, as long as the device is registered.
    unsafe extern "C" fn set(data: *mut c_void, seconds: c_uint) -> c_int {
        // SAFETY: As promised.
        let operations = unsafe { &*data.cast::<T>() };
        from_result(|| operations.set(seconds).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for `set`.
    unsafe extern "C" fn stop(data: *mut c_void) -> c_int {
        // SAFETY: As promised.
        let operations = unsafe { &*data.cast::<T>() };
        from_result(|| operations.stop().map(|()| 0))
    }

    /// # Safety
    ///
    /// As for `set`.
    unsafe extern "C" fn left(data: *mut c_void) -> c_uint {
        // SAFETY: As promised.
        unsafe { &*data.cast::<T>() }.left()
    }

    /// # Safety
    ///
    /// As for `set`.
    unsafe extern "C" fn resume(data: *mut c_void) {
        // SAFETY: As promised.
        unsafe { &*data.cast::<T>() }.resume();
    }
}

impl<T: Operations> Drop for Device<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody uses it afterwards.
        unsafe { xenpv_watchdog_unregister(self.raw.as_ptr()) };
    }
}

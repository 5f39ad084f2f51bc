// SPDX-License-Identifier: GPL-2.0-only
//! A clocksource of our own: a counter of nanoseconds from which Linux keeps the time.

use core::marker::PhantomData;
use kernel::{error::to_result, ffi, prelude::*};

/// `struct xenpv_clock_hooks` in `linux/c/xenpv.h`.
#[repr(C)]
struct RawHooks {
    read: unsafe extern "C" fn(ffi::c_uint) -> u64,
    resume: unsafe extern "C" fn(),
}

extern "C" {
    // linux/c/clocksource.c
    fn xenpv_clock_register(
        name: *const ffi::c_char,
        rating: ffi::c_int,
        hooks: *const RawHooks,
    ) -> ffi::c_int;
    fn xenpv_clock_unregister();
    fn xenpv_tsc() -> u64;
}

/// A counter that never stops and never goes back.
pub trait Counter: 'static {
    /// Nanoseconds so far, on CPU `cpu`, which is the current one. Any context, an NMI too, with preemption off.
    fn read(cpu: u32) -> u64;

    /// The system was suspended. The counter may begin anew from a lower number: Linux begins anew with it. One CPU runs,
    /// with local interrupts off.
    fn resume();
}

/// A registered clocksource. One exists at a time. Dropping it makes Linux use another one, and waits until nobody reads
/// this one any more; it sleeps.
pub struct ClockSource<C: Counter> {
    _counter: PhantomData<fn() -> C>,
}

impl<C: Counter> ClockSource<C> {
    const HOOKS: RawHooks = RawHooks {
        read: Self::read,
        resume: Self::resume,
    };

    /// Registers `C` under `name`. Linux uses the clocksource with the highest rating, unless the user has chosen one.
    ///
    /// # Errors
    /// What Linux said.
    pub fn register(name: &'static CStr, rating: i32) -> Result<Self> {
        // SAFETY: The name is static and the hooks are promoted to a static. Their functions have no conditions but those
        // of `Counter`, which the shim keeps.
        to_result(unsafe { xenpv_clock_register(name.as_char_ptr(), rating, &Self::HOOKS) })?;
        Ok(Self {
            _counter: PhantomData,
        })
    }

    unsafe extern "C" fn read(cpu: ffi::c_uint) -> u64 {
        C::read(cpu)
    }

    unsafe extern "C" fn resume() {
        C::resume();
    }
}

impl<C: Counter> Drop for ClockSource<C> {
    fn drop(&mut self) {
        // SAFETY: `register` succeeded, and this value is its only token.
        unsafe { xenpv_clock_unregister() };
    }
}

/// The CPU's time stamp counter, read after every read before it. Any context.
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: The function has no conditions.
    unsafe { xenpv_tsc() }
}

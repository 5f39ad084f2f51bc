// SPDX-License-Identifier: GPL-2.0-only
//! A timer in hard interrupt context, and the clock to go with it.

use core::ptr::NonNull;
use kernel::{bindings, ffi, prelude::*};

/// `struct xenpv_timer` in `linux/c/timer.c`.
#[repr(C)]
struct RawTimer {
    _opaque: [u8; 0],
}

extern "C" {
    // linux/c/timer.c
    fn xenpv_timer_new() -> *mut RawTimer;
    fn xenpv_timer_start(
        timer: *mut RawTimer,
        nanoseconds: u64,
        run: unsafe extern "C" fn(*const ffi::c_void),
        data: *const ffi::c_void,
    );
    fn xenpv_timer_free(timer: *mut RawTimer);
}

/// What a [`HardTimer`] calls.
pub trait Expired: Sync {
    /// The time is over. Hard interrupt context, local interrupts off.
    fn expired(&self);
}

/// A timer that runs on the CPU that starts it. Cancelled on drop, which waits until it does not run any more.
///
/// # Invariants
///
/// `timer` came from `xenpv_timer_new` and belongs to this value.
pub struct HardTimer {
    timer: NonNull<RawTimer>,
}

// SAFETY: The timer belongs to this value and may be cancelled and freed on any thread.
unsafe impl Send for HardTimer {}
// SAFETY: The timer core locks a timer that is started on two CPUs at once. What it will call is then one of the two
// targets, for both of which the contract of `start` holds.
unsafe impl Sync for HardTimer {}

impl HardTimer {
    /// A timer that is not started.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        // SAFETY: The function has no conditions.
        let timer = NonNull::new(unsafe { xenpv_timer_new() }).ok_or(ENOMEM)?;
        // INVARIANT: It is new.
        Ok(Self { timer })
    }

    /// Calls `target` on this CPU in so many nanoseconds. Any context, with preemption off.
    ///
    /// # Safety
    ///
    /// `target` stays where it is until this timer is dropped, and every start of one timer has the same type of target.
    pub unsafe fn start<T: Expired>(&self, nanoseconds: u64, target: &T) {
        unsafe extern "C" fn run<T: Expired>(target: *const ffi::c_void) {
            // SAFETY: By the contract of `start` the target is there as long as the timer may call it.
            unsafe { &*target.cast::<T>() }.expired();
        }
        let target = core::ptr::from_ref(target).cast();
        // SAFETY: By the type invariant the timer is there.
        unsafe { xenpv_timer_start(self.timer.as_ptr(), nanoseconds, run::<T>, target) };
    }
}

impl Drop for HardTimer {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and nobody uses the timer after this.
        unsafe { xenpv_timer_free(self.timer.as_ptr()) };
    }
}

/// Nanoseconds of the monotonic clock. Any context; cheap, and may jump back by little.
#[inline]
pub fn now() -> u64 {
    // SAFETY: The function has no conditions.
    unsafe { bindings::ktime_get_mono_fast_ns() }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A function of the module that runs later, in process context.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{bindings, c_str, container_of, static_lock_class, types::Opaque};

/// A delayed work item in a static: one function, at most once queued, never running on two CPUs at a time.
///
/// The kernel crate's `DelayedWork` lives in an `Arc` and cannot be cancelled; a module must cancel its work before its
/// code goes away.
///
/// # Invariants
///
/// `work` is initialised when `ready` is true.
pub struct DelayedWork {
    work: Opaque<bindings::delayed_work>,
    ready: AtomicBool,
    run: fn(),
}

// SAFETY: The work queue's functions lock the item themselves and may be called from any thread and context.
unsafe impl Sync for DelayedWork {}

impl DelayedWork {
    /// An item that will call `run`. It can be queued after [`Self::start`].
    pub const fn new(run: fn()) -> Self {
        Self {
            work: Opaque::uninit(),
            ready: AtomicBool::new(false),
            run,
        }
    }

    /// Makes the item usable.
    ///
    /// # Safety
    ///
    /// Called once, or again only after [`Self::cancel`]; not at the same time as any other method.
    pub unsafe fn start(&'static self) {
        let work = self.work.get();
        // SAFETY: The item is static and, by the contract of this function, not in use; these are the two halves of
        // what `INIT_DELAYED_WORK` initialises.
        unsafe {
            bindings::init_work_with_key(
                &raw mut (*work).work,
                Some(Self::trampoline),
                false,
                c_str!("xenpv").as_ptr().cast(),
                static_lock_class!().as_ptr(),
            );
            bindings::timer_init_key(
                &raw mut (*work).timer,
                Some(bindings::delayed_work_timer_fn),
                bindings::TIMER_IRQSAFE,
                c_str!("xenpv").as_ptr().cast(),
                static_lock_class!().as_ptr(),
            );
        }
        // INVARIANT: Both halves are initialised.
        self.ready.store(true, Ordering::Release);
    }

    /// Queues the item to run in `milliseconds`; one that is queued already keeps its time. Any context.
    pub fn queue(&'static self, milliseconds: u32) {
        if self.ready.load(Ordering::Acquire) {
            // SAFETY: By the type invariant the item is initialised, it is static, and the system's work queue lives
            // for ever.
            unsafe {
                bindings::queue_delayed_work_on(
                    ANY_CPU,
                    bindings::system_percpu_wq,
                    self.work.get(),
                    jiffies(milliseconds),
                );
            }
        }
    }

    /// Queues the item to run at once, also when it is queued for later. Any context.
    pub fn queue_now(&'static self) {
        if self.ready.load(Ordering::Acquire) {
            // SAFETY: As in `queue`.
            unsafe {
                bindings::mod_delayed_work_on(
                    ANY_CPU,
                    bindings::system_percpu_wq,
                    self.work.get(),
                    0,
                );
            }
        }
    }

    /// Takes the item off the queue and waits until it does not run any more. Sleeps; not from the item itself.
    pub fn cancel(&'static self) {
        if self.ready.swap(false, Ordering::AcqRel) {
            // SAFETY: The item was initialised by the type invariant, and it is static.
            unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
        }
    }

    /// # Safety
    ///
    /// `work` is the first field of the `delayed_work` of a `DelayedWork`.
    unsafe extern "C" fn trampoline(work: *mut bindings::work_struct) {
        // SAFETY: By the contract of this function.
        let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
        // SAFETY: Only `start` registers this function, for the `delayed_work` inside a static `DelayedWork`.
        let this = unsafe { &*container_of!(Opaque::cast_from(delayed), Self, work) };
        (this.run)();
    }
}

/// `WORK_CPU_UNBOUND`: no preference.
const ANY_CPU: i32 = bindings::wq_misc_consts_WORK_CPU_UNBOUND as i32;

/// At least `milliseconds`, in the kernel's ticks.
fn jiffies(milliseconds: u32) -> usize {
    // SAFETY: A pure function of its argument.
    unsafe { bindings::__msecs_to_jiffies(milliseconds) }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Kernel threads that are joined, wait queues with time-outs, and the clock to go with them.
//!
//! The `kernel` crate has no threads, and its `CondVar` cannot be waited on with a time-out and a fatal signal, nor
//! woken from an interrupt without the lock.

use core::ptr::NonNull;
use kernel::error::{code::ERESTARTSYS, from_err_ptr};
use kernel::types::{NotThreadSafe, Opaque};
use kernel::{bindings, ffi, prelude::*, static_lock_class, sync::Arc};

#[expect(
    improper_ctypes,
    reason = "an empty lock class key lies deep inside, and only pointers go across"
)]
extern "C" {
    // linux/c/thread.c
    fn xenpv_wait(
        queue: *mut bindings::wait_queue_head,
        condition: unsafe extern "C" fn(*mut ffi::c_void) -> bool,
        data: *mut ffi::c_void,
        msecs: i64,
        sleep: Sleep,
    ) -> ffi::c_long;
    fn xenpv_thread_create(
        function: unsafe extern "C" fn(*mut ffi::c_void) -> ffi::c_int,
        data: *mut ffi::c_void,
        name: *const ffi::c_char,
    ) -> *mut bindings::task_struct;
    fn xenpv_thread_stop(task: *mut bindings::task_struct);
    fn xenpv_thread_should_stop() -> bool;
    fn xenpv_thread_is_current(task: *const bindings::task_struct) -> bool;
    fn xenpv_noio_save() -> ffi::c_uint;
    fn xenpv_noio_restore(flags: ffi::c_uint);
    fn xenpv_yield();
    fn xenpv_killed() -> bool;
    fn xenpv_monotonic_ms() -> u64;
}

/// Milliseconds of the monotonic clock, which stands still while the machine is suspended.
pub fn now_ms() -> u64 {
    // SAFETY: Reads the clock; any context.
    unsafe { xenpv_monotonic_ms() }
}

/// Lets other threads run if they are due. Process context, no spinlock held.
pub fn yield_if_due() {
    // SAFETY: Allowed wherever one may sleep.
    unsafe { xenpv_yield() }
}

/// Whether the current process is being killed: what it asked for need not be finished.
pub fn is_killed() -> bool {
    // SAFETY: Looks at the current task's signals.
    unsafe { xenpv_killed() }
}

/// How one may be woken from a wait (`enum xenpv_sleep` in `linux/c/xenpv.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Sleep {
    /// By the condition or the time: for kernel threads, which wait without counting as load.
    Idle,
    /// By the condition, the time, or a fatal signal: for threads of user space that wait for a moment.
    Killable,
    /// By the condition, the time, or any signal: for threads of user space that wait for something to happen.
    Interruptible,
}

/// Where threads wait for a condition.
#[pin_data]
pub struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue may be used from any thread; it locks itself.
unsafe impl Send for WaitQueue {}
// SAFETY: As for `Send`.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// A queue on which nobody waits.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            head <- Opaque::ffi_init(|head| {
                // SAFETY: `head` is valid for writes and stays where it is, since the queue is pinned.
                unsafe {
                    bindings::__init_waitqueue_head(
                        head,
                        c"xenpv".as_ptr().cast(),
                        static_lock_class!().as_ptr(),
                    );
                }
            }),
        })
    }

    /// The queue for C to wait on.
    pub(crate) fn as_raw(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }

    /// Wakes all who wait, so that each looks at its condition again. Any context.
    pub fn wake_all(&self) {
        // SAFETY: The queue is initialised; 0 wakes all. TASK_NORMAL has a bit of every sleeper's.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                0,
                core::ptr::null_mut(),
            );
        }
    }

    /// Sleeps until `condition` holds, at most `limit` milliseconds (`None`: without a limit). Returns whether it
    /// holds. `condition` is also called while this thread is on its way to sleep: it must not sleep itself.
    ///
    /// # Errors
    /// `ERESTARTSYS` when a signal ended the wait.
    pub fn wait(
        &self,
        sleep: Sleep,
        limit: Option<u64>,
        mut condition: impl FnMut() -> bool,
    ) -> Result<bool> {
        let msecs = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let mut condition: &mut dyn FnMut() -> bool = &mut condition;
        // SAFETY: The queue is initialised, and `call` takes what it is given here: `condition` outlives the call.
        let woken = unsafe {
            xenpv_wait(
                self.head.get(),
                call,
                (&raw mut condition).cast(),
                msecs,
                sleep,
            )
        };
        match woken {
            ..0 => Err(ERESTARTSYS),
            0 => Ok(false),
            _ => Ok(true),
        }
    }
}

/// # Safety
///
/// `data` points to a `&mut dyn FnMut() -> bool` that nobody else uses during the call.
unsafe extern "C" fn call(data: *mut ffi::c_void) -> bool {
    // SAFETY: By the contract of this function.
    let condition = unsafe { &mut *data.cast::<&mut dyn FnMut() -> bool>() };
    condition()
}

/// As long as this lives, no allocation of the current task, however deep, waits for I/O (`memalloc_noio_save`): the I/O
/// may need the very disk that the memory is for, or that a thread which waits for this one is to bring back. Guards
/// may be nested, and go in the reverse order.
pub struct NoIo {
    flags: ffi::c_uint,
    _task: NotThreadSafe,
}

impl NoIo {
    /// Begins the time without I/O.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // SAFETY: Sets a flag of the current task.
        let flags = unsafe { xenpv_noio_save() };
        Self {
            flags,
            _task: NotThreadSafe,
        }
    }
}

impl Drop for NoIo {
    fn drop(&mut self) {
        // SAFETY: On the same task, since a guard cannot be sent, with what `new` got.
        unsafe { xenpv_noio_restore(self.flags) };
    }
}

/// What a thread does.
pub trait Work: Send + Sync + 'static {
    /// Runs in the thread. Returns soon after [`should_stop`] says so; waits must ask it in their condition.
    fn run(&self);
}

/// Whether the thread that asks, one of [`Thread`]'s, is to end.
pub fn should_stop() -> bool {
    // SAFETY: Only threads made by `Thread` run code that calls this.
    unsafe { xenpv_thread_should_stop() }
}

/// A running kernel thread; dropping it tells it to stop and waits for its end.
///
/// # Invariants
///
/// `task` is a thread made by `xenpv_thread_create` that runs `run::<T>` on what `work` points to, and the reference
/// to it is ours.
pub struct Thread<T: Work> {
    task: NonNull<bindings::task_struct>,
    /// Keeps alive what the thread works on.
    _work: Arc<T>,
}

// SAFETY: The task may be stopped from any thread but itself, and `T` is `Send + Sync`.
unsafe impl<T: Work> Send for Thread<T> {}
// SAFETY: A shared reference only compares the task's address.
unsafe impl<T: Work> Sync for Thread<T> {}

impl<T: Work> Thread<T> {
    /// Starts a thread of this name (as in ps, 15 characters) on `work`. None of its allocations waits for I/O.
    ///
    /// # Errors
    /// `ENOMEM`, or `EINTR` when the caller is being killed.
    pub fn spawn(name: &CStr, work: Arc<T>) -> Result<Self> {
        let data = Arc::as_ptr(&work).cast_mut().cast();
        // SAFETY: `run::<T>` takes a pointer to a `T`, which lives until after the thread has ended: see `drop`.
        let task = unsafe { xenpv_thread_create(run::<T>, data, name.as_char_ptr()) };
        let task = NonNull::new(from_err_ptr(task)?).ok_or(ENOMEM)?;
        // INVARIANT: Just made.
        Ok(Self { task, _work: work })
    }

    /// Whether the caller is this thread.
    pub fn is_current(&self) -> bool {
        // SAFETY: Only the address is looked at.
        unsafe { xenpv_thread_is_current(self.task.as_ptr()) }
    }
}

impl<T: Work> Drop for Thread<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; it waits until the thread's function has returned, or never runs.
        unsafe { xenpv_thread_stop(self.task.as_ptr()) };
    }
}

/// # Safety
///
/// `data` points to a `T` that outlives the call.
unsafe extern "C" fn run<T: Work>(data: *mut ffi::c_void) -> ffi::c_int {
    // SAFETY: By the contract of this function.
    let work = unsafe { &*data.cast::<T>() };
    let _no_io = NoIo::new();
    work.run();
    0
}

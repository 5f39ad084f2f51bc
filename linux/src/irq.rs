// SPDX-License-Identifier: GPL-2.0-only
//! Interrupts: a chip of our own, its interrupts, and handlers for them or for a device's line.
//!
//! A [`Chip`] turns something that can signal (a [`Line`]) into Linux interrupts, with a number, a name and counters in
//! /proc/interrupts and an affinity in /proc/irq. The interrupts are edge-triggered: the signal is taken before the
//! handler runs, and one that comes meanwhile runs it again.
//!
//! The `kernel` crate can request interrupts but has no chips, and its request borrows a bound device.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;
use kernel::cpu::CpuId;
use kernel::cpumask::Cpumask;
use kernel::str::CString;
use kernel::{bindings, error::to_result, ffi, prelude::*, sync::Arc};

/// A handler as C sees it. The result is an `enum irqreturn`.
type RawHandler = unsafe extern "C" fn(ffi::c_int, *mut ffi::c_void) -> ffi::c_uint;

#[expect(
    improper_ctypes,
    reason = "an empty lock class key lies deep inside, and only pointers go across"
)]
extern "C" {
    // linux/c/irq.c
    fn xenpv_irq_alloc(
        chip: *mut bindings::irq_chip,
        line: *mut ffi::c_void,
        desc: *mut *mut bindings::irq_desc,
    ) -> ffi::c_int;
    fn xenpv_irq_free(irq: u32);
    fn xenpv_irq_line(data: *mut bindings::irq_data) -> *mut ffi::c_void;
    fn xenpv_irq_deliver(desc: *mut bindings::irq_desc);
    fn xenpv_irq_is_same_place(last: *mut [usize; 5]) -> bool;
    fn xenpv_irq_request(
        irq: u32,
        handler: RawHandler,
        shared: bool,
        name: *const ffi::c_char,
        data: *mut ffi::c_void,
    ) -> ffi::c_int;
    fn xenpv_irq_release(irq: u32, data: *mut ffi::c_void);
    fn xenpv_irq_served_by(data: *mut bindings::irq_data, cpu: u32);
    fn xenpv_irq_set_cpu(irq: u32, cpu: u32) -> ffi::c_int;
    fn xenpv_irq_place_again(irq: u32, anywhere: bool) -> ffi::c_int;
}

/// What an interrupt of a [`Chip`] stands for. Linux calls each of these with the interrupt's lock held and local
/// interrupts off, so none of them overlaps another for the same line.
pub trait Line: Sync + 'static {
    /// The interrupt has a handler: signals may come from now on.
    fn startup(&self);

    /// The interrupt is about to lose its handler: no signal may come any more, for good.
    fn shutdown(&self);

    /// No signals for now; one that comes must wait for [`Self::unmask`].
    fn mask(&self);

    /// Signals may come again.
    fn unmask(&self);

    /// Signals as the peer does: for one that came at a bad time.
    fn retrigger(&self);

    /// Chooses the CPU that will serve the interrupt, one of `wanted` if possible.
    ///
    /// # Errors
    /// When the interrupt cannot move now; it stays where it is.
    fn place(&self, wanted: &Cpumask) -> Result<CpuId>;
}

/// An interrupt chip over lines of type `L`, for a static.
#[repr(transparent)]
pub struct Chip<L: Line> {
    chip: UnsafeCell<bindings::irq_chip>,
    _line: PhantomData<fn(&L)>,
}

// SAFETY: After `new` only the interrupt core touches the chip, under its own locks.
unsafe impl<L: Line> Sync for Chip<L> {}

impl<L: Line> Chip<L> {
    /// A chip that is called `name` in /proc/interrupts.
    pub const fn new(name: &'static CStr) -> Self {
        // SAFETY: All of the structure's fields are integers, raw pointers and optional function pointers, for which
        // zero is a value.
        let zero: bindings::irq_chip = unsafe { core::mem::zeroed() };
        let chip = bindings::irq_chip {
            name: name.as_ptr().cast(),
            irq_startup: Some(Self::startup),
            irq_shutdown: Some(Self::shutdown),
            irq_ack: Some(Self::ack),
            irq_mask: Some(Self::mask),
            irq_unmask: Some(Self::unmask),
            irq_set_affinity: Some(Self::set_affinity),
            irq_retrigger: Some(Self::retrigger),
            flags: bindings::IRQCHIP_SKIP_SET_WAKE as ffi::c_ulong,
            ..zero
        };
        Self {
            chip: UnsafeCell::new(chip),
            _line: PhantomData,
        }
    }

    /// The line behind an interrupt of this chip.
    ///
    /// # Safety
    ///
    /// `data` is valid and belongs to an interrupt that [`Irq::new`] made with a chip of this type.
    unsafe fn line<'a>(data: *mut bindings::irq_data) -> &'a L {
        // SAFETY: By the contract of this function the chip data is what `Irq::new` put there: a `&'static L`.
        unsafe { &*xenpv_irq_line(data).cast::<L>() }
    }

    unsafe extern "C" fn startup(data: *mut bindings::irq_data) -> ffi::c_uint {
        // SAFETY: The core calls the functions of a chip for the interrupts of that chip only.
        unsafe { Self::line(data) }.startup();
        0
    }

    unsafe extern "C" fn shutdown(data: *mut bindings::irq_data) {
        // SAFETY: As in `startup`.
        unsafe { Self::line(data) }.shutdown();
    }

    /// Whoever calls [`Descriptor::deliver`] has taken the signal already.
    unsafe extern "C" fn ack(_data: *mut bindings::irq_data) {}

    unsafe extern "C" fn mask(data: *mut bindings::irq_data) {
        // SAFETY: As in `startup`.
        unsafe { Self::line(data) }.mask();
    }

    unsafe extern "C" fn unmask(data: *mut bindings::irq_data) {
        // SAFETY: As in `startup`.
        unsafe { Self::line(data) }.unmask();
    }

    unsafe extern "C" fn retrigger(data: *mut bindings::irq_data) -> ffi::c_int {
        // SAFETY: As in `startup`.
        unsafe { Self::line(data) }.retrigger();
        1
    }

    unsafe extern "C" fn set_affinity(
        data: *mut bindings::irq_data,
        wanted: *const bindings::cpumask,
        _force: bool,
    ) -> ffi::c_int {
        // SAFETY: As in `startup`; and the core passes a mask that stays as it is during the call.
        let placed = unsafe { Self::line(data).place(Cpumask::from_raw(wanted)) };
        match placed {
            Ok(cpu) => {
                // SAFETY: The core holds the descriptor's lock, which this needs, and the CPU exists.
                unsafe { xenpv_irq_served_by(data, cpu.as_u32()) };
                bindings::IRQ_SET_MASK_OK as ffi::c_int
            }
            Err(error) => error.to_errno(),
        }
    }
}

/// A way to an interrupt that needs no look-up: for delivering it.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor(NonNull<bindings::irq_desc>);

impl Descriptor {
    /// The descriptor as a pointer, for an atomic.
    #[inline]
    pub fn as_ptr(self) -> *mut bindings::irq_desc {
        self.0.as_ptr()
    }

    /// What [`Self::as_ptr`] gave; `None` for null.
    ///
    /// # Safety
    ///
    /// `ptr` is null or came from [`Self::as_ptr`].
    #[inline]
    pub unsafe fn from_ptr(ptr: *mut bindings::irq_desc) -> Option<Self> {
        NonNull::new(ptr).map(Self)
    }

    /// Serves the interrupt: runs its handler now, unless it is disabled or runs on another CPU; then later.
    ///
    /// # Safety
    ///
    /// In hard interrupt context, with local interrupts off. The [`Irq`] exists, or has begun to be dropped only after
    /// this interrupt context was entered.
    #[inline]
    pub unsafe fn deliver(self) {
        // SAFETY: An `Irq` waits for an RCU grace period, and thereby for every context with interrupts off, before it
        // frees its descriptor. So by the contract of this function the descriptor is valid.
        unsafe { xenpv_irq_deliver(self.0.as_ptr()) };
    }
}

/// An interrupt of our own chip. Freed on drop, which sleeps.
///
/// # Invariants
///
/// `number` was allocated by `xenpv_irq_alloc`, belongs to this value, and has `descriptor`.
pub struct Irq {
    number: u32,
    descriptor: Descriptor,
}

// SAFETY: The interrupt core has its own locks, and the descriptor is only a pointer to give to it.
unsafe impl Send for Irq {}
// SAFETY: As for `Send`; shared references only tell the number and the descriptor or make locked calls.
unsafe impl Sync for Irq {}

impl Irq {
    /// A new interrupt of `chip` for `line`, without a handler.
    ///
    /// # Errors
    /// `ENOMEM`, or `ENOSPC` when Linux has no number left.
    pub fn new<L: Line>(chip: &'static Chip<L>, line: &'static L) -> Result<Self> {
        let line = core::ptr::from_ref(line).cast_mut().cast();
        let mut descriptor = core::ptr::null_mut();
        // SAFETY: The chip is static. The line is, too, and has the type that the functions of this chip expect.
        let number = unsafe { xenpv_irq_alloc(chip.chip.get(), line, &mut descriptor) };
        to_result(number)?;
        let descriptor = NonNull::new(descriptor).ok_or(ENOMEM)?;
        // INVARIANT: Just allocated.
        Ok(Self {
            number: number as u32,
            descriptor: Descriptor(descriptor),
        })
    }

    /// Linux's number of the interrupt.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// For delivering it.
    pub fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    /// Lets `cpu` serve the interrupt, as a write to its smp_affinity would.
    ///
    /// # Errors
    /// `EINVAL` when the CPU is offline, or what [`Line::place`] said.
    pub fn set_cpu(&self, cpu: CpuId) -> Result {
        // SAFETY: By the type invariant the interrupt exists, and so does the CPU.
        to_result(unsafe { xenpv_irq_set_cpu(self.number, cpu.as_u32()) })
    }
}

impl Drop for Irq {
    fn drop(&mut self) {
        // SAFETY: Both sleep, which dropping an `Irq` allows. After the grace period nobody delivers the interrupt any
        // more. By the type invariant it is ours to free, and requests for it were dropped before, or are refused their
        // interrupt by the core.
        unsafe {
            bindings::synchronize_rcu_expedited();
            xenpv_irq_free(self.number);
        }
    }
}

/// Asks interrupt `irq` again for its place, with the affinity that it has: its [`Line::place`] is called. Does
/// not sleep.
///
/// # Errors
/// What [`Line::place`] said; `EINVAL` when no CPU of its affinity is online, or for an interrupt that does not exist.
pub fn place_again(irq: u32) -> Result {
    // SAFETY: The core looks the number up, and finds none or an interrupt that it locks.
    to_result(unsafe { xenpv_irq_place_again(irq, false) })
}

/// The same with a new affinity: all CPUs, as Linux does with an interrupt whose last CPU goes.
///
/// # Errors
/// What [`Line::place`] said, or `EINVAL` for an interrupt that does not exist.
pub fn place_anywhere(irq: u32) -> Result {
    // SAFETY: As in `place_again`.
    to_result(unsafe { xenpv_irq_place_again(irq, true) })
}

/// Remembers where an interrupt has interrupted its CPU: `struct xenpv_irq_place` in `linux/c/xenpv.h`.
#[derive(Default)]
pub struct LastInterrupted([AtomicUsize; 5]);

impl LastInterrupted {
    /// Whether the current interrupt came at the very place of the one before for which this was called: the task that
    /// has the CPU could not execute a single instruction. No when the CPU was idle. In hard interrupt context; calls for
    /// one `self` do not overlap.
    #[inline]
    pub fn is_same_again(&self) -> bool {
        let last = self.0.as_ptr().cast_mut().cast();
        // SAFETY: these are the words of the structure, which may be changed behind a shared reference, as atomics, and
        // which no other call uses meanwhile.
        unsafe { xenpv_irq_is_same_place(last) }
    }
}

/// A handler for an interrupt that is ours alone. It runs in hard interrupt context and never on two CPUs at a time.
pub trait Handler: Send + Sync + 'static {
    /// The interrupt has come.
    fn handle(&self);
}

/// A handler for an interrupt line that other devices may share.
pub trait SharedHandler: Send + Sync + 'static {
    /// The line is asserted. Returns whether it was for us.
    fn handle(&self) -> bool;
}

/// A handler without its type.
///
/// # Invariants
///
/// `data` is an `Arc` turned into a pointer, of the type that `run` and `release` expect.
pub struct Callback {
    run: RawHandler,
    release: unsafe fn(*mut ffi::c_void),
    data: *mut ffi::c_void,
}

// SAFETY: The pointer is an `Arc` of a type that is `Send` and `Sync`.
unsafe impl Send for Callback {}
// SAFETY: A shared reference gives nothing away but the pointer to the interrupt core.
unsafe impl Sync for Callback {}

impl Callback {
    /// Runs `handler` for an interrupt that is ours alone.
    pub fn new<H: Handler>(handler: Arc<H>) -> Self {
        unsafe extern "C" fn run<H: Handler>(_: ffi::c_int, data: *mut ffi::c_void) -> ffi::c_uint {
            // SAFETY: By the invariant of `Callback` this is an `Arc<H>`, which `Request` keeps during the call.
            unsafe { &*data.cast::<H>() }.handle();
            bindings::irqreturn::IRQ_HANDLED.0
        }
        Self::erase(handler, run::<H>)
    }

    /// Runs `handler` for a line that may be shared.
    pub fn shared<H: SharedHandler>(handler: Arc<H>) -> Self {
        unsafe extern "C" fn run<H: SharedHandler>(
            _: ffi::c_int,
            data: *mut ffi::c_void,
        ) -> ffi::c_uint {
            // SAFETY: By the invariant of `Callback` this is an `Arc<H>`, which `Request` keeps during the call.
            match unsafe { &*data.cast::<H>() }.handle() {
                true => bindings::irqreturn::IRQ_HANDLED.0,
                false => bindings::irqreturn::IRQ_NONE.0,
            }
        }
        Self::erase(handler, run::<H>)
    }

    fn erase<H: Send + Sync + 'static>(handler: Arc<H>, run: RawHandler) -> Self {
        unsafe fn release<H>(data: *mut ffi::c_void) {
            // SAFETY: By the invariant of `Callback`, and only its `drop` calls this.
            drop(unsafe { Arc::from_raw(data.cast::<H>()) });
        }
        // INVARIANT: Both functions are those for `H`.
        Self {
            run,
            release: release::<H>,
            data: Arc::into_raw(handler).cast_mut().cast(),
        }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and nobody uses the pointer after this.
        unsafe { (self.release)(self.data) };
    }
}

/// A handler at work. Dropping it sleeps until the handler does not run any more.
///
/// # Invariants
///
/// The interrupt `irq` has been requested with `callback`, and nobody else releases it.
pub struct Request {
    irq: u32,
    callback: Callback,
    /// Linux keeps a pointer to it.
    _name: CString,
}

impl Request {
    /// Requests interrupt `irq`, for us alone.
    ///
    /// # Errors
    /// `EBUSY` when somebody has it, `EINVAL` when there is no such interrupt, `ENOMEM`.
    pub fn new<H: Handler>(irq: u32, name: &CStr, handler: Arc<H>) -> Result<Self> {
        Self::with_callback(irq, name, Callback::new(handler), false)
    }

    /// Requests interrupt `irq`, together with others.
    ///
    /// # Errors
    /// As [`Self::new`]; `EBUSY` when somebody does not share it.
    pub fn shared<H: SharedHandler>(irq: u32, name: &CStr, handler: Arc<H>) -> Result<Self> {
        Self::with_callback(irq, name, Callback::shared(handler), true)
    }

    /// Requests interrupt `irq` with a handler that has lost its type.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_callback(irq: u32, name: &CStr, callback: Callback, shared: bool) -> Result<Self> {
        let name = CString::try_from(name)?;
        // SAFETY: The handler may be called at once with the pointer that it expects, and as long as this value lives.
        // So do the name and the pointer, which no other handler of the line has.
        to_result(unsafe {
            xenpv_irq_request(
                irq,
                callback.run,
                shared,
                name.as_ptr().cast(),
                callback.data,
            )
        })?;
        // INVARIANT: Just requested.
        Ok(Self {
            irq,
            callback,
            _name: name,
        })
    }

    /// Lets `cpu` serve the interrupt. Whoever shares the line moves with it.
    ///
    /// # Errors
    /// `EINVAL` when the CPU is offline, or what the interrupt's chip said.
    pub fn set_cpu(&self, cpu: CpuId) -> Result {
        // SAFETY: By the type invariant the interrupt exists, and so does the CPU.
        to_result(unsafe { xenpv_irq_set_cpu(self.irq, cpu.as_u32()) })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. It returns when no CPU runs the handler, and only then the callback is dropped.
        unsafe { xenpv_irq_release(self.irq, self.callback.data) };
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The bus of Xen's devices in Linux's driver model: devices that own a Rust value, and drivers for them.
//!
//! A [`BusDevice`] is a `struct device` and the value it carries, one allocation that lives as long as anybody holds a
//! reference to the device. Linux serialises `probe` and `remove` of a device by its own lock.
//!
//! The `kernel` crate has wrappers for particular buses, none for a bus of one's own.

use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::error::{from_err_ptr, from_result, to_result};
use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::{bindings, ffi, prelude::*, types::Opaque};

/// `struct xenpv_bus_hooks` in `linux/c/xenpv.h`.
#[repr(C)]
struct RawHooks {
    probe: unsafe extern "C" fn(*mut bindings::device, *const ffi::c_void) -> ffi::c_int,
    remove: unsafe extern "C" fn(*mut bindings::device),
    release: unsafe extern "C" fn(*mut bindings::device),
    text: unsafe extern "C" fn(*const bindings::device, ffi::c_uint) -> *const ffi::c_char,
    number: unsafe extern "C" fn(*const bindings::device, ffi::c_uint) -> u64,
    set_spurious_threshold: unsafe extern "C" fn(*const bindings::device, ffi::c_uint),
}

/// `struct xenpv_driver` in `linux/c/bus.c`.
#[repr(C)]
struct RawDriver {
    _opaque: [u8; 0],
}

#[expect(
    improper_ctypes,
    reason = "an empty lock class key lies deep inside, and only pointers go across"
)]
extern "C" {
    // linux/c/bus.c
    fn xenpv_bus_register(hooks: *const RawHooks) -> ffi::c_int;
    fn xenpv_bus_unregister();
    fn xenpv_device_init(device: *mut bindings::device);
    fn xenpv_device_add(device: *mut bindings::device, name: *const ffi::c_char) -> ffi::c_int;
    fn xenpv_driver_register(
        name: *const ffi::c_char,
        devtype: *const ffi::c_char,
        owner: *mut bindings::module,
        data: *const ffi::c_void,
    ) -> *mut RawDriver;
    fn xenpv_driver_unregister(driver: *mut RawDriver);
}

/// A text that a device shows in sysfs (`enum xenpv_bus_text` in `linux/c/xenpv.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Its type, by which drivers are matched.
    Devtype,
    /// Its directory in xenstore.
    Nodename,
    /// Its state's name.
    State,
}

impl Text {
    /// The text of this number; every other number is the last one's.
    const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Devtype,
            1 => Self::Nodename,
            _ => Self::State,
        }
    }
}

/// A number that a device shows in sysfs (`enum xenpv_bus_number` in `linux/c/xenpv.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Its open event channels.
    EventChannels,
    /// Events that they have seen.
    Events,
    /// Jiffies for which they were closed because of events without work.
    JiffiesEoiDelayed,
    /// Events without work.
    SpuriousEvents,
    /// So many in a row close no channel.
    SpuriousThreshold,
}

impl Number {
    /// The number of this number; every other one is the last one's.
    const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::EventChannels,
            1 => Self::Events,
            2 => Self::JiffiesEoiDelayed,
            3 => Self::SpuriousEvents,
            _ => Self::SpuriousThreshold,
        }
    }
}

/// What a device of the bus carries.
pub trait Carried: Send + Sync + Sized + 'static {
    /// What a driver is registered with.
    type Driver: Sync + 'static;

    /// A text of the device; the type and the node never change.
    fn text(&self, which: Text) -> &CStr;

    /// A number of the device. Process context.
    fn number(&self, which: Number) -> u64;

    /// The user sets [`Number::SpuriousThreshold`].
    fn set_spurious_threshold(&self, threshold: u32);

    /// A driver of the device's type takes it. Process context, with the device's lock held.
    ///
    /// # Errors
    /// Why it does not; the device stays without a driver then.
    fn probe(device: &BusDevice<Self>, driver: &'static Self::Driver) -> Result;

    /// The driver leaves: the last that is heard of it. Process context, with the device's lock held.
    fn remove(device: &BusDevice<Self>);
}

/// The registered bus. One exists at a time. Dropping it waits until nobody holds a device of it any more.
pub struct Bus<T: Carried> {
    _carried: PhantomData<fn() -> T>,
}

impl<T: Carried> Bus<T> {
    const HOOKS: RawHooks = RawHooks {
        probe: probe::<T>,
        remove: remove::<T>,
        release: release::<T>,
        text: text::<T>,
        number: number::<T>,
        set_spurious_threshold: set_spurious_threshold::<T>,
    };

    /// Registers the bus.
    ///
    /// # Errors
    /// `EEXIST` when there is a bus of that name, `ENOMEM`.
    pub fn register() -> Result<Self> {
        // SAFETY: The hooks are promoted to a static, and their functions take devices of this bus only.
        to_result(unsafe { xenpv_bus_register(&Self::HOOKS) })?;
        Ok(Self {
            _carried: PhantomData,
        })
    }
}

impl<T: Carried> Drop for Bus<T> {
    fn drop(&mut self) {
        // SAFETY: `register` succeeded, and this value is its only token. The call waits until nobody holds a device.
        unsafe { xenpv_bus_unregister() };
    }
}

/// A device of the bus and what it carries. Its owner holds it by [`ARef`].
///
/// # Invariants
///
/// Every value was made by [`BusDevice::add`]: `device` is initialised, and the whole is freed by its release function.
#[repr(C)]
#[pin_data]
pub struct BusDevice<T: Carried> {
    #[pin]
    device: Opaque<bindings::device>,
    #[pin]
    carried: T,
}

// SAFETY: A `struct device` may be used from any thread, and `T` is `Send + Sync`.
unsafe impl<T: Carried> Send for BusDevice<T> {}
// SAFETY: As for `Send`.
unsafe impl<T: Carried> Sync for BusDevice<T> {}

impl<T: Carried> BusDevice<T> {
    /// Makes a device and shows it to Linux, which probes the driver of its type at once if there is one.
    ///
    /// # Errors
    /// `ENOMEM`, `EEXIST` when there is one of that name, or what `carried` failed with.
    pub fn add(_bus: &Bus<T>, name: &CStr, carried: impl PinInit<T, Error>) -> Result<ARef<Self>> {
        let object = KBox::pin_init(
            try_pin_init!(Self {
                device: Opaque::zeroed(),
                carried <- carried,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The object stays where it is: it is only reached by reference until `release` frees it.
        let object = NonNull::from(Box::leak(unsafe { Pin::into_inner_unchecked(object) }));
        // SAFETY: The device is zeroed and pinned.
        unsafe { xenpv_device_init(object.as_ref().as_raw()) };
        // SAFETY: Initialising made one reference, which is now this value's.
        let device = unsafe { ARef::from_raw(object) };
        // SAFETY: The device is initialised and not added yet.
        to_result(unsafe { xenpv_device_add(device.as_raw(), name.as_char_ptr()) })?;
        Ok(device)
    }

    /// Takes the device out of Linux: its driver is removed, and nobody finds it any more. Once for each device.
    pub fn unregister(&self) {
        // SAFETY: By the type invariant the device was added.
        unsafe { bindings::device_del(self.as_raw()) };
    }

    /// The `struct device`, for those who want it as a parent. Valid as long as this reference.
    pub fn as_raw(&self) -> *mut bindings::device {
        self.device.get()
    }

    /// The device that carries `carried`.
    ///
    /// # Safety
    ///
    /// `carried` is a device's.
    pub unsafe fn carrying(carried: &T) -> &Self {
        let carried: *const T = carried;
        // SAFETY: By the contract of this function.
        unsafe { &*kernel::container_of!(carried, Self, carried) }
    }

    /// # Safety
    ///
    /// `device` is the first field of a `BusDevice<T>` that lives for `'a`.
    unsafe fn from_raw<'a>(device: *const bindings::device) -> &'a Self {
        // SAFETY: By the contract of this function, and by the type's layout.
        unsafe { &*device.cast() }
    }
}

impl<T: Carried> Deref for BusDevice<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.carried
    }
}

// SAFETY: The device's own reference count keeps the object, and every `BusDevice` has one.
unsafe impl<T: Carried> AlwaysRefCounted for BusDevice<T> {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the count is not zero.
        unsafe { bindings::get_device(self.as_raw()) };
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it has.
        unsafe { bindings::put_device(object.as_ref().as_raw()) };
    }
}

/// A registered driver; dropping it takes it off its devices and waits for that.
///
/// # Invariants
///
/// `raw` is what `xenpv_driver_register` returned, and this value owns it.
pub struct Driver<T: Carried> {
    raw: NonNull<RawDriver>,
    _carried: PhantomData<fn() -> T>,
}

// SAFETY: A driver may be unregistered on any thread.
unsafe impl<T: Carried> Send for Driver<T> {}
// SAFETY: A shared reference gives no access.
unsafe impl<T: Carried> Sync for Driver<T> {}

impl<T: Carried> Driver<T> {
    /// Registers a driver for devices of type `devtype`; those that there are get it before this returns. `name` is
    /// its name in sysfs, `owner` the module whose code `data` leads to.
    ///
    /// # Errors
    /// `EBUSY` when there is a driver of that name, `EINVAL` when there is no bus, `ENOMEM`.
    pub fn register(
        name: &'static CStr,
        devtype: &'static CStr,
        owner: &'static ThisModule,
        data: &'static T::Driver,
    ) -> Result<Self> {
        let data: *const T::Driver = data;
        // SAFETY: Names and data are static, and `data` is of the type that the probe hook expects.
        let raw = unsafe {
            xenpv_driver_register(
                name.as_char_ptr(),
                devtype.as_char_ptr(),
                owner.as_ptr(),
                data.cast(),
            )
        };
        // INVARIANT: Registered just now.
        Ok(Self {
            raw: NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?,
            _carried: PhantomData,
        })
    }
}

impl<T: Carried> Drop for Driver<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { xenpv_driver_unregister(self.raw.as_ptr()) };
    }
}

/// # Safety
///
/// `device` is a bound device of the bus of `T`, and `data` what its driver was registered with.
unsafe extern "C" fn probe<T: Carried>(
    device: *mut bindings::device,
    data: *const ffi::c_void,
) -> ffi::c_int {
    from_result(|| {
        // SAFETY: By the contract of this function; Linux holds a reference during the call.
        let device = unsafe { BusDevice::<T>::from_raw(device) };
        // SAFETY: `Driver::register` takes static data of this type.
        T::probe(device, unsafe { &*data.cast::<T::Driver>() })?;
        Ok(0)
    })
}

/// # Safety
///
/// `device` is a bound device of the bus of `T`.
unsafe extern "C" fn remove<T: Carried>(device: *mut bindings::device) {
    // SAFETY: By the contract of this function; Linux holds a reference during the call.
    T::remove(unsafe { BusDevice::<T>::from_raw(device) });
}

/// # Safety
///
/// `device` is a device of the bus of `T` whose last reference is gone.
unsafe extern "C" fn release<T: Carried>(device: *mut bindings::device) {
    // SAFETY: `BusDevice::add` leaked the box, and nobody refers to it any more.
    drop(unsafe { Pin::new_unchecked(KBox::from_raw(device.cast::<BusDevice<T>>())) });
}

/// # Safety
///
/// `device` is a device of the bus of `T`.
unsafe extern "C" fn text<T: Carried>(
    device: *const bindings::device,
    which: ffi::c_uint,
) -> *const ffi::c_char {
    // SAFETY: By the contract of this function; Linux holds a reference during the call.
    let device = unsafe { BusDevice::<T>::from_raw(device) };
    device.text(Text::from_number(which)).as_char_ptr()
}

/// # Safety
///
/// `device` is a device of the bus of `T`.
unsafe extern "C" fn number<T: Carried>(
    device: *const bindings::device,
    which: ffi::c_uint,
) -> u64 {
    // SAFETY: By the contract of this function; Linux holds a reference during the call.
    let device = unsafe { BusDevice::<T>::from_raw(device) };
    device.number(Number::from_number(which))
}

/// # Safety
///
/// `device` is a device of the bus of `T`.
unsafe extern "C" fn set_spurious_threshold<T: Carried>(
    device: *const bindings::device,
    threshold: ffi::c_uint,
) {
    // SAFETY: By the contract of this function; Linux holds a reference during the call.
    unsafe { BusDevice::<T>::from_raw(device) }.set_spurious_threshold(threshold);
}

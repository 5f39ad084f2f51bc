// SPDX-License-Identifier: GPL-2.0-only
//! Device files: what a process opens in /dev, reads, writes and polls.
//!
//! Each open file owns a Rust value. The module cannot be unloaded as long as one is open.
//!
//! The `kernel` crate's `miscdevice` has no poll, without which a process cannot wait for two things at once.

use crate::area::{self, MapFile};
use crate::thread::WaitQueue;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::{code::ENOTTY, from_err_ptr};
use kernel::uaccess::{UserPtr, UserSlice, UserSliceReader, UserSliceWriter};
use kernel::{bindings, ffi, prelude::*, sync::Arc};

/// `struct xenpv_file_hooks` in `linux/c/xenpv.h`.
#[repr(C)]
struct RawHooks {
    open: unsafe extern "C" fn() -> *mut ffi::c_void,
    release: unsafe extern "C" fn(*mut ffi::c_void),
    read: unsafe extern "C" fn(*mut ffi::c_void, *mut ffi::c_void, usize, bool) -> isize,
    write: unsafe extern "C" fn(*mut ffi::c_void, *mut ffi::c_void, usize, bool) -> isize,
    ready: unsafe extern "C" fn(*mut ffi::c_void) -> u32,
    queue: unsafe extern "C" fn(*mut ffi::c_void) -> *mut bindings::wait_queue_head,
    ioctl: unsafe extern "C" fn(*mut ffi::c_void, ffi::c_uint, usize) -> isize,
    // Null for a file that cannot be mapped: `linux/src/area.rs`.
    map: Option<area::RawMap>,
    map_open: Option<area::RawHook>,
    map_close: Option<area::RawHook>,
}

/// `struct xenpv_file_device` in `linux/c/file.c`.
#[repr(C)]
struct RawDevice {
    _opaque: [u8; 0],
}

extern "C" {
    // linux/c/file.c
    fn xenpv_file_register(name: *const ffi::c_char, hooks: *const RawHooks) -> *mut RawDevice;
    fn xenpv_file_unregister(device: *mut RawDevice);
}

/// What poll says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read would return at once.
    pub readable: bool,
    /// A write would return at once.
    pub writable: bool,
    /// Something went wrong that a read tells.
    pub error: bool,
}

impl Ready {
    /// The `XENPV_FILE_*` bits in `linux/c/xenpv.h`.
    fn bits(self) -> u32 {
        u32::from(self.readable) | u32::from(self.writable) << 1 | u32::from(self.error) << 2
    }
}

/// An open file. All calls are in process context, and several may be at it at once.
pub trait File: Send + Sync + Sized + 'static {
    /// A process opens the device.
    ///
    /// # Errors
    /// What the process gets to see; so for the other calls.
    fn open() -> Result<Arc<Self>>;

    /// Puts as much as there is into `to`, and says how many bytes. When there is nothing yet it waits, unless it must
    /// not: then that is `EAGAIN`.
    ///
    /// # Errors
    /// See [`File::open`].
    fn read(&self, to: UserSliceWriter, may_wait: bool) -> Result<usize> {
        let _ = (to, may_wait);
        Err(EINVAL)
    }

    /// Takes what the process writes, and says how many bytes of it.
    ///
    /// # Errors
    /// See [`File::open`].
    fn write(&self, from: UserSliceReader, may_wait: bool) -> Result<usize> {
        let _ = (from, may_wait);
        Err(EINVAL)
    }

    /// What a process that polls is told.
    fn ready(&self) -> Ready {
        Ready {
            readable: true,
            writable: true,
            error: false,
        }
    }

    /// Where it waits to be told something else; `None` if that is never.
    fn queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// One of the device's own commands; `argument` is mostly a pointer into the process.
    ///
    /// # Errors
    /// See [`File::open`].
    fn ioctl(&self, command: u32, argument: UserPtr) -> Result<usize> {
        let _ = (command, argument);
        Err(ENOTTY)
    }

    /// The file is closed: the last call. A process that is being killed is here, too, and cannot wait for anything.
    fn closed(self: Arc<Self>);
}

/// The device, in /dev as long as this lives. Whoever drops it has made sure that no file of it is open, as the end of
/// the module does.
///
/// # Invariants
///
/// `raw` came from `xenpv_file_register` with the hooks for `T`.
pub struct Device<T: File> {
    raw: NonNull<RawDevice>,
    _files: PhantomData<fn() -> T>,
}

// SAFETY: The device may be unregistered on any thread.
unsafe impl<T: File> Send for Device<T> {}
// SAFETY: There is no method that takes a shared reference.
unsafe impl<T: File> Sync for Device<T> {}

impl<T: File> Device<T> {
    const HOOKS: RawHooks = RawHooks {
        open: open::<T>,
        release: release::<T>,
        read: read::<T>,
        write: write::<T>,
        ready: ready::<T>,
        queue: queue::<T>,
        ioctl: ioctl::<T>,
        map: None,
        map_open: None,
        map_close: None,
    };

    /// Shows /dev/`name`, for the administrator alone.
    ///
    /// # Errors
    /// `EEXIST` when there is such a device, `ENOMEM`.
    pub fn register(name: &'static CStr) -> Result<Self> {
        Self::register_with(name, &Self::HOOKS)
    }

    fn register_with(name: &'static CStr, hooks: &'static RawHooks) -> Result<Self> {
        // SAFETY: Name and hooks are `'static`, and each hook takes what `open::<T>` gave.
        let raw = unsafe { xenpv_file_register(name.as_char_ptr(), hooks) };
        // INVARIANT: Just registered.
        Ok(Self {
            raw: NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?,
            _files: PhantomData,
        })
    }
}

impl<T: MapFile> Device<T> {
    const MAP_HOOKS: RawHooks = RawHooks {
        map: Some(area::map::<T>),
        map_open: Some(area::map_open::<T>),
        map_close: Some(area::map_close::<T>),
        ..Self::HOOKS
    };

    /// As [`Device::register`], for a device that processes can map.
    ///
    /// # Errors
    /// The same.
    pub fn register_mappable(name: &'static CStr) -> Result<Self> {
        Self::register_with(name, &Self::MAP_HOOKS)
    }
}

impl<T: File> Drop for Device<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody uses it afterwards.
        unsafe { xenpv_file_unregister(self.raw.as_ptr()) };
    }
}

/// A pointer that carries an error (`ERR_PTR`).
pub(crate) fn error_pointer(error: Error) -> *mut ffi::c_void {
    core::ptr::without_provenance_mut(error.to_errno() as isize as usize)
}

/// What C returns from a file operation.
fn to_c(result: Result<usize>) -> isize {
    match result {
        // No file gives or takes more than an `isize` can say, for no process has that much memory.
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

unsafe extern "C" fn open<T: File>() -> *mut ffi::c_void {
    match T::open() {
        Ok(file) => Arc::into_raw(file).cast_mut().cast(),
        Err(error) => error_pointer(error),
    }
}

/// # Safety
///
/// `file` came from `open::<T>`, and this is the last call with it.
unsafe extern "C" fn release<T: File>(file: *mut ffi::c_void) {
    // SAFETY: By the contract of this function.
    unsafe { Arc::from_raw(file.cast::<T>()) }.closed();
}

/// # Safety
///
/// `file` came from `open::<T>` and is not released during the call.
unsafe extern "C" fn read<T: File>(
    file: *mut ffi::c_void,
    to: *mut ffi::c_void,
    len: usize,
    nonblocking: bool,
) -> isize {
    // SAFETY: By the contract of this function.
    let file = unsafe { &*file.cast::<T>() };
    let to = UserSlice::new(UserPtr::from_ptr(to), len).writer();
    to_c(file.read(to, !nonblocking))
}

/// # Safety
///
/// As for [`read`].
unsafe extern "C" fn write<T: File>(
    file: *mut ffi::c_void,
    from: *mut ffi::c_void,
    len: usize,
    nonblocking: bool,
) -> isize {
    // SAFETY: By the contract of this function.
    let file = unsafe { &*file.cast::<T>() };
    let from = UserSlice::new(UserPtr::from_ptr(from), len).reader();
    to_c(file.write(from, !nonblocking))
}

/// # Safety
///
/// As for [`read`].
unsafe extern "C" fn ready<T: File>(file: *mut ffi::c_void) -> u32 {
    // SAFETY: By the contract of this function.
    unsafe { &*file.cast::<T>() }.ready().bits()
}

/// # Safety
///
/// As for [`read`]. The queue lives until the file is released.
unsafe extern "C" fn queue<T: File>(file: *mut ffi::c_void) -> *mut bindings::wait_queue_head {
    // SAFETY: By the contract of this function.
    let queue = unsafe { &*file.cast::<T>() }.queue();
    queue.map_or(core::ptr::null_mut(), WaitQueue::as_raw)
}

/// # Safety
///
/// As for [`read`].
unsafe extern "C" fn ioctl<T: File>(
    file: *mut ffi::c_void,
    command: ffi::c_uint,
    argument: usize,
) -> isize {
    // SAFETY: By the contract of this function.
    let file = unsafe { &*file.cast::<T>() };
    to_c(file.ioctl(command, UserPtr::from_addr(argument)))
}

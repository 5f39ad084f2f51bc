// SPDX-License-Identifier: GPL-2.0-only
//! A subsystem device whose files are the driver's (`/sys/devices/system/<name>/<name>0`).

use core::{
    ffi::{c_int, c_void},
    fmt,
    marker::PhantomData,
    ptr::NonNull,
};
use kernel::{error::from_result, prelude::*, sync::Arc};
use linux::room::Room;

use crate::ffi::{self, RawAttribute, RawSubsystem};

/// One file.
#[derive(Clone, Copy)]
pub struct File {
    /// Its name.
    pub name: &'static CStr,
    /// Whether it is in the folder `info` rather than beside it.
    pub info: bool,
    /// Whether it can be written, by the administrator.
    pub writable: bool,
}

/// What a driver shows. Called in process context, several at a time.
pub trait Files: Send + Sync + 'static {
    /// The files.
    const FILES: AttributeList;

    /// Prints file number `index`, less than a page.
    ///
    /// # Errors
    /// Only those of `into`.
    fn show(&self, index: usize, into: &mut dyn fmt::Write) -> fmt::Result;

    /// Takes what was written to file number `index`.
    ///
    /// # Errors
    /// What the writer gets to see.
    fn store(&self, index: usize, line: &[u8]) -> Result;
}

/// The files of `T`, as C wants them.
pub struct Attributes<T, const N: usize>([RawAttribute; N], PhantomData<fn(T)>);

// SAFETY: The pointers are those of `&'static CStr`s and functions, and never written through.
unsafe impl<T, const N: usize> Sync for Attributes<T, N> {}

/// Files, see [`Attributes`].
#[derive(Clone, Copy)]
pub struct AttributeList(&'static [RawAttribute]);

impl<T: Files, const N: usize> Attributes<T, N> {
    /// For a static.
    pub const fn new(files: &[File; N]) -> Self {
        let mut list = [const {
            RawAttribute {
                name: core::ptr::null(),
                info: false,
                show: show::<T>,
                store: None,
            }
        }; N];
        let mut i = 0;
        while i < N {
            list[i].name = files[i].name.as_ptr().cast();
            list[i].info = files[i].info;
            if files[i].writable {
                list[i].store = Some(store::<T>);
            }
            i += 1;
        }
        Self(list, PhantomData)
    }

    /// The list, for [`Files::FILES`].
    pub const fn as_list(&'static self) -> AttributeList {
        AttributeList(&self.0)
    }
}

/// The device, shown as long as this lives.
///
/// # Invariants
///
/// `raw` came from `xenpv_subsystem_register` with the address of what `files` points to.
pub struct Subsystem<T: Files> {
    raw: NonNull<RawSubsystem>,
    _files: Arc<T>,
}

// SAFETY: The device may be unregistered on any thread; the files are `Send` and `Sync` by `Files`.
unsafe impl<T: Files> Send for Subsystem<T> {}
// SAFETY: There is no method that takes a shared reference.
unsafe impl<T: Files> Sync for Subsystem<T> {}

impl<T: Files> Subsystem<T> {
    /// Shows the device number 0 of a new subsystem `name`.
    ///
    /// # Errors
    /// `EEXIST` when there is such a subsystem, `ENOMEM`.
    pub fn register(name: &'static CStr, files: Arc<T>) -> Result<Self> {
        let attributes = T::FILES.0;
        let data = core::ptr::from_ref::<T>(&files).cast_mut().cast();
        // SAFETY: Name and attributes are `'static`; the data lives until our drop has unregistered the device.
        let raw = unsafe {
            ffi::xenpv_subsystem_register(
                name.as_ptr().cast(),
                attributes.as_ptr(),
                attributes.len() as u32,
                data,
            )
        };
        let raw = kernel::error::from_err_ptr(raw)?;
        // INVARIANT: As just registered.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            _files: files,
        })
    }
}

impl<T: Files> Drop for Subsystem<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody uses it afterwards.
        unsafe { ffi::xenpv_subsystem_unregister(self.raw.as_ptr()) };
    }
}

/// # Safety
///
/// `data` points to a live `T`, `into` to `room` bytes that may be written.
unsafe extern "C" fn show<T: Files>(
    data: *mut c_void,
    index: u32,
    into: *mut u8,
    room: usize,
) -> isize {
    // SAFETY: As promised. C zeroes the buffer of a file before it is shown.
    let (files, rest) = unsafe {
        (
            &*data.cast::<T>(),
            core::slice::from_raw_parts_mut(into, room),
        )
    };
    let mut room = Room::new(rest);
    match files.show(index as usize, &mut room) {
        Ok(()) => room.used() as isize,
        Err(fmt::Error) => EINVAL.to_errno() as isize,
    }
}

/// # Safety
///
/// `data` points to a live `T`, `from` to `len` bytes.
unsafe extern "C" fn store<T: Files>(
    data: *mut c_void,
    index: u32,
    from: *const u8,
    len: usize,
) -> c_int {
    // SAFETY: As promised.
    let (files, line) = unsafe { (&*data.cast::<T>(), core::slice::from_raw_parts(from, len)) };
    from_result(|| files.store(index as usize, line).map(|()| 0))
}

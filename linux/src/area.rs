// SPDX-License-Identifier: GPL-2.0-only
//! Device files that a process maps into its memory (`mmap`).
//!
//! A mapping's value lives as long as any process has any part of it: forks share it, and what a partial `munmap` leaves
//! keeps it. The file stays open for as long, closed or not.

use crate::file::{error_pointer, File};
use crate::page::Page;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::{code::ENODEV, to_result};
use kernel::{ffi, prelude::*, sync::Arc};

/// `struct xenpv_area` in `linux/c/xenpv.h`.
#[repr(C)]
pub(crate) struct RawArea {
    first: u64,
    pages: u64,
    writable: bool,
    readonly: bool,
}

pub(crate) type RawMap =
    unsafe extern "C" fn(*mut ffi::c_void, *mut ffi::c_void, *mut RawArea) -> *mut ffi::c_void;
pub(crate) type RawHook = unsafe extern "C" fn(*mut ffi::c_void);

extern "C" {
    // linux/c/area.c
    fn xenpv_area_insert(vma: *mut ffi::c_void, index: u64, page: *mut ffi::c_void) -> ffi::c_int;
    fn xenpv_area_find(
        file: *const ffi::c_void,
        address: u64,
        found: unsafe extern "C" fn(*const ffi::c_void, *mut ffi::c_void),
        data: *mut ffi::c_void,
    ) -> bool;
}

/// A file that can be mapped.
pub trait MapFile: File {
    /// What a mapping has.
    type Mapping: Send + Sync + 'static;

    /// A process maps a part of the file: puts the pages into `area`. The process's memory is locked meanwhile: no copying
    /// from or to it, here or under a lock that is taken here.
    ///
    /// # Errors
    /// What the process gets to see; the area has no page then.
    fn map(&self, area: &mut Area<'_>) -> Result<Arc<Self::Mapping>>;
}

/// A part of a process's memory that is being mapped.
///
/// # Invariants
///
/// `vma` is an area for which `mmap` of the device is at work.
pub struct Area<'a> {
    vma: NonNull<ffi::c_void>,
    raw: &'a mut RawArea,
    _mmap: PhantomData<*mut ()>,
}

impl Area<'_> {
    /// The first page of the file that is wanted.
    pub fn first(&self) -> u64 {
        self.raw.first
    }

    /// How many pages.
    pub fn pages(&self) -> u64 {
        self.raw.pages
    }

    /// Whether the process wants to write to them.
    pub fn is_writable(&self) -> bool {
        self.raw.writable
    }

    /// The process can never write to the area, not by `mprotect` either.
    pub fn never_writable(&mut self) {
        self.raw.readonly = true;
    }

    /// Puts a page at a place of the area. The page's memory is not freed before the area is gone, whatever becomes of
    /// `page`; [`Page::is_shared`] tells.
    ///
    /// # Errors
    /// `EINVAL` when the place is outside of the area, `EBUSY` when it has a page, `ENOMEM`.
    pub fn insert(&mut self, index: u64, page: &Page) -> Result {
        // SAFETY: By the type invariant; the page is a whole allocated one and is not freed during the call.
        to_result(unsafe {
            xenpv_area_insert(self.vma.as_ptr(), index, page.as_ptr().as_ptr().cast())
        })
    }
}

/// What `look` says of the mapping whose area, in the current process, begins at `address`.
///
/// # Errors
/// `ENODEV` when no area of this file begins there.
pub fn find<T: MapFile, R>(
    file: &T,
    address: u64,
    look: impl FnOnce(&T::Mapping) -> R,
) -> Result<R> {
    struct Search<F, R> {
        look: Option<F>,
        result: Option<R>,
    }

    /// # Safety
    ///
    /// `mapping` is a live mapping of a `T`, and `data` a `Search<F, R>` that nobody else uses during the call.
    unsafe extern "C" fn found<T: MapFile, F: FnOnce(&T::Mapping) -> R, R>(
        mapping: *const ffi::c_void,
        data: *mut ffi::c_void,
    ) {
        // SAFETY: By the contract of this function.
        let (mapping, search) = unsafe {
            (
                &*mapping.cast::<T::Mapping>(),
                &mut *data.cast::<Search<F, R>>(),
            )
        };
        search.result = search.look.take().map(|look| look(mapping));
    }

    /// The function for the types of `look`, which have no names.
    fn found_for<T: MapFile, F: FnOnce(&T::Mapping) -> R, R>(
        _: &Search<F, R>,
    ) -> unsafe extern "C" fn(*const ffi::c_void, *mut ffi::c_void) {
        found::<T, F, R>
    }

    let mut search = Search {
        look: Some(look),
        result: None,
    };
    let function = found_for::<T, _, R>(&search);
    // SAFETY: Areas of this very file have mappings that `map::<T>` made, since its device has the hooks for `T`; the
    // area keeps the mapping during the call of `function`, which gets the `Search` that it takes.
    unsafe {
        xenpv_area_find(
            core::ptr::from_ref(file).cast(),
            address,
            function,
            (&raw mut search).cast(),
        );
    }
    search.result.ok_or(ENODEV)
}

/// # Safety
///
/// `file` came from `file::open::<T>` and is not released during the call, in which `vma` is mapped to it as `area` says.
pub(crate) unsafe extern "C" fn map<T: MapFile>(
    file: *mut ffi::c_void,
    vma: *mut ffi::c_void,
    area: *mut RawArea,
) -> *mut ffi::c_void {
    // SAFETY: By the contract of this function.
    let (file, raw) = unsafe { (&*file.cast::<T>(), &mut *area) };
    let Some(vma) = NonNull::new(vma) else {
        return error_pointer(EINVAL);
    };
    // INVARIANT: By the contract of this function.
    let mut area = Area {
        vma,
        raw,
        _mmap: PhantomData,
    };
    match file.map(&mut area) {
        Ok(mapping) => Arc::into_raw(mapping).cast_mut().cast(),
        Err(error) => error_pointer(error),
    }
}

/// # Safety
///
/// `mapping` came from `map::<T>` and is not closed for the last time.
pub(crate) unsafe extern "C" fn map_open<T: MapFile>(mapping: *mut ffi::c_void) {
    // SAFETY: By the contract of this function the `Arc` is alive; one more reference is given away.
    let one = unsafe { core::mem::ManuallyDrop::new(Arc::from_raw(mapping.cast::<T::Mapping>())) };
    let _ = Arc::into_raw(Arc::clone(&one));
}

/// # Safety
///
/// `mapping` came from `map::<T>`; this call ends what that or one of `map_open::<T>` began.
pub(crate) unsafe extern "C" fn map_close<T: MapFile>(mapping: *mut ffi::c_void) {
    // SAFETY: By the contract of this function.
    drop(unsafe { Arc::from_raw(mapping.cast::<T::Mapping>()) });
}

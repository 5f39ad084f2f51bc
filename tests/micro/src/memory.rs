// SPDX-License-Identifier: GPL-2.0-only
//! Pages for rings.
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::NonNull;

use ring::SharedMemory;
use xen_sys::PAGE_SIZE;

#[repr(C, align(4096))]
struct Bytes(UnsafeCell<[u8; PAGE_SIZE]>);

/// A page that both sides of a ring see. It is never freed, so that no handle of it can outlive it.
#[derive(Clone, Copy)]
pub struct Page(&'static Bytes);

// SAFETY: the bytes are reached through atomics and through C alone, as memory shared with another domain is.
unsafe impl Send for Page {}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

impl Page {
    /// A page of zeroes.
    pub fn new() -> Self {
        Self(Box::leak(Box::new(Bytes(UnsafeCell::new([0; PAGE_SIZE])))))
    }

    /// The page as `ring` wants it.
    pub fn shared(self) -> SharedMemory {
        let base = NonNull::from(self.0).cast();
        // SAFETY: the page is aligned, is as long, lives for ever, and is plain memory only to the C side, which stands
        // for another domain.
        unsafe { SharedMemory::new(base, PAGE_SIZE) }
    }

    /// Where it is, for C.
    pub(crate) fn address(self) -> *mut c_void {
        self.0 .0.get().cast()
    }
}

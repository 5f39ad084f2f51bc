// SPDX-License-Identifier: GPL-2.0-only
//! Owned, zeroed pages for memory that another domain may see.

use core::ptr::NonNull;
use kernel::{alloc::Flags, bindings, error::code::EINVAL, ffi::c_void, prelude::*};

extern "C" {
    /// `linux/c/mm.c`: `2^order` zeroed pages as one compound, or null.
    fn xenpv_pages_alloc(gfp: bindings::gfp_t, order: u32) -> *mut c_void;
    /// `linux/c/mm.c`: gives back the pages at a `page_address()`.
    fn xenpv_pages_free(pages: *mut c_void);
    /// `linux/c/mm.c`: the pages are the kernel's from now on, and not counted any more.
    fn xenpv_pages_hand_over(pages: *mut c_void);
    /// `linux/c/mm.c`: allocations that were not given back yet.
    fn xenpv_pages_live() -> u64;
    /// `linux/c/mm.c`: whether anybody else refers to the pages at a `page_address()`.
    fn xenpv_pages_shared(pages: *const c_void) -> bool;
    /// `linux/c/mm.c`: page frame number of a direct-map address.
    fn xenpv_pages_pfn(pages: *const c_void) -> u64;
}

/// `2^order` physically contiguous pages, zeroed when they were allocated: no
/// older content of the guest's memory can leave through them (XSA-403).
///
/// Another domain may write to them at any time once they are granted, so the
/// type never hands out references to their content. Bytes are copied out and
/// in, with `memcpy` called as a C function: the compiler can neither read them
/// twice nor assume that they stay as they are.
///
/// # Invariants
///
/// `pages` is the direct-map address of a compound allocation of `2^order` pages that this value owns.
pub struct Page {
    pages: NonNull<u8>,
    order: u8,
}

// SAFETY: The pages belong to this value alone and may be used and freed on any thread.
unsafe impl Send for Page {}
// SAFETY: A shared reference allows only copies to and from the pages, and their content has no invariant that two
// concurrent copies could break: it is plain bytes which another domain may change at any time anyhow.
unsafe impl Sync for Page {}

impl Page {
    /// Allocates one zeroed page.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(flags: Flags) -> Result<Self> {
        Self::with_order(0, flags)
    }

    /// Allocates `2^order` contiguous zeroed pages.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn with_order(order: u8, flags: Flags) -> Result<Self> {
        // SAFETY: Any flags and order are allowed; the function returns null when it cannot serve them.
        let pages = unsafe { xenpv_pages_alloc(raw_flags(flags), u32::from(order)) };
        let pages = NonNull::new(pages.cast()).ok_or(ENOMEM)?;
        // INVARIANT: The function gave us `2^order` pages as one compound at this direct-map address.
        Ok(Self { pages, order })
    }

    /// Guest frame number of the first page; the others follow it.
    pub fn gfn(&self) -> u64 {
        // SAFETY: By the type invariant the address is in the direct map.
        unsafe { xenpv_pages_pfn(self.pages.as_ptr().cast()) }
    }

    /// Whether anybody else refers to the pages: a process that has them mapped ([`crate::area`]), or I/O of such a
    /// process. When all of its areas are gone, the answer cannot become "yes" again.
    pub fn is_shared(&self) -> bool {
        // SAFETY: By the type invariant the pages are ours.
        unsafe { xenpv_pages_shared(self.pages.as_ptr().cast()) }
    }

    /// Address of the first byte, valid for [`Self::len`] bytes as long as this value lives.
    #[inline]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.pages
    }

    /// Bytes in all pages together.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        kernel::page::PAGE_SIZE << self.order
    }

    /// Copies `into.len()` bytes that begin at `offset` out of the pages.
    ///
    /// # Errors
    /// `EINVAL` when the range is not inside the pages; nothing is copied.
    pub fn copy_from(&self, offset: usize, into: &mut [u8]) -> Result {
        let source = self.range(offset, into.len())?;
        // SAFETY: `range` checked that the source lies inside pages that we own; `into` is ours alone and thus apart.
        unsafe { bindings::memcpy(into.as_mut_ptr().cast(), source.cast(), into.len()) };
        Ok(())
    }

    /// Copies `from` into the pages, beginning at `offset`.
    ///
    /// # Errors
    /// `EINVAL` when the range is not inside the pages; nothing is copied.
    pub fn copy_to(&self, offset: usize, from: &[u8]) -> Result {
        let target = self.range(offset, from.len())?;
        // SAFETY: `range` checked that the target lies inside pages that we own and to which no Rust reference
        // exists, so `from` is apart from it.
        unsafe { bindings::memcpy(target.cast(), from.as_ptr().cast(), from.len()) };
        Ok(())
    }

    /// Gives up ownership. The pages live until [`release_pages`] gets the pointer.
    pub fn into_raw(self) -> NonNull<c_void> {
        core::mem::ManuallyDrop::new(self).pages.cast()
    }

    /// Gives the pages to the kernel, which frees them by `put_page`. No backend may see them any more.
    pub fn into_kernel(self) -> NonNull<c_void> {
        let pages = self.into_raw();
        // SAFETY: The pages were ours until now, by the type invariant.
        unsafe { xenpv_pages_hand_over(pages.as_ptr()) };
        pages
    }

    /// The address of `len` bytes at `offset`, if they are inside the pages.
    fn range(&self, offset: usize, len: usize) -> Result<*mut u8> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len() => Ok(self.pages.as_ptr().wrapping_add(offset)),
            _ => Err(EINVAL),
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the pages are ours, and nothing uses them after this.
        unsafe { xenpv_pages_free(self.pages.as_ptr().cast()) };
    }
}

/// Frees pages that [`Page::into_raw`] gave up. A C function of xen-platform-pci.ko, so that a pointer to it stays
/// good when the module that allocated the pages is gone.
///
/// # Safety
///
/// `pages` comes from [`Page::into_raw`], and nobody uses or frees it later.
pub const RELEASE_PAGES: unsafe extern "C" fn(pages: *mut c_void) = xenpv_pages_free;

/// Allocations of [`Page`] that were not given back yet, for the leak check of the tests.
pub fn live() -> u64 {
    // SAFETY: The function reads a counter.
    unsafe { xenpv_pages_live() }
}

/// The bits of those flags that `kernel::alloc::Flags` keeps to itself.
fn raw_flags(flags: Flags) -> bindings::gfp_t {
    use kernel::alloc::flags::{
        __GFP_NOWARN, GFP_ATOMIC, GFP_KERNEL, GFP_KERNEL_ACCOUNT, GFP_NOWAIT,
    };
    [
        (GFP_KERNEL, bindings::GFP_KERNEL),
        (GFP_KERNEL_ACCOUNT, bindings::GFP_KERNEL_ACCOUNT),
        (GFP_ATOMIC, bindings::GFP_ATOMIC),
        (GFP_NOWAIT, bindings::GFP_NOWAIT),
        (__GFP_NOWARN, bindings::__GFP_NOWARN),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.contains(*flag))
    .fold(0, |gfp, (_, raw)| gfp | raw)
}

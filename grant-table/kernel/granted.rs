// SPDX-License-Identifier: GPL-2.0-only
//! A page together with its grant.

use crate::reference::{ActiveRef, FreeRef};
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use grant_table::Access;
use kernel::ffi::c_void;
use linux::page::{Page, RELEASE_PAGES};
use xen_sys::{Domid, Gfn, GrantRef};

/// What keeps a granted page alive, such as a [`Page`] or a socket buffer.
///
/// # Safety
///
/// - As long as the owner, or the pointer that [`Self::into_raw`] made of it, is not dropped or released, the page's
///   memory is not freed and not used for anything else.
/// - [`Self::RELEASE`], called once with that pointer, in process context and on any thread, ends the ownership.
/// - [`Self::RELEASE`] is a function of the kernel image or of xen-platform-pci.ko. It is called when the peer lets go,
///   and the module that granted the page may have been unloaded by then.
pub unsafe trait Owner: Send + 'static {
    /// Ends the ownership.
    const RELEASE: unsafe extern "C" fn(*mut c_void);

    /// Turns the owner into a pointer for [`Self::RELEASE`].
    fn into_raw(self) -> NonNull<c_void>;
}

// SAFETY: A `Page` owns its memory, `into_raw` hands that over to the pointer, and `RELEASE_PAGES` is a C function of
// xen-platform-pci.ko that frees it in any context.
unsafe impl Owner for Page {
    const RELEASE: unsafe extern "C" fn(*mut c_void) = RELEASE_PAGES;

    fn into_raw(self) -> NonNull<c_void> {
        Page::into_raw(self)
    }
}

/// An owner without its type, as the deferred list keeps it. Only [`Self::release`] ends it: dropping it leaks the page
/// on purpose, since a peer may still map it.
pub(crate) struct RawOwner {
    owner: NonNull<c_void>,
    release: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: The pointer was made of an `Owner`, which is `Send`, and nobody else has it.
unsafe impl Send for RawOwner {}

impl RawOwner {
    pub(crate) fn new<T: Owner>(owner: T) -> Self {
        Self {
            owner: owner.into_raw(),
            release: T::RELEASE,
        }
    }

    /// Ends the ownership: the peer let go. Process context.
    pub(crate) fn release(self) {
        // SAFETY: Both come from one `Owner`, and `self` is consumed, so it is the only call.
        unsafe { (self.release)(self.owner.as_ptr()) };
    }
}

/// An owned page to which another domain has access.
///
/// Dropping it ends the access and drops the owner; if the peer still maps the page, the deferred list owns both until
/// it does not.
///
/// # Invariants
///
/// Both fields hold their values until `end` or `drop` takes them.
pub struct Granted<T: Owner> {
    owner: ManuallyDrop<T>,
    active: ManuallyDrop<ActiveRef>,
}

impl<T: Owner> Granted<T> {
    /// Grants `domid` access to the page at `gfn`, which `owner` keeps alive.
    ///
    /// # Safety
    ///
    /// The page belongs to `owner`, and no reference to its content exists while this value does.
    pub unsafe fn new(free: FreeRef, owner: T, domid: Domid, gfn: Gfn, access: Access) -> Self {
        // SAFETY: By the contract of this function and of `Owner` the page is neither freed nor used otherwise as long
        // as `owner` lives; it is in this value until `ActiveRef::end` gave the reference back, or is handed over to
        // the deferred list.
        let active = unsafe { free.grant(domid, gfn, access) };
        // INVARIANT: Both are there.
        Self {
            owner: ManuallyDrop::new(owner),
            active: ManuallyDrop::new(active),
        }
    }

    /// The number of the reference: what the peer is told.
    pub fn gref(&self) -> GrantRef {
        self.active.gref()
    }

    /// The owner. The content of its page may change at any time when the peer may write to it.
    pub fn get(&self) -> &T {
        &self.owner
    }

    /// Ends the access and gives the owner and the reference back; `None` when the peer still maps the page and the
    /// deferred list owns them now. Any context.
    pub fn end(self) -> Option<(T, FreeRef)> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: By the type invariant both are there, and `this` is neither used nor dropped after this.
        let (owner, active) = unsafe {
            (
                ManuallyDrop::take(&mut this.owner),
                ManuallyDrop::take(&mut this.active),
            )
        };
        active.end(owner)
    }
}

impl Granted<Page> {
    /// Grants `domid` access to the first page of `page`.
    pub fn page(free: FreeRef, page: Page, domid: Domid, access: Access) -> Self {
        let gfn = Gfn(page.gfn());
        // SAFETY: A `Page` owns its memory and never hands out references to its content.
        unsafe { Self::new(free, page, domid, gfn, access) }
    }
}

impl<T: Owner> Drop for Granted<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant both are there, and nothing uses the fields after drop.
        let (owner, active) = unsafe {
            (
                ManuallyDrop::take(&mut self.owner),
                ManuallyDrop::take(&mut self.active),
            )
        };
        drop(active.end(owner));
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A value that many read without a lock while it is in place, and one changes while nobody can read it.

use core::cell::UnsafeCell;

/// The place of such a value.
///
/// Who may look at what is not a matter of this type but of the protocol around it (see [`crate::queue`]); the type
/// gives the two sides names, so that each use has to say why it is allowed.
pub(crate) struct Gate<T>(UnsafeCell<Option<T>>);

// SAFETY: the value is shared by reference between threads (Sync) and moved in and out by others (Send).
unsafe impl<T: Send + Sync> Sync for Gate<T> {}

impl<T> Gate<T> {
    /// A place with nothing in it.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// The value, if it is in place.
    ///
    /// # Safety
    /// As long as the reference is used, nobody may call [`replace`](Self::replace).
    #[inline]
    pub(crate) unsafe fn get(&self) -> Option<&T> {
        // SAFETY: nobody changes the value, as the caller promises.
        unsafe { (*self.0.get()).as_ref() }
    }

    /// Puts another value in place, or none, and gives the old one.
    ///
    /// # Safety
    /// No reference from [`get`](Self::get) may be in use, and nobody else may call this at the same time. Those who
    /// call `get` later must do so after something that orders them behind this call.
    pub(crate) unsafe fn replace(&self, value: Option<T>) -> Option<T> {
        // SAFETY: this is the only access, as the caller promises.
        unsafe { core::mem::replace(&mut *self.0.get(), value) }
    }
}

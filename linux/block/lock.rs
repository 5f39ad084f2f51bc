// SPDX-License-Identifier: GPL-2.0-only
//! A spin lock that an interrupt handler may take too (`spin_lock_irqsave`).
//!
//! `kernel::sync::SpinLockIrq` does the same from 7.3 on, at the price of nested counting; 7.2 has none.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};
use kernel::{bindings, prelude::*, sync::LockClassKey, types::Opaque};

/// Data shared with an interrupt handler.
#[pin_data]
pub struct IrqLock<T> {
    #[pin]
    raw: Opaque<bindings::spinlock_t>,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached under the lock only, by one CPU at a time, which needs it to be Send.
unsafe impl<T: Send> Send for IrqLock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for IrqLock<T> {}

impl<T> IrqLock<T> {
    /// A lock of the class `key`, named for lockdep.
    pub fn new(
        data: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is the memory of a lock nobody uses yet; name and key live for ever.
            raw <- Opaque::ffi_init(|slot| unsafe {
                bindings::__spin_lock_init(slot, name.as_char_ptr(), key.as_ptr())
            }),
            data: UnsafeCell::new(data),
        })
    }

    fn raw(&self) -> *mut bindings::raw_spinlock_t {
        // A spinlock_t starts with its raw lock.
        self.raw.get().cast()
    }

    /// Takes the lock with this CPU's interrupts off until the guard is dropped.
    #[inline]
    pub fn lock(&self) -> IrqGuard<'_, T> {
        // SAFETY: the lock was initialised by `new`.
        let flags = unsafe { bindings::_raw_spin_lock_irqsave(self.raw()) };
        IrqGuard {
            lock: self,
            flags,
            not_send: PhantomData,
        }
    }
}

/// The right to use the data of an [`IrqLock`]. It stays on the CPU that made it.
pub struct IrqGuard<'a, T> {
    lock: &'a IrqLock<T>,
    flags: usize,
    not_send: PhantomData<*mut ()>,
}

impl<T> Deref for IrqGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for IrqGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed mutably.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for IrqGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this guard took the lock with these flags, on this CPU since it cannot be sent.
        unsafe { bindings::_raw_spin_unlock_irqrestore(self.lock.raw(), self.flags) };
    }
}

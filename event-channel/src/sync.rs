// SPDX-License-Identifier: GPL-2.0-only
//! The one switch between real atomics and loom's model of them.
//!
//! Every operation on shared state here is sequentially consistent, which costs
//! nothing on x86: each is a locked instruction or a plain load. Loom models that
//! order for fences only, so its build puts one wherever an argument rests on it.

#[cfg(not(all(test, loom)))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};
#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};

#[cfg(all(test, loom))]
pub(crate) use loom::sync::Mutex;
#[cfg(all(test, not(loom)))]
pub(crate) use std::sync::Mutex;

/// Marks a place where a write before must be seen by others before a read after
/// is made. Both must be `SeqCst`; then only loom needs a fence for it.
#[inline(always)]
pub(crate) fn store_before_load() {
    #[cfg(all(test, loom))]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Adds one to a counter that only one context at a time writes: no locked
/// instruction. Readers see some recent value.
#[inline(always)]
pub(crate) fn count(counter: &AtomicU64, n: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}

// SPDX-License-Identifier: GPL-2.0-only
//! The one place that chooses between the real atomics and those of the model checker.
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::Ordering;

use crate::shared::SharedU32;

/// Stores `value` in `word`, behind all that was stored before, and ahead of every `SeqCst` load that follows: the
/// peer, on another CPU too, does the same with the two words the other way round, and one of the two sees the other.
///
/// It is one locked instruction on every build: the kernel's own `smp_mb` is none on a uniprocessor one, while the
/// backend runs on another CPU all the same. (A store and a fence would be a store and `mfence`, which is slower.)
#[inline]
pub(crate) fn store_ahead_of_loads(word: &SharedU32, value: u32) {
    #[cfg(not(loom))]
    word.store(value, Ordering::SeqCst);
    // Loom models that order for fences only.
    #[cfg(loom)]
    {
        word.store(value, Ordering::Release);
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

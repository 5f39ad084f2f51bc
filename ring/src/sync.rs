// SPDX-License-Identifier: GPL-2.0-only
//! The one place that chooses between the real atomics and those of the model checker.
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{fence, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{fence, Ordering};

/// Orders all that was stored before against all that is loaded after, for the peer on another CPU too.
///
/// It is a full fence on every build: the kernel's own `smp_mb` is none on a uniprocessor one, while the backend
/// runs on another CPU all the same.
#[inline]
pub(crate) fn full_barrier() {
    fence(Ordering::SeqCst);
}

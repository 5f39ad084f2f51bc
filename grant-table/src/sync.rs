// SPDX-License-Identifier: GPL-2.0-only
//! The one switch between real atomics and loom's model of them.

#[cfg(not(all(test, loom)))]
pub(crate) use core::sync::atomic::{fence, AtomicU16, AtomicU32, AtomicU64, Ordering};
#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::{fence, AtomicU16, AtomicU32, AtomicU64, Ordering};

// SPDX-License-Identifier: GPL-2.0-only
//! Softirqs held off (`local_bh_disable`).

use kernel::types::NotThreadSafe;

use crate::ffi;

/// While it lives no softirq runs on this CPU: process context may take a spinlock that softirqs take.
pub struct BhDisabled {
    _cpu: NotThreadSafe,
}

impl BhDisabled {
    /// Holds them off. Nests.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        // SAFETY: May be called in any context but with hard interrupts off, and our drop undoes it on the same CPU:
        // the value cannot leave the thread, which cannot leave the CPU.
        unsafe { ffi::xenpv_bh_disable() };
        Self {
            _cpu: NotThreadSafe,
        }
    }
}

impl Drop for BhDisabled {
    fn drop(&mut self) {
        // SAFETY: Undoes the call in `new`, on the same CPU.
        unsafe { ffi::xenpv_bh_enable() };
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Tells Xen of a panic, so that the host does what the guest's configuration says of a crash (`on_crash=`).
//!
//! C counterpart: `xen_panic_event` in `arch/x86/xen/enlighten.c`.

use kernel::prelude::*;
use linux::panic::PanicHook;
use xen_hypercall::Xen;
use xen_sys::{Hypervisor, ShutdownReason};

/// From now on and as long as the result lives, a panic ends the domain as crashed.
///
/// # Errors
/// `EEXIST` when the hook is taken.
pub(crate) fn report() -> Result<PanicHook> {
    PanicHook::register(crashed)
}

/// The kernel has panicked: its other CPUs are stopped, and what it had to say is said.
extern "C" fn crashed() {
    // It does not return. If Xen refuses, the panic goes on as without us.
    let _ = Xen.sched_shutdown(ShutdownReason::Crash);
}

// SPDX-License-Identifier: GPL-2.0-only
//! Makes room for another kernel (kexec), whose memory is what this one has shared with the backends. One that comes
//! because this one has crashed has memory of its own, and finds the devices as they are.

use kernel::prelude::*;
use linux::power::KexecHook;

/// From now on and as long as the result lives, the devices are closed before another kernel takes over.
///
/// # Errors
/// `EEXIST` when the hook is taken.
pub(crate) fn follow() -> Result<KexecHook> {
    KexecHook::register(leave)
}

extern "C" fn leave() {
    pr_info!("another kernel takes over: the devices are closed\n");
    xen_bus::retire();
}

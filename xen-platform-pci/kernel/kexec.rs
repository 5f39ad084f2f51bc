// SPDX-License-Identifier: GPL-2.0-only
//! Makes room for another kernel (kexec), whose memory is what this one has shared with the backends. One that comes
//! because this one has crashed has memory of its own, and finds the devices as they are.

use kernel::prelude::*;
use linux::power::KexecHook;

/// How long backends have to let go of what they were granted, in milliseconds.
const PATIENCE_MS: u64 = 2000;

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
    // Backends let go a little after they have seen that a device is closed.
    let left = xen_grants::settle(PATIENCE_MS);
    if left != 0 {
        pr_warn!("{left} pages are still mapped by other domains, which may write to the next kernel's memory\n");
    }
}

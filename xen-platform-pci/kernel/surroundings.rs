// SPDX-License-Identifier: GPL-2.0-only
//! Where the module must not run, each case with its line and error.

use kernel::error::code::{EBUSY, ENODEV};
use kernel::prelude::*;
use linux::pci::{self, PlatformDevice, Presence};

/// Refuses to run beside the kernel's own Xen support.
///
/// # Errors
/// `EBUSY`.
pub(crate) fn check_builtin() -> Result {
    if pci::builtin_xen_active() {
        pr_err!("the kernel's own Xen drivers are active: boot with xen_nopv on the kernel command line to use these\n");
        return Err(EBUSY);
    }
    Ok(())
}

/// Takes the platform device.
///
/// # Errors
/// `ENODEV` when there is none, `EBUSY` when another driver has it, or why it could not be enabled.
pub(crate) fn claim_device() -> Result<PlatformDevice> {
    match PlatformDevice::presence() {
        Presence::Absent => {
            pr_err!("no Xen platform device (PCI 5853:0001): set xen_platform_pci=1 in the guest's configuration\n");
            Err(ENODEV)
        }
        Presence::Bound => {
            pr_err!("another driver is bound to the Xen platform device: unload it first\n");
            Err(EBUSY)
        }
        Presence::Free => PlatformDevice::claim().inspect_err(|error| {
            pr_err!("the Xen platform device cannot be enabled ({error:?})\n")
        }),
    }
}

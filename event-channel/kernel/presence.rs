// SPDX-License-Identifier: GPL-2.0-only
//! A sign for the toolstack that a driver is at work.
//!
//! `xl shutdown`, `reboot` and `save` take an HVM guest for one without drivers as long as its callback parameter is 0,
//! and refuse. With upcalls by vector the parameter has no other use: Xen then never raises the interrupt line that it
//! names, so any line will do. Linux's own support does the same (`xen_setup_upcall_vector` in `arch/x86/xen`).

use kernel::prelude::*;
use xen_hypercall::{to_error, Xen};
use xen_sys::{hvm, Hypervisor};

/// The sign; taken back on drop.
pub(crate) struct Presence;

impl Presence {
    /// Gives the sign. Only when every vCPU's upcalls come by vector, vCPU 0's first.
    ///
    /// # Errors
    /// What Xen said.
    pub(crate) fn show() -> Result<Self> {
        Xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, hvm::CALLBACK_PRESENT)
            .map_err(to_error)?;
        Ok(Self)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Err(error) = Xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, hvm::CALLBACK_NONE) {
            pr_err!(
                "the toolstack goes on to see a driver: {}\n",
                format_args!("{error}")
            );
        }
    }
}

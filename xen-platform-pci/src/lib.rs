// SPDX-License-Identifier: GPL-2.0-only
//! The decisions of the platform module itself, without a kernel under them.
//!
//! * [`hypervisor`]: what the files in `/sys/hypervisor` say.
//! * [`unplug`]: taking emulated devices away from the guest, so that each device is there once.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod hypervisor;
pub mod unplug;

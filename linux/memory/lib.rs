// SPDX-License-Identifier: GPL-2.0-only
//! What a memory balloon needs of the kernel: pages that can do without their memory, and files to watch it by.
//!
//! 1. [`Batch`] takes pages from the guest and owns them as long as they have memory.
//! 2. [`OutList`] owns those that have none, and finds again what an earlier load of the module left.
//! 3. [`present`] and [`available`] count the guest's pages.
//! 4. [`Subsystem`] shows a device with files below `/sys/devices/system`.
//!
//! C counterparts: `include/linux/mm.h`, `include/linux/page-flags.h` (PageOffline), `include/linux/device/bus.h`.
#![no_std]
#![warn(missing_docs)]

mod ffi;
mod pages;
mod sysfs;

pub use pages::{available, present, relax, Batch, OutList};
pub use sysfs::{AttributeList, Attributes, File, Files, Subsystem};

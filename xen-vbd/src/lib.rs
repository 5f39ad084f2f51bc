// SPDX-License-Identifier: GPL-2.0-only
//! The decisions of a Xen block frontend, without a kernel under them.
//!
//! In the order in which a disk comes up:
//! 1. [`Placement`]: from the virtual device number to a Linux name and minors.
//! 2. [`Properties`]: what the backend says of its disk, checked.
//! 3. [`Queue`]: one ring with its shadow table; requests go in, checked answers come out.
//! 4. [`Patience`]: how long I/O waits when the backend is gone.
//!
//! The backend is not trusted. Everything read from it is copied once and held against private state; what
//! cannot be true is a [`Violation`], after which the queue neither writes to the ring nor reads from it again
//! and only hands back what it holds.
//!
//! C counterparts: `xen/include/public/io/blkif.h`, `drivers/block/xen-blkfront.c`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod device_number;
mod patience;
mod properties;
mod queue;
mod segments;

pub use device_number::{
    parse_virtual_device, BadDeviceNumber, DiskName, Family, Minors, Placement, XENVBD_MAJOR,
};
pub use patience::Patience;
pub use properties::{capacity, BackendNodes, BadProperty, Properties, MAX_LOGICAL_BLOCK};
pub use queue::{Counters, Direction, Flush, Outcome, Queue, Slot, Violation};
pub use segments::{IndirectPage, MAX_DIRECT_BYTES, MAX_INDIRECT_SEGMENTS};

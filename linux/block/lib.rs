// SPDX-License-Identifier: GPL-2.0-only
//! Block disks of the kernel, as a driver with several hardware queues needs them.
//!
//! The `kernel` crate's `block::mq` has no operation, sector, data, limits, time-out or hardware queue
//! yet, so this crate stands on the raw bindings and on `shim.c`, which absorbs what differs between
//! kernel versions. In the order of use:
//!
//! 1. [`Major`] takes a major number.
//! 2. [`Operations`] is what the driver does with requests; [`Disk`] holds it, the tag set and the gendisk.
//! 3. [`Request`] is one owned request: whoever holds it ends it, completes it or gives it back, once.
//! 4. [`IrqLock`] is the lock for what an interrupt handler and `queue_rq` share.
//!
//! C counterparts: `include/linux/blk-mq.h`, `include/linux/blkdev.h`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod disk;
mod ffi;
mod lock;
mod major;
mod operations;
mod request;

pub use disk::{Counter, Disk, DiskConfig};
pub use lock::{IrqGuard, IrqLock};
pub use major::Major;
pub use operations::{Operations, QueueSetup};
pub use request::{CompletedList, Finished, Op, Request, Status};

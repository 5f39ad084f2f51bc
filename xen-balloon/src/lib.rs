// SPDX-License-Identifier: GPL-2.0-only
//! The memory balloon's decisions, without a kernel: how many pages the guest should have, what to do next about it,
//! and when to try again.
//!
//! - [`node`] reads the toolstack's nodes below `memory/`;
//! - [`Target`] turns them into pages that the guest should have, never fewer than the [`floor`];
//! - [`Balloon`] knows the pages that are out, and says step by step what to do;
//! - [`Schedule`] says when, after something went wrong.
//!
//! All counts are pages of 4096 bytes unless a name says otherwise; time is an argument, in milliseconds of any clock
//! that only moves forward. Linux's counterparts are `drivers/xen/balloon.c` and `drivers/xen/xen-balloon.c`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod balloon;
pub mod node;
mod schedule;
mod target;

pub use balloon::{Balloon, Ended, Step, BATCH};
pub use schedule::Schedule;
pub use target::{floor, Target};

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// KiB of a page.
pub const PAGE_KIB: u64 = PAGE_SIZE / 1024;

#[cfg(test)]
mod tests;

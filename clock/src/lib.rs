// SPDX-License-Identifier: GPL-2.0-only
//! Xen's clock without a kernel: nanoseconds since the host has started, without an exit.
//!
//! Xen keeps a [`TimeInfo`] for each vCPU in our memory: the time at some moment, what the CPU's counter (TSC) was then,
//! and how fast it counts. From that and the counter now anybody has the time now ([`Sample::time`]).
//!
//! Xen rewrites it when the vCPU changes its physical CPU, and about once a second. A *version* that is odd meanwhile, and
//! another one afterwards, tells a reader that he has seen something in between ([`TimeInfo::sample`]).
//!
//! Physical CPUs agree only roughly. Where Xen does not promise that they agree, [`Clock`] sees to it that time never
//! goes back from one vCPU to another.
//!
//! # What this crate does not promise
//! The time counts from the start of the host. A domain that goes on in another host finds another time there: see
//! [`Clock::forget`].
//!
//! C counterparts: `struct vcpu_time_info` in `xen/include/public/xen.h`; in Linux `arch/x86/kernel/pvclock.c` and
//! `arch/x86/xen/time.c`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod clock;
mod info;
mod sync;

pub use clock::Clock;
pub use info::{Sample, TimeInfo};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

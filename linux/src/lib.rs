// SPDX-License-Identifier: GPL-2.0-only
//! What the services and drivers need of Linux and the `kernel` crate of the stock kernel does not have.
//!
//! Each module wraps one part of Linux in a type that owns what it took and gives it back on drop. What C has only
//! inline, as a macro or in a shape that shifts between versions is reached through the shims in `linux/c`. No decision
//! about Xen is made here.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

pub mod area;
pub mod bus;
pub mod clocksource;
pub mod delayed_work;
pub mod emulated;
pub mod file;
pub mod hotplug;
pub mod hypervisor;
pub mod ioport;
pub mod irq;
pub mod memremap;
pub mod page;
pub mod panic;
pub mod pci;
pub mod power;
pub mod room;
pub mod stop;
pub mod thread;
pub mod timer;
pub mod vector;
pub mod workqueue;

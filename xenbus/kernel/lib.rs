// SPDX-License-Identifier: GPL-2.0-only
//! The kernel half of xenstore and of the bus: the connection, the threads, the devices in Linux.
//!
//! Three threads serve the whole:
//!
//! * `xenpv-store` (`reader`) takes messages out of the store's ring: replies wake the one who asked, events are
//!   noted with their watch. It never asks the store anything itself.
//! * `xenpv-bus` (`worker`) brings the connection up (and up again), runs the callbacks of watches, takes up and drops
//!   devices, and moves each device's state machine. Frontends are called here, one call at a time for each device.
//! * `xenpv-user` (`user`) asks what the processes want to know that have /dev/xen/xenbus open, one request at a time.
//!
//! Requests go out from whatever thread asks, many at a time, and each waits for its own reply (`link`). What is
//! decided is decided in the pure crate `xenbus`.
//!
//! Locks, in the order in which they nest: a device's `core`, the link's `io`, the `book` of watches. A user's file has
//! its own, which are held while no other is taken. No callback runs under `io` or `book`; a device's callbacks run under its `core`, which their own store calls do not need.
//!
//! C counterparts: `drivers/xen/xenbus/xenbus_comms.c`, `xenbus_xs.c`, `xenbus_client.c`, `xenbus_probe*.c`,
//! `xenbus_dev_frontend.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod connection;
mod counters;
mod device;
mod driver;
mod enumerate;
mod lifecycle;
mod link;
mod reader;
mod service;
pub mod store;
mod suspend;
mod user;
mod watches;
mod worker;

pub use counters::{counters, Counters};
pub use device::{Device, DeviceTransaction, Otherend, Stay};
pub use driver::{register_driver, Driver, DriverRegistration, Frontend};
pub use service::{retire, start, Bus};
pub use suspend::suspend;
pub use user::StoreDevice;
pub use xen_sys::{Domid, XenbusState};

/// A counted reference to a device, the one of Linux's driver model.
pub type DeviceRef = kernel::sync::aref::ARef<linux::bus::BusDevice<Device>>;

/// What the kernel's print macros put before each line of this crate.
const __LOG_PREFIX: &[u8] = b"xen-platform-pci\0";

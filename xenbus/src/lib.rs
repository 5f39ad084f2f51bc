// SPDX-License-Identifier: GPL-2.0-only
//! The decisions of a xenstore client and of a xenbus frontend, without a kernel.
//!
//! Three layers, each usable (and tested) alone:
//!
//! 1. The wire: [`wire`] (messages and an incremental parser), [`errors`], [`path`], [`text`].
//! 2. The client: [`table`] (requests in flight), [`watch`] (watches and their bounded event
//!    queues), [`transaction`] (retry policy), put together in [`client`].
//! 3. The bus: [`device`] (names, what a change in the store means), [`frontend`] (the state
//!    machine that brings one device up, down and back again).
//!
//! Beside them [`control`]: what the toolstack asks of the guest as a whole, and [`user`]: a process of the guest that
//! talks to the store through a file.
//!
//! Nothing here sleeps, allocates or reads a clock. Time is an argument: milliseconds of any
//! monotonic clock, see [`Millis`]. Whatever comes from the store is believed only after it was
//! checked here; nonsense becomes an error or a counter, never a panic.
//!
//! Xen's own descriptions: `xen/include/public/io/xs_wire.h`, `xen/include/public/io/xenbus.h`,
//! `docs/misc/xenstore.txt`, `docs/misc/xenstore-ring.txt`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod client;
pub mod control;
pub mod device;
pub mod errors;
pub mod frontend;
pub mod hold;
pub mod path;
pub mod table;
pub mod text;
pub mod transaction;
pub mod user;
pub mod watch;
pub mod wire;

#[cfg(all(test, loom))]
mod loom_tests;

/// A moment, in milliseconds of one monotonic clock that the caller chooses.
pub type Millis = u64;

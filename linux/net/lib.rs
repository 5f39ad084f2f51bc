// SPDX-License-Identifier: GPL-2.0-only
//! Network interfaces of the kernel, as a driver with one NAPI context needs them.
//!
//! The `kernel` crate has no net_device, NAPI or sk_buff yet. This crate leaves the first two opaque and goes through
//! `shim.c`, which absorbs what differs between kernel versions (see `docs/decisions`). In the order of use:
//!
//! 1. [`Operations`] is what the driver does for its interface; [`NetDevice`] owns the interface and calls it.
//! 2. [`Interface`] is what any operation may do to the interface: stop and wake the queue, set the carrier, ask for a
//!    poll.
//! 3. [`Skb`] is a packet to be sent: whoever holds it consumes or drops it, once.
//! 4. [`Napi`] is the poll in which [`RxSkb`]s are made and delivered.
//! 5. [`BhDisabled`] lets process context take a lock that softirqs take.
//!
//! C counterparts: `include/linux/netdevice.h`, `include/linux/skbuff.h`.
#![no_std]
#![warn(missing_docs)]

mod bh;
mod device;
mod ffi;
mod skb;

pub use bh::BhDisabled;
pub use device::{
    CounterList, CounterNames, Interface, Limits, Napi, NetDevice, Operations, QueueGuard,
    Statistics,
};
pub use skb::{GsoKind, RxChecksum, RxSkb, Skb, TxInfo};

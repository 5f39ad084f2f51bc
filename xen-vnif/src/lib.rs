// SPDX-License-Identifier: GPL-2.0-only
//! The network frontend's decisions, without a kernel: what goes into a slot, which response is to be believed, and
//! what the two ends agree on.
//!
//! The parts (the slots' own layout is in `xen_sys::netif`, the rings' algebra in `ring`):
//! - [`tx`]: a packet becomes slots ([`tx::Packet`]), ids are handed out and claimed back ([`tx::TxTable`]);
//! - [`rx`]: responses become frames ([`rx::Assembler`]), whatever they say;
//! - [`TxQueue`] and [`RxQueue`]: both with their rings, and when to ask the backend for an event;
//! - [`gso`]: packets that are larger than the wire bears;
//! - [`features`]: xenstore's nodes, the MAC address, the MTU;
//! - [`stack`]: what the network stack is told under its own lock.
//!
//! Pages, grants and skbs are closures and type parameters here and real things in `xen-vnif/kernel`. Linux's counterpart is
//! `drivers/net/xen-netfront.c`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod features;
pub mod gso;
pub mod rx;
mod rx_queue;
pub mod stack;
pub mod tx;
mod tx_queue;
mod violation;

pub use rx_queue::{Received, RxQueue};
pub use tx_queue::{NotPushed, Reaped, TxQueue};
pub use violation::Violation;

/// What has gone over one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Slots filled for the backend.
    pub requests: u64,
    /// Slots that the backend answered.
    pub responses: u64,
}

/// Slots of each of the two rings, which have one page.
pub const RING_SLOTS: usize = 256;

/// Most bytes of one packet on either ring: the size field has 16 bits.
pub const PACKET_MAX: u32 = xen_sys::netif::MAX_TX_SIZE as u32;

/// Bytes of an Ethernet header: no packet is shorter.
pub const ETH_HLEN: u32 = 14;

/// Bytes of a granted page.
pub const PAGE_SIZE: u32 = xen_sys::PAGE_SIZE as u32;

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: GPL-2.0-only
//! The network frontend's decisions, without a kernel: what goes into a slot, which response is to be believed, and
//! what the two ends agree on.
//!
//! The layers, from the wire up:
//! - [`wire`]: the slots' layout and flags, as `xen/include/public/io/netif.h` has them;
//! - [`tx`]: a packet's fragments become slots ([`tx::Plan`]), ids are handed out and claimed back ([`tx::TxTable`]);
//! - [`rx`]: pages lie in slots ([`rx::RxTable`]), responses become frames ([`rx::Assembler`]), whatever they say;
//! - [`refill`]: when to try again once memory ran out;
//! - [`features`]: xenstore's nodes, the MAC address, the MTU.
//!
//! The rings themselves are the `ring` crate's; pages, grants and skbs are type parameters here and real things in
//! `xen-vnif/kernel`. Linux's counterpart is `drivers/net/xen-netfront.c`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod features;
pub mod refill;
pub mod rx;
pub mod tx;
pub mod wire;

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: GPL-2.0-only
//! Xen's shared rings, seen from the side that does not trust the other.
//!
//! From the bottom up:
//! * [`SharedMemory`]: a range of memory that the peer may change at any moment. It is read and written by atomic
//!   copies only, never through a reference to plain data. Its file holds the crate's only unsafe code.
//! * Index algebra: ring indices are free-running `u32`s; how far one is ahead of another is their wrapping
//!   difference.
//! * [`FrontRing`] and [`BackRing`]: the request/response rings of `xen/include/public/io/ring.h`.
//! * [`ByteProducer`] and [`ByteConsumer`]: the byte streams of xenstore and of the console;
//!   [`XenstoreRing`] is the pair that xenstore's page holds.
//!
//! Three rules hold throughout. An index of the peer is loaded once, bounded by what we know ourselves, and only
//! then used. A slot is copied out whole before anybody looks at it. What we wrote ourselves is kept in private
//! and never read back. An index that cannot be true is a [`RingViolation`]: the ring stays in that state until
//! it is dropped, and the device is to be taken down.
//!
//! No function notifies the peer: those after which a notification may be due return [`Notify`].
//! No function blocks, allocates or panics. Methods that change a ring take `&mut self`: the lock is the caller's.
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(any(test, loom, feature = "host"))]
extern crate std;

mod back;
mod byte;
mod error;
mod front;
#[cfg(not(loom))]
mod host;
mod index;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(not(loom))]
#[allow(unsafe_code)]
mod shared;
#[cfg(loom)]
#[path = "shared_loom.rs"]
mod shared;
mod slots;
mod sync;
mod xenstore;

pub use back::BackRing;
pub use byte::{ByteConsumer, ByteProducer, ByteRingLayout, Moved};
pub use error::{BadRingMemory, Notify, RingFull, RingViolation};
pub use front::FrontRing;
#[cfg(all(not(loom), any(test, feature = "host")))]
pub use host::HostMemory;
pub use index::capacity;
pub use shared::{OutOfBounds, SharedMemory, SharedU32};
pub use slots::{Slot, HEADER_SIZE};
pub use xenstore::XenstoreRing;

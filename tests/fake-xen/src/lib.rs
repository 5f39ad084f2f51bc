// SPDX-License-Identifier: GPL-2.0-only
//! Xen and the peers of a frontend, in one process.
//!
//! What stands where the machine would be:
//! * [`FakeXen`]: the hypervisor, as the [`Hypervisor`](xen_sys::Hypervisor) trait sees it, with the memory it shares
//!   with the guest: event bits, vCPU words, grant entries. Every hypercall can be made to fail ([`Faults`]).
//! * [`GuestPage`], [`Grants`], [`Granted`]: the guest's pages and grants, owned the way the kernel half owns them.
//!   A page that is freed while a peer may use it is a finding ([`FakeXen::assert_sound`]).
//! * [`Xenstored`]: xenstore's server on its ring page, honest or with [`Manners`] that are not.
//! * [`Blkback`] and [`Netback`]: honest backends, strict about what a frontend sends; [`BackendDriver`]: either
//!   with a device's life in the store.
//! * [`hostile`]: strategies for proptest by which a backend does what none should.
//!
//! Nothing here sleeps or runs by itself: tests say whose turn it is, so a failure can be repeated.

mod about;
mod backend_driver;
mod blkback;
mod channels;
mod faults;
mod foreign;
mod grants;
pub mod hostile;
mod memory;
mod netback;
mod store;
mod store_client;
mod store_tree;
mod xen;

pub use backend_driver::{Backend, BackendDriver, BlkbackDriver, NetbackDriver};
pub use blkback::{answered_operation, Blkback, Order};
pub use channels::BackendPort;
pub use faults::{Call, Faults};
pub use foreign::Foreign;
pub use grants::{Granted, Grants};
pub use memory::{GuestPage, Mapping};
pub use netback::{Netback, Packet, Quarrel};
pub use store::{Manners, Xenstored};
pub use store_client::{StoreClient, StoreFailure};
pub use store_tree::Tree;
pub use xen::{FakeXen, BACKEND, GRANT_FRAMES_GFN, GUEST};

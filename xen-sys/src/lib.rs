// SPDX-License-Identifier: GPL-2.0-only
//! The Xen ABI, as an x86_64 HVM guest sees it.
//!
//! * [`generated`]: bindgen's reading of the Xen public headers, with their own names. It is committed, and
//!   `xen-sys/regenerate --check` proves that it is what the headers give.
//! * Newtypes ([`Domid`], [`Gfn`], [`Port`], [`GrantRef`], [`VcpuId`]) so that a port is never taken for a
//!   grant reference.
//! * Wire structures ([`blkif`], [`netif`], [`xenstore`], [`grant_table`], [`shared_info`], [`console`]): each is
//!   `IntoBytes`, which the compiler grants only to a type without a single undefined byte, so that no stale byte
//!   of the guest's memory can leave through a ring (XSA-216). Constant assertions tie each one to the layout
//!   that bindgen found in the C headers.
//! * [`Hypervisor`]: the operations that the other rooms ask of Xen. The real one issues hypercalls; tests use a
//!   fake. [`About`]: what Xen says about itself.
//!
//! This crate decides nothing and holds no state.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

mod about;
pub mod blkif;
pub mod console;
pub mod cpuid;
mod error;
pub mod event_channel;
#[allow(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    dead_code,
    clippy::all
)]
pub mod generated;
mod grant_ops;
pub mod grant_table;
pub mod hvm;
mod hypervisor;
mod ids;
pub mod netif;
pub mod shared_info;
mod xenbus_state;
pub mod xenstore;

pub use about::{About, BuildId, CompileInfo, DomainHandle, Text};
pub use error::XenError;
pub use grant_ops::{
    CopyEnd, GrantCopy, GrantHandle, GrantMap, GrantOperation, GrantStatus, GrantUnmap,
};
pub use hypervisor::{
    GrantTableSize, Hypervisor, PhysmapSpace, PortBinding, PortStatus, Result, ShutdownReason,
    Suspended, Version,
};
pub use ids::{Domid, Gfn, GrantRef, Port, VcpuId, WatchdogId};
pub use xenbus_state::XenbusState;

/// Bytes in a page: the unit of grants, of ring pages and of everything counted in gfns.
pub const PAGE_SIZE: usize = 4096;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;

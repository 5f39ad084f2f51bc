// SPDX-License-Identifier: GPL-2.0-only
//! The kernel half of the grant table: the shared frames, the lock around the allocator, and the pages that wait for
//! their peers.
//!
//! How a page is shared with a backend and comes back:
//!
//! 1. [`allocate`] gives a [`FreeRef`]: a reference that grants nothing.
//! 2. [`FreeRef::grant`] writes the entry and gives an [`ActiveRef`]; its number goes to the backend.
//! 3. [`ActiveRef::try_end`] gives the [`FreeRef`] back, or the [`ActiveRef`]: the backend still maps the page.
//! 4. [`Granted`] ties an owned page to its grant: whoever drops it either has the page back, or the *deferred list*
//!    owns page and reference until the backend lets go. The page is never freed before, whatever the backend does.
//!
//! A device takes its references from its [`GrantAccount`], which has a quota; those of [`allocate`] are nobody's.
//!
//! The other way round, [`ForeignPages`] are other domains' pages in the guest, and [`copy`] moves bytes to and from them.
//!
//! Ending a grant is one compare-and-swap without a lock; allocating and freeing take a short spinlock. All of it may
//! be done in hardirq context. What is decided is decided in the pure crate `grant_table`.
//!
//! C counterpart: `drivers/xen/grant-table.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod account;
mod foreign;
mod granted;
mod reference;
mod retry;
mod table;

pub use account::{Accounts, GrantAccount};
pub use foreign::{copy, ForeignPages};
pub use grant_table::{Access, TooManyKept, Version, Wanted};
pub use granted::{Granted, Owner};
pub use reference::{ActiveRef, FreeRef};
pub use retry::settle;
pub use table::{
    allocate, allocate_many, counters, domain, may_share_with, remake, start, Counters, Grants,
};

const __LOG_PREFIX: &[u8] = b"xen-platform-pci\0";

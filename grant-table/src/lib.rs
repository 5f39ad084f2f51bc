// SPDX-License-Identifier: GPL-2.0-only
//! The grant table without a kernel: which word goes into an entry, which
//! reference is handed out next, and when a page that its peer still maps may
//! be given back.
//!
//! A *grant* lets one other domain map or copy one of our pages. It is an
//! 8-byte entry in a table that Xen reads; the entry's index is the *grant
//! reference* which a frontend sends to its backend. Three layers, bottom up:
//!
//! 1. [`Entry`]: the words of one version 1 entry, and the only two legal
//!    changes to them: [`Entry::grant`] and [`Entry::try_end`]. [`TableV2`] is the
//!    same for version 2, [`EntryRef`] either.
//! 2. [`RefTable`]: which references are free, in use or waiting for their
//!    peer. Every operation is O(1) on storage that the caller gave.
//!    Each reference is on an account, [`AccountId`], and no account may have more
//!    than its quota.
//! 3. [`Tick`]: the deferred revoke. A page whose peer does not let go is owned
//!    by the table until it does; the peer can neither make us free it nor make
//!    us spend our time on it.
//!
//! The kernel half (`grant-table/kernel`, crate `xen_grants`) adds the memory,
//! the lock, the timer and the hypercalls.
//!
//! C counterparts: `xen/include/public/grant_table.h` and, in Linux,
//! `drivers/xen/grant-table.c`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod accounts;
mod batch;
mod deferred;
mod entries;
mod entry;
mod entry_v2;
pub mod foreign;
mod kept;
mod list;
mod remake;
mod sync;
mod table;
pub mod user;

pub use accounts::{AccountId, Directory, Usage, ACCOUNTS};
pub use batch::perform;
pub use deferred::{RevokePolicy, Step, Tick};
pub use entries::{Entries, EntryRef, Version};
pub use entry::{Access, Entry, FrameTooHigh, StillInUse, ENTRIES_PER_FRAME};
pub use entry_v2::{EntryV2, Status, TableV2};
pub use kept::TooManyKept;
pub use remake::{choose_version, remake, Chosen, Layout, Wanted};
pub use table::{Counters, NoSpace, NotInUse, RefTable, Slot, RESERVED_ENTRIES};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod model_tests;

// SPDX-License-Identifier: GPL-2.0-only
//! Grants for processes: what libxengnttab, and by it libxenvchan, opens in /dev/xen.
//!
//! * [`alloc`]: /dev/xen/gntalloc, pages of the guest that processes share with other domains.
//! * [`map`]: /dev/xen/gntdev, other domains' pages in processes; `copy` moves bytes from and to them.
//! * `notice`: what a peer is told when a page is over, however the process ended.
//!
//! What may be asked is decided in [`grant_table::user`]. Two rules against deadlock: a process's memory is locked while
//! it maps and unmaps, so no lock that is taken there is held while bytes are copied from or to the process; and what a
//! file gives up is dropped when the file's lock is free again.
//!
//! In a new domain that goes on after a suspend, nothing that a process has shared or mapped before is shared or mapped any
//! more: a peer's number may be another's there, so nothing is granted anew. Memory stays where it is until the process
//! lets go of it, and is counted.
//!
//! C counterparts: `drivers/xen/gntalloc.c`, `drivers/xen/gntdev.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod alloc;
mod copy;
mod map;
mod notice;

use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use grant_table::user::{Argument, Refused, ARGUMENT_MAX};
use kernel::error::code::{EINVAL, ENOENT, ENOSPC, ENOTTY};
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};
use linux::file::Device;

const __LOG_PREFIX: &[u8] = b"xen-platform-pci\0";

/// How many pages processes may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Granted by all files of /dev/xen/gntalloc together.
    pub granted: u32,
    /// Of other domains, in one file of /dev/xen/gntdev.
    pub mapped: u32,
}

/// The devices, as long as this lives. Dropped before [`xen_grants::Grants`], with no file open.
pub struct GrantDevices {
    _alloc: Device<alloc::AllocFile>,
    _map: Device<map::MappingFile>,
}

impl GrantDevices {
    /// Shows /dev/xen/gntalloc and /dev/xen/gntdev. Processes may have them open from then on.
    ///
    /// # Errors
    /// `EEXIST` when there is one, `ENOMEM`.
    pub fn show(limits: Limits) -> Result<Self> {
        alloc::start()?;
        alloc::PAGES.set_limit(limits.granted, alloc::LIMIT_MAX);
        map::set_limit(limits.mapped);
        Ok(Self {
            _alloc: Device::register_mappable(c"xen/gntalloc")?,
            _map: Device::register_mappable(c"xen/gntdev")?,
        })
    }
}

/// What processes have at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Pages that processes share with other domains.
    pub granted: usize,
    /// References to other domains' pages that files have, mapped or not.
    pub named: usize,
    /// Those of both that are of a domain before this one.
    pub expired: usize,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "user_granted {}", self.granted)?;
        writeln!(f, "user_named {}", self.named)?;
        writeln!(f, "user_expired {}", self.expired)
    }
}

/// What processes have now.
pub fn counters() -> Counters {
    Counters {
        granted: alloc::PAGES.count(),
        named: map::REFS.count(),
        expired: alloc::PAGES.expired().saturating_add(map::REFS.expired()),
    }
}

/// Counts what processes have, up to a limit.
struct Tally {
    count: AtomicUsize,
    limit: AtomicUsize,
    /// Those of the latest domain: its number in the upper half, so many in the lower.
    latest: AtomicU64,
}

impl Tally {
    const fn new(limit: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            latest: AtomicU64::new(0),
        }
    }

    fn set_limit(&self, limit: u32, max: usize) {
        self.limit.store(max.min(limit as usize), Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Those that are of an earlier domain, and of no use in this one.
    fn expired(&self) -> usize {
        let latest = self.latest.load(Ordering::Relaxed);
        let living = match latest >> 32 == u64::from(xen_grants::domain()) {
            true => latest as u32 as usize,
            false => 0,
        };
        self.count().saturating_sub(living)
    }

    /// Counts `more`, unless that were too many.
    fn take(&'static self, more: usize) -> Result<Share> {
        let limit = self.limit.load(Ordering::Relaxed);
        let sum = |count: usize| count.checked_add(more).filter(|sum| *sum <= limit);
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum)
            .map_err(|_| ENOSPC)?;
        let domain = u64::from(xen_grants::domain());
        self.update_latest(|latest| match latest >> 32 {
            of if of == domain => Some(latest.wrapping_add(more as u64)),
            of if of < domain => Some(domain << 32 | more as u64),
            _ => None,
        });
        Ok(Share {
            tally: self,
            domain,
            count: more,
        })
    }

    fn update_latest(&self, change: impl FnMut(u64) -> Option<u64>) {
        let _ = self
            .latest
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

/// A part of what a [`Tally`] has counted.
struct Share {
    tally: &'static Tally,
    domain: u64,
    count: usize,
}

impl Share {
    /// One of it, on its own.
    fn split_one(&mut self) -> Option<Self> {
        self.count = self.count.checked_sub(1)?;
        Some(Self {
            tally: self.tally,
            domain: self.domain,
            count: 1,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.tally.count.fetch_sub(self.count, Ordering::Relaxed);
        let is_latest = |latest: &u64| latest >> 32 == self.domain;
        let rest = |latest: u64| latest.wrapping_sub(self.count as u64);
        self.tally
            .update_latest(|latest| Some(latest).filter(is_latest).map(rest));
    }
}

/// Linux's number for a refusal.
fn refusal(refused: Refused) -> Error {
    match refused {
        Refused::Unknown => ENOTTY,
        Refused::Invalid => EINVAL,
        Refused::Missing => ENOENT,
    }
}

/// Reads the `len` fixed bytes of a command's argument.
fn read_argument(from: UserPtr, len: usize) -> Result<Argument> {
    let mut argument = [0; ARGUMENT_MAX];
    let fixed = argument.get_mut(..len).ok_or(EINVAL)?;
    UserSlice::new(from, len).reader().read_slice(fixed)?;
    Ok(argument)
}

/// Writes to a process, `offset` bytes behind `to`.
fn write_at(to: UserPtr, offset: usize, bytes: &[u8]) -> Result {
    UserSlice::new(to.wrapping_byte_add(offset), bytes.len())
        .writer()
        .write_slice(bytes)
}

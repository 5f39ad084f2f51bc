// SPDX-License-Identifier: GPL-2.0-only
//! The devices' accounts of grant references: who has which, and how many each may have.

use crate::reference::FreeRef;
use crate::retry::now_seconds;
use crate::table::{self, quota, TABLE};
use core::fmt;
use core::sync::atomic::AtomicU64;
use grant_table::{AccountId, Directory, NoSpace, Usage, ACCOUNTS};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::global_lock;

/// Seconds between two messages about a device's quota.
const QUIET: u64 = 10;

global_lock! {
    // SAFETY: Initialised in `start`, before there are any accounts.
    unsafe(uninit) static NAMES: Mutex<Directory<KVec<u8>>> = Directory::new();
}

/// Makes everything here work. Once.
pub(crate) fn start() {
    // SAFETY: `table::start` runs once, and there are no accounts yet.
    unsafe { NAMES.init() };
}

/// What a device takes its grant references from: no more than its quota, deferred ones included. They stay on the account
/// until they are free again, even if that is after the device has gone.
pub struct GrantAccount {
    id: AccountId,
    name: CString,
    /// When the device was last said to be at its quota; 0 for never.
    said: AtomicU64,
}

impl GrantAccount {
    /// Opens the account of the device of this name. When there are too many devices it is nobody's, which has no quota.
    /// Process context.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn open(name: &CStr) -> Result<Self> {
        let mut bytes = KVec::new();
        bytes.extend_from_slice(name.to_bytes(), GFP_KERNEL)?;
        let ours = CString::try_from(name)?;
        let mut names = NAMES.lock();
        // Whoever opens has the names, so that an account which has nothing is not somebody else's a moment later.
        let id = names.open(bytes, |id| TABLE.lock().held(id));
        if id != AccountId::NOBODY {
            TABLE.lock().limit(id, quota());
        }
        drop(names);
        Ok(Self {
            id,
            name: ours,
            said: AtomicU64::new(0),
        })
    }

    /// As [`allocate`](crate::allocate), from this account.
    ///
    /// # Errors
    /// The same; `ENOSPC` also when the device would have more than its quota (with a message).
    pub fn allocate(&self) -> Result<FreeRef> {
        table::allocate_for(self.id).map_err(|refused| self.explain(refused))
    }

    /// As [`Self::allocate`], but says nothing about the quota: for those who can do without.
    ///
    /// # Errors
    /// The same.
    pub fn try_allocate(&self) -> Result<FreeRef> {
        table::allocate_for(self.id).map_err(Error::from)
    }

    /// As [`allocate_many`](crate::allocate_many), from this account.
    ///
    /// # Errors
    /// As [`Self::allocate`].
    pub fn allocate_many(&self, count: usize) -> Result<KVec<FreeRef>> {
        table::allocate_many_for(self.id, count).map_err(|refused| self.explain(refused))
    }

    /// Says, now and then, that the device is at its quota.
    #[cold]
    fn explain(&self, refused: table::Refused) -> Error {
        if let table::Refused::Space(NoSpace::Quota { wanted, left }) = refused {
            if table::is_time(&self.said, QUIET) {
                let (name, quota) = (&*self.name, quota());
                pr_err!("{name}: out of its quota of grant references: {wanted} wanted, {left} of {quota} left; a backend that keeps pages keeps them from its device: restart it, or raise grant_quota\n");
            }
        }
        refused.into()
    }
}

impl Drop for GrantAccount {
    fn drop(&mut self) {
        NAMES.lock().close(self.id);
    }
}

/// Who has which references now; prints as one line for each account.
pub struct Accounts;

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = KVec::from_elem(Usage::default(), ACCOUNTS, GFP_KERNEL);
        let mut usage = usage.map_err(|_| fmt::Error)?;
        // A frame at a time, so that nobody waits long for the lock.
        for frame in 0..table::counters().table.frames {
            TABLE.lock().add_deferred(frame, &mut usage);
        }
        TABLE.lock().add_held(&mut usage);
        let names = NAMES.lock();
        for (id, name, is_open) in names.iter() {
            let usage = usage.get(id.index()).copied().unwrap_or_default();
            if is_open || usage.held != 0 {
                line(f, core::str::from_utf8(name).unwrap_or("?"), usage)?;
            }
        }
        let nobody = usage.get(AccountId::NOBODY.index());
        line(f, "-", nobody.copied().unwrap_or_default())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, usage: Usage) -> fmt::Result {
    let Usage {
        held,
        deferred,
        oldest,
        quota,
    } = usage;
    let in_use = held.saturating_sub(deferred);
    let age = oldest.map_or(0, |since| now_seconds().saturating_sub(since));
    write!(
        f,
        "{name} in_use {in_use} deferred {deferred} oldest {age} quota "
    )?;
    match quota {
        u32::MAX => writeln!(f, "none"),
        quota => writeln!(f, "{quota}"),
    }
}

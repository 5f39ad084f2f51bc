// SPDX-License-Identifier: GPL-2.0-only
//! Whose the references are: each device has an account with a quota, so that none can take the whole table.
//!
//! A reference counts from the time it is handed out until it is free again: while it is deferred, too. So a device whose
//! backend keeps its pages has less and less to share with it, and the others lose nothing.

/// Accounts of a table, that of nobody in particular included.
pub const ACCOUNTS: usize = 256;

/// An account of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountId(u8);

impl AccountId {
    /// Of references that belong to no device. It has no quota.
    pub const NOBODY: Self = Self(0);

    /// All there are, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// Its place in lists of all accounts.
    #[inline]
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// How many references each account may still have.
#[derive(Debug)]
pub(crate) struct Quotas {
    left: [u32; ACCOUNTS],
    quota: [u32; ACCOUNTS],
}

impl Quotas {
    /// Nobody holds anything, and everybody may have all.
    pub(crate) const UNLIMITED: Self = Self {
        left: [u32::MAX; ACCOUNTS],
        quota: [u32::MAX; ACCOUNTS],
    };

    /// What the account may still have.
    #[inline]
    pub(crate) fn left(&mut self, account: AccountId) -> &mut u32 {
        let Self { left, .. } = self;
        // PANIC: there is a place for each number that 8 bits can have.
        &mut left[account.index()]
    }

    /// What the account has.
    pub(crate) fn held(&self, account: AccountId) -> u32 {
        let of = |list: &[u32; ACCOUNTS]| list.get(account.index()).copied().unwrap_or(0);
        of(&self.quota).saturating_sub(of(&self.left))
    }

    /// Lets the account have so many in all from now on. It has fewer than that.
    pub(crate) fn limit(&mut self, account: AccountId, quota: u32) {
        let held = self.held(account);
        if let Some(place) = self.quota.get_mut(account.index()) {
            *place = quota.max(held);
        }
        *self.left(account) = quota.saturating_sub(held);
    }

    /// What the account may have in all.
    pub(crate) fn quota(&self, account: AccountId) -> u32 {
        self.quota.get(account.index()).copied().unwrap_or(0)
    }
}

/// What an account has at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// References whose page is shared or may be, with those that wait for their peer.
    pub held: u32,
    /// Those that wait for their peer to let go.
    pub deferred: u32,
    /// Since when the first of these waits, in the caller's seconds.
    pub oldest: Option<u64>,
    /// What the account may have.
    pub quota: u32,
}

/// The accounts' names. A device that comes back while something of its account is still held gets the same account.
#[derive(Debug)]
pub struct Directory<N> {
    entries: [Option<Entry<N>>; ACCOUNTS],
}

#[derive(Debug)]
struct Entry<N> {
    name: N,
    /// Who has it open: more than one when a device is made anew before the old one is gone.
    opens: u32,
}

impl<N: PartialEq> Directory<N> {
    /// No account has a name.
    pub const fn new() -> Self {
        Self {
            entries: [const { None }; ACCOUNTS],
        }
    }

    /// Opens the account of this name. `held` says what an account has: one that is neither open nor has anything may
    /// get another name. When all are taken, it is [`AccountId::NOBODY`].
    pub fn open(&mut self, name: N, held: impl Fn(AccountId) -> u32) -> AccountId {
        let is_same = |entry: &Option<Entry<N>>| entry.as_ref().is_some_and(|e| e.name == name);
        if let Some(place) = self.entries.iter().position(is_same) {
            if let Some(Some(entry)) = self.entries.get_mut(place) {
                entry.opens = entry.opens.saturating_add(1);
            }
            return id(place);
        }
        for (place, entry) in self.entries.iter_mut().enumerate().skip(1) {
            if entry.as_ref().is_none_or(|e| e.opens == 0) && held(id(place)) == 0 {
                *entry = Some(Entry { name, opens: 1 });
                return id(place);
            }
        }
        AccountId::NOBODY
    }

    /// Ends one [`Self::open`] that gave this account.
    pub fn close(&mut self, account: AccountId) {
        if let Some(Some(entry)) = self.entries.get_mut(account.index()) {
            entry.opens = entry.opens.saturating_sub(1);
        }
    }

    /// The accounts that are open or have been, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, &N, bool)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(place, entry)| {
            let entry = entry.as_ref()?;
            Some((id(place), &entry.name, entry.opens != 0))
        })
    }
}

impl<N: PartialEq> Default for Directory<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The account at a place, of which there are no more than 8 bits can count.
fn id(place: usize) -> AccountId {
    AccountId(place as u8)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    #[test]
    fn a_name_keeps_its_account_while_something_is_held() {
        let mut directory = Directory::new();
        let a = directory.open("a", |_| 0);
        let b = directory.open("b", |_| 0);
        assert!(a != b && a != AccountId::NOBODY && b != AccountId::NOBODY);
        directory.close(a);
        // The account is taken over by nobody else, but by its device when it comes back.
        assert_ne!(directory.open("c", |id| u32::from(id == a)), a);
        assert_eq!(directory.open("a", |id| u32::from(id == a)), a);
        directory.close(a);
        assert_eq!(directory.open("d", |_| 0), a);
        let names: String = directory
            .iter()
            .map(|(_, name, _)| name.to_string())
            .collect();
        assert_eq!(names, "dbc");
    }

    #[test]
    fn a_device_made_anew_before_the_old_one_is_gone() {
        let mut directory = Directory::new();
        let a = directory.open("a", |_| 0);
        assert_eq!(directory.open("a", |_| 0), a);
        directory.close(a);
        assert_ne!(directory.open("b", |_| 0), a);
        directory.close(a);
        directory.close(a);
        assert_eq!(directory.open("c", |_| 0), a);
    }

    #[test]
    fn when_all_accounts_are_taken() {
        let mut directory = Directory::new();
        for number in 1..ACCOUNTS {
            assert_eq!(directory.open(number, |_| 0).index(), number);
        }
        assert_eq!(directory.open(1000, |_| 0), AccountId::NOBODY);
        directory.close(AccountId::NOBODY);
        directory.close(id(77));
        assert_eq!(directory.open(1000, |_| 0).index(), 77);
    }

    #[test]
    fn a_quota_is_what_may_be_held() {
        let mut quotas = Quotas::UNLIMITED;
        let account = id(9);
        quotas.limit(account, 10);
        *quotas.left(account) -= 4;
        assert_eq!((quotas.held(account), quotas.quota(account)), (4, 10));
        quotas.limit(account, 20);
        assert_eq!((quotas.held(account), *quotas.left(account)), (4, 16));
        quotas.limit(account, 3);
        assert_eq!((quotas.held(account), *quotas.left(account)), (4, 0));
        assert_eq!(quotas.held(AccountId::NOBODY), 0);
    }
}

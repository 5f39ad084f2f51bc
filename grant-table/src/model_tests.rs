// SPDX-License-Identifier: GPL-2.0-only
//! The table and its entries against an oracle: random guests, random peers.

use crate::{
    Access, AccountId, Directory, Entry, NoSpace, NotInUse, RefTable, RevokePolicy, Slot, Step,
    TooManyKept, Usage, ACCOUNTS, RESERVED_ENTRIES,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;
use xen_sys::{Domid, Gfn, GrantRef};

const PER_FRAME: u32 = 16;
const FRAMES: usize = 3;
const PEER: Domid = Domid(3);
/// What the second account may have.
const QUOTA: u32 = 7;

#[derive(Clone, Debug)]
enum Op {
    /// For one of the two accounts.
    Allocate(usize),
    AllocateMany(usize, usize),
    /// End the grant of the n-th reference in use and free or defer it.
    End(usize),
    /// Free an arbitrary reference number.
    FreeAny(u32),
    /// The peer maps the n-th reference in use.
    Map(usize),
    /// The peer unmaps the n-th mapped reference.
    Unmap(usize),
    Grow,
    Tick(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0usize..2).prop_map(Op::Allocate),
        1 => (0usize..2, 0usize..8).prop_map(|(account, count)| Op::AllocateMany(account, count)),
        4 => any::<usize>().prop_map(Op::End),
        1 => (0u32..50).prop_map(Op::FreeAny),
        3 => any::<usize>().prop_map(Op::Map),
        2 => any::<usize>().prop_map(Op::Unmap),
        1 => Just(Op::Grow),
        2 => (0u64..90).prop_map(Op::Tick),
    ]
}

/// The table under test beside what must be true of it.
struct World {
    table: RefTable<u32, Vec<Slot<u32>>, FRAMES>,
    entries: Vec<Entry>,
    /// Nobody's, and one with a quota.
    accounts: [AccountId; 2],
    /// Whose each reference is that is not free.
    owned: BTreeMap<u32, AccountId>,
    in_use: BTreeSet<u32>,
    /// Since when.
    deferred: BTreeMap<u32, u64>,
    mapped: BTreeSet<u32>,
    /// Tries that failed since a reference was deferred.
    failed: BTreeMap<u32, u32>,
    now: u64,
}

impl World {
    fn new() -> Self {
        let policy = RevokePolicy {
            budget: 2,
            warn_after: 3,
            stale_period: 20,
            kept_by_domain: 4,
            kept_by_all: 8,
        };
        let mut table = RefTable::new(policy);
        let account = Directory::new().open((), |account| table.held(account));
        table.limit(account, QUOTA);
        Self {
            table,
            entries: Vec::new(),
            accounts: [AccountId::NOBODY, account],
            owned: BTreeMap::new(),
            in_use: BTreeSet::new(),
            deferred: BTreeMap::new(),
            mapped: BTreeSet::new(),
            failed: BTreeMap::new(),
            now: 0,
        }
    }

    fn free_count(&self) -> u32 {
        let all = u32::try_from(self.entries.len()).unwrap();
        let taken = u32::try_from(self.in_use.len() + self.deferred.len()).unwrap();
        all - taken - all.min(RESERVED_ENTRIES)
    }

    fn held(&self, account: AccountId) -> u32 {
        let held = self.owned.values().filter(|owner| **owner == account);
        u32::try_from(held.count()).unwrap()
    }

    /// How many more the account may have, the table aside.
    fn left(&self, account: AccountId) -> u32 {
        let quota = if account == AccountId::NOBODY {
            u32::MAX
        } else {
            QUOTA
        };
        quota - self.held(account)
    }

    fn took(&mut self, account: AccountId, gref: GrantRef) {
        assert!(gref.0 >= RESERVED_ENTRIES);
        assert!(
            !self.deferred.contains_key(&gref.0),
            "still mapped: {gref:?}"
        );
        assert!(self.in_use.insert(gref.0), "handed out twice: {gref:?}");
        assert_eq!(self.owned.insert(gref.0, account), None);
        let entry = &self.entries[gref.0 as usize];
        assert!(!entry.is_busy());
        entry
            .grant(PEER, Gfn(u64::from(gref.0)), Access::ReadWrite)
            .unwrap();
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Allocate(account) => self.allocate(self.accounts[account]),
            Op::AllocateMany(account, count) => self.allocate_many(self.accounts[account], count),
            Op::End(n) => self.end(n),
            Op::FreeAny(gref) => self.free_any(gref),
            Op::Map(n) => {
                if let Some(&gref) = pick(&self.in_use, n) {
                    let frame = self.entries[gref as usize].peer_map(PEER, true);
                    assert_eq!(frame, Some(gref));
                    self.mapped.insert(gref);
                }
            }
            Op::Unmap(n) => {
                if let Some(&gref) = pick(&self.mapped, n) {
                    self.entries[gref as usize].peer_unmap();
                    self.mapped.remove(&gref);
                }
            }
            Op::Grow => {
                let chunk = (0..PER_FRAME).map(|_| Slot::new()).collect();
                if self.table.add_frame(chunk, 0, |_| None).is_ok() {
                    self.entries.extend((0..PER_FRAME).map(|_| Entry::unused()));
                }
            }
            Op::Tick(seconds) => self.tick(seconds),
        }
    }

    fn allocate(&mut self, account: AccountId) {
        let (free, left) = (self.free_count(), self.left(account));
        match self.table.allocate(account) {
            Ok(gref) => {
                assert!(free != 0 && left != 0);
                self.took(account, gref);
            }
            Err(error) => self.refused(error, 1, free, left),
        }
    }

    fn allocate_many(&mut self, account: AccountId, count: usize) {
        let (free, left) = (self.free_count(), self.left(account));
        let wanted = u32::try_from(count).unwrap();
        let mut out = std::vec![GrantRef(0); count];
        match self.table.allocate_many(account, &mut out) {
            Ok(()) => {
                assert!(wanted <= free && wanted <= left);
                out.into_iter().for_each(|gref| self.took(account, gref));
            }
            Err(error) => self.refused(error, wanted, free, left),
        }
    }

    fn refused(&self, error: NoSpace, wanted: u32, free: u32, left: u32) {
        match error {
            NoSpace::Quota { .. } => {
                assert_eq!(error, NoSpace::Quota { wanted, left });
                assert!(wanted > left);
            }
            NoSpace::Table { .. } => {
                assert_eq!(error, NoSpace::Table { wanted, free });
                assert!(wanted > free);
            }
        }
    }

    fn end(&mut self, n: usize) {
        let Some(&gref) = pick(&self.in_use, n) else {
            return;
        };
        self.in_use.remove(&gref);
        if self.entries[gref as usize].try_end().is_ok() {
            assert!(!self.mapped.contains(&gref));
            self.table.free(GrantRef(gref)).unwrap();
            self.owned.remove(&gref);
        } else {
            assert!(self.mapped.contains(&gref));
            let owner = Some(gref);
            let deferred = self.table.defer(GrantRef(gref), PEER, owner, self.now);
            deferred.unwrap();
            self.deferred.insert(gref, self.now);
            self.failed.insert(gref, 0);
        }
    }

    fn free_any(&mut self, gref: u32) {
        if !self.in_use.contains(&gref) {
            assert_eq!(self.table.free(GrantRef(gref)), Err(NotInUse));
        }
    }

    fn tick(&mut self, seconds: u64) {
        self.now += seconds;
        let mut tick = self.table.begin_tick(self.now);
        let mut failures = 0;
        loop {
            let mut tried = 0;
            let step = self.table.step(&mut tick, |gref| {
                tried = gref.0;
                self.entries[gref.0 as usize].try_end().is_ok()
            });
            match step {
                Step::Done => break,
                Step::Released(owner) => {
                    assert_eq!(owner, Some(tried));
                    assert!(
                        self.deferred.remove(&tried).is_some(),
                        "released twice: {tried}"
                    );
                    self.owned.remove(&tried);
                    assert!(!self.mapped.contains(&tried), "released while mapped");
                    self.failed.remove(&tried);
                }
                Step::Waiting => {
                    failures += 1;
                    *self.failed.get_mut(&tried).unwrap() += 1;
                }
                Step::Stale(gref) => {
                    failures += 1;
                    let count = self.failed.get_mut(&gref.0).unwrap();
                    *count += 1;
                    assert_eq!(*count, 3, "reported too early or twice");
                }
            }
        }
        assert!(failures <= 4, "two lists with a budget of two each");
    }

    fn check(&self) {
        let counters = self.table.counters();
        assert_eq!(counters.total as usize, self.entries.len());
        assert_eq!(counters.in_use as usize, self.in_use.len());
        assert_eq!(counters.deferred as usize, self.deferred.len());
        assert_eq!(counters.free, self.free_count());
        let kept = counters.deferred;
        let expected = if kept > 4 {
            Err(TooManyKept::ByDomain(kept))
        } else {
            Ok(())
        };
        assert_eq!(self.table.may_share_with(PEER), expected);
        self.check_accounts();
    }

    fn check_accounts(&self) {
        let mut usage = std::vec![Usage::default(); ACCOUNTS];
        for frame in 0..FRAMES as u32 {
            self.table.add_deferred(frame, &mut usage);
        }
        self.table.add_held(&mut usage);
        for account in self.accounts {
            let usage = usage[account.index()];
            let deferred = self.deferred.iter();
            let deferred = deferred.filter(|(gref, _)| self.owned[gref] == account);
            assert_eq!(usage.held, self.held(account));
            assert_eq!(usage.deferred as usize, deferred.clone().count());
            assert_eq!(usage.oldest, deferred.map(|(_, since)| *since).min());
            let quota = if account == AccountId::NOBODY {
                u32::MAX
            } else {
                QUOTA
            };
            assert_eq!(usage.quota, quota);
        }
    }

    /// Everybody lets go: everything must come home.
    fn wind_up(&mut self) {
        for gref in core::mem::take(&mut self.mapped) {
            self.entries[gref as usize].peer_unmap();
        }
        while !self.in_use.is_empty() {
            self.end(0);
        }
        self.tick(1000);
        assert!(self.deferred.is_empty());
        assert!(self.entries.iter().all(|entry| !entry.is_busy()));
        self.check();
    }
}

fn pick(set: &BTreeSet<u32>, n: usize) -> Option<&u32> {
    set.iter().nth(n.checked_rem(set.len())?)
}

proptest! {
    #[test]
    fn table_agrees_with_the_oracle(ops in prop::collection::vec(op(), 1..200)) {
        let mut world = World::new();
        world.apply(Op::Grow);
        for op in ops {
            world.apply(op);
            world.check();
        }
        world.wind_up();
    }
}

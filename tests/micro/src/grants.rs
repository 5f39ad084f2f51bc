// SPDX-License-Identifier: GPL-2.0-only
//! Grant references and entries.
use std::hint::black_box;

use grant_table::{
    Access, AccountId, Directory, Entry, EntryRef, RefTable, RevokePolicy, Slot, ENTRIES_PER_FRAME,
};
use xen_sys::{Domid, Gfn, GrantRef};

use crate::c::{CGrants, MOST_REFERENCES};
use crate::Case;

/// Frames of the table, as many as a guest with a few devices has.
pub const FRAMES: u32 = 4;

/// A table as the kernel half has it, with the entries of the same frames.
pub struct Grants {
    table: RefTable<[u64; 2], Vec<Slot<[u64; 2]>>, 252>,
    /// As whoever has a reference has its entry: of version 1, which the code does not know beforehand.
    entries: Vec<EntryRef<'static>>,
    /// A device's.
    account: AccountId,
}

impl Default for Grants {
    fn default() -> Self {
        Self::new()
    }
}

impl Grants {
    /// All of [`FRAMES`] frames free.
    pub fn new() -> Self {
        let mut table = RefTable::new(RevokePolicy::DEFAULT);
        for _ in 0..FRAMES {
            let chunk = (0..ENTRIES_PER_FRAME).map(|_| Slot::new()).collect();
            assert!(table.add_frame(chunk, 0, |_| None).is_ok());
        }
        let account = Directory::new().open((), |account| table.held(account));
        table.limit(account, FRAMES * ENTRIES_PER_FRAME);
        let entries = (0..FRAMES * ENTRIES_PER_FRAME).map(|_| Entry::unused());
        let entries: Vec<_> = entries.collect();
        let entries = (0..).map(GrantRef).zip(entries.leak());
        let entries = entries.map(|(reference, entry)| EntryRef::V1(reference, entry));
        Self {
            table,
            entries: black_box(entries.collect()),
            account,
        }
    }

    /// One free reference.
    #[inline(never)]
    pub fn allocate(&mut self) -> Option<GrantRef> {
        self.table.allocate(self.account).ok()
    }

    /// Fills `out` with free references, if there are as many.
    #[inline(never)]
    pub fn allocate_many(&mut self, out: &mut [GrantRef]) -> bool {
        self.table.allocate_many(self.account, out).is_ok()
    }

    /// Gives a reference back.
    #[inline(never)]
    pub fn free(&mut self, reference: GrantRef) -> bool {
        self.table.free(reference).is_ok()
    }

    #[inline(never)]
    fn grant(&self, reference: GrantRef, domid: Domid, gfn: Gfn, access: Access) -> bool {
        let entry = self.entries.get(reference.0 as usize);
        entry.is_some_and(|entry| entry.grant(domid, gfn, access).is_ok())
    }

    #[inline(never)]
    fn end(&self, reference: GrantRef) -> bool {
        let entry = self.entries.get(reference.0 as usize);
        entry.is_some_and(|entry| entry.try_end().is_ok())
    }

    fn rounds_of_one(&mut self, rounds: u64) -> u64 {
        let mut sum = 0u64;
        for _ in 0..rounds {
            let Some(reference) = self.allocate() else {
                return u64::MAX;
            };
            sum = sum.wrapping_add(reference.0.into());
            self.free(reference);
        }
        sum
    }

    fn rounds(&mut self, count: u32, rounds: u64) -> u64 {
        let mut all = [GrantRef(0); MOST_REFERENCES as usize];
        let refs = &mut all[..count as usize];
        let mut sum = 0u64;
        for _ in 0..rounds {
            if !self.allocate_many(refs) {
                return u64::MAX;
            }
            for reference in refs.iter() {
                sum = sum.wrapping_add(reference.0.into());
                self.free(*reference);
            }
        }
        sum
    }

    fn page_rounds(&mut self, rounds: u64) -> u64 {
        let mut sum = 0u64;
        for round in (0..rounds).rev() {
            let Some(reference) = self.allocate() else {
                return u64::MAX;
            };
            let frame = Gfn(round & 0xffff);
            let granted = self.grant(reference, Domid(3), frame, Access::ReadWrite);
            if !granted || !self.end(reference) {
                return u64::MAX;
            }
            sum = sum.wrapping_add(reference.0.into());
            self.free(reference);
        }
        sum
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let references = FRAMES * ENTRIES_PER_FRAME;
    let (mut rust, mut c) = (Grants::new(), CGrants::new(references));
    let one = Case {
        name: "grants, allocate and free 1",
        items: 1,
        rust: Box::new(move |rounds| rust.rounds_of_one(rounds)),
        c: Box::new(move |rounds| c.rounds(1, rounds)),
    };
    let (mut rust, mut c) = (Grants::new(), CGrants::new(references));
    let many = Case {
        name: "grants, allocate and free 11",
        items: 11,
        rust: Box::new(move |rounds| rust.rounds(11, rounds)),
        c: Box::new(move |rounds| c.rounds(11, rounds)),
    };
    let (mut rust, mut c) = (Grants::new(), CGrants::new(references));
    let page = Case {
        name: "grants, a page granted and ended",
        items: 1,
        rust: Box::new(move |rounds| rust.page_rounds(rounds)),
        c: Box::new(move |rounds| c.page_rounds(rounds)),
    };
    vec![one, many, page]
}

// SPDX-License-Identifier: GPL-2.0-only
//! Every interleaving of a guest that revokes and a peer that maps.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p grant-table --release`.

use crate::{
    Access, AccountId, Entry, EntryV2, RefTable, RevokePolicy, Slot, Status, Step, TableV2,
};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;
use std::vec::Vec;
use xen_sys::{Domid, Gfn, GrantRef};

const PEER: Domid = Domid(1);

/// One page and its entry. loom reports any access to the page by one side
/// while the other may touch it too.
struct Shared {
    entry: Entry,
    page: UnsafeCell<()>,
}

impl Shared {
    fn granted() -> Arc<Self> {
        let shared = Arc::new(Self {
            entry: Entry::unused(),
            page: UnsafeCell::new(()),
        });
        shared
            .entry
            .grant(PEER, Gfn(5), Access::ReadWrite)
            .expect("the frame fits");
        shared
    }

    /// The peer: map, look, unmap.
    fn visit(&self, times: u32) {
        for _ in 0..times {
            if let Some(frame) = self.entry.peer_map(PEER, false) {
                assert_eq!(frame, 5);
                self.page.with(|_| ());
                self.entry.peer_unmap();
            }
        }
    }

    /// What a frontend does with a page it got back.
    fn reuse(&self) {
        self.page.with_mut(|_| ());
    }
}

#[test]
fn page_is_given_back_only_without_a_mapping() {
    loom::model(|| {
        let shared = Shared::granted();
        let peer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.visit(2))
        };
        if shared.entry.try_end().is_ok() {
            shared.reuse();
            assert!(!shared.entry.is_busy());
        }
        peer.join().expect("the peer ran");
        assert_eq!(shared.entry.try_end(), Ok(()));
        shared.reuse();
    });
}

#[test]
fn peer_never_sees_a_permission_with_an_old_frame() {
    loom::model(|| {
        let entry = Arc::new(Entry::unused());
        entry
            .grant(PEER, Gfn(4), Access::ReadWrite)
            .expect("the frame fits");
        assert_eq!(entry.try_end(), Ok(()));
        let peer = {
            let entry = Arc::clone(&entry);
            thread::spawn(move || entry.peer_map(PEER, true))
        };
        entry
            .grant(PEER, Gfn(5), Access::ReadWrite)
            .expect("the frame fits");
        let frame = peer.join().expect("the peer ran");
        assert!(matches!(frame, None | Some(5)));
    });
}

/// A version 2 table of one entry, for a page.
struct SharedV2 {
    entries: [EntryV2; 1],
    status: [Status; 1],
    page: UnsafeCell<()>,
}

impl SharedV2 {
    fn granted(gfn: Gfn) -> Arc<Self> {
        let shared = Self {
            entries: [EntryV2::unused()],
            status: [Status::unused()],
            page: UnsafeCell::new(()),
        };
        shared
            .table()
            .grant(GrantRef(0), PEER, gfn, Access::ReadWrite);
        Arc::new(shared)
    }

    fn table(&self) -> TableV2<'_> {
        TableV2 {
            entries: &self.entries,
            status: &self.status,
        }
    }
}

#[test]
fn page_of_version_2_is_given_back_only_without_a_mapping() {
    loom::model(|| {
        let shared = SharedV2::granted(Gfn(5));
        let peer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let table = shared.table();
                if let Some(frame) = table.peer_map(GrantRef(0), PEER, false) {
                    assert_eq!(frame, Gfn(5));
                    shared.page.with(|_| ());
                    table.peer_unmap(GrantRef(0));
                }
            })
        };
        if shared.table().try_end(GrantRef(0)).is_ok() {
            shared.page.with_mut(|_| ());
        }
        peer.join().expect("the peer ran");
        assert_eq!(shared.table().try_end(GrantRef(0)), Ok(()));
        shared.page.with_mut(|_| ());
    });
}

#[test]
fn deferred_page_is_released_exactly_once() {
    type Table = RefTable<Arc<Shared>, Vec<Slot<Arc<Shared>>>, 1>;
    loom::model(|| {
        let shared = Shared::granted();
        let mut table = Table::new(RevokePolicy::DEFAULT);
        let chunk = (0..16).map(|_| Slot::new()).collect();
        assert!(table.add_frame(chunk, 0, |_| None).is_ok());
        let gref = table.allocate(AccountId::NOBODY).expect("one is free");
        let table = Arc::new(Mutex::new(table));

        let peer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.visit(1))
        };
        // The driver ends the grant while the timer already ticks.
        let timer = {
            let (table, shared) = (Arc::clone(&table), Arc::clone(&shared));
            thread::spawn(move || tick(&table, &shared))
        };
        let mut released = 0;
        if shared.entry.try_end().is_ok() {
            shared.reuse();
            released += 1;
            let freed = table.lock().expect("not poisoned").free(gref);
            assert!(freed.is_ok());
        } else {
            let owner = Arc::clone(&shared);
            let mut table = table.lock().expect("not poisoned");
            let deferred = table.defer(gref, PEER, Some(owner), 0);
            assert!(deferred.is_ok());
        }
        peer.join().expect("the peer ran");
        released += timer.join().expect("the timer ran");
        released += tick(&table, &shared);
        assert_eq!(released, 1);
        assert_eq!(table.lock().expect("not poisoned").counters().free, 8);
    });
}

/// One round of retries; the number of pages released.
fn tick(table: &Mutex<RefTable<Arc<Shared>, Vec<Slot<Arc<Shared>>>, 1>>, shared: &Shared) -> u32 {
    let mut tick = table.lock().expect("not poisoned").begin_tick(0);
    let mut released = 0;
    loop {
        let step = table
            .lock()
            .expect("not poisoned")
            .step(&mut tick, |_| shared.entry.try_end().is_ok());
        match step {
            Step::Done => return released,
            Step::Released(owner) => {
                if let Some(page) = owner {
                    page.reuse();
                    released += 1;
                }
            }
            Step::Waiting | Step::Stale(_) => {}
        }
    }
}

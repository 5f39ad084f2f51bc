// SPDX-License-Identifier: GPL-2.0-only
//! The guest's side of grants: the pure table over the shared entries, with the ownership of the kernel half.
use std::sync::{Arc, Mutex, MutexGuard};

use grant_table::{
    choose_version, Access, AccountId, Counters, EntryRef, Layout, NoSpace, RefTable, RevokePolicy,
    Slot, Step, Version, Wanted,
};
use xen_sys::{Domid, GrantRef, Hypervisor, Result, XenError};

use crate::memory::{GuestPage, MAX_FRAMES};
use crate::xen::{FakeXen, GRANT_FRAMES_GFN};

type Table = RefTable<GuestPage, Vec<Slot<GuestPage>>, MAX_FRAMES>;

/// Frames that there is room for, those of version 2's marks included.
const ROOM: u32 = MAX_FRAMES as u32 + 1;

/// The guest's grant table.
pub struct Grants {
    xen: Arc<FakeXen>,
    layout: Layout,
    table: Mutex<Table>,
    /// After so many grants more, one is refused.
    refusal: Mutex<Option<usize>>,
}

impl Grants {
    /// Brings up a table of `frames` frames.
    ///
    /// # Errors
    /// Those of the hypercalls; what was mapped is unmapped then.
    pub fn new(xen: &Arc<FakeXen>, frames: u32) -> Result<Arc<Self>> {
        Self::with_version(xen, frames, Wanted::Only(Version::V1))
    }

    /// As [`Self::new`], with a version of one's own choice.
    ///
    /// # Errors
    /// The same.
    pub fn with_version(xen: &Arc<FakeXen>, frames: u32, wanted: Wanted) -> Result<Arc<Self>> {
        let version = choose_version(&**xen, wanted)?.version;
        let size = xen.grant_query_size()?;
        if frames > size.max_frames {
            return Err(XenError::ENOSPC);
        }
        let grants = Arc::new(Self {
            xen: xen.clone(),
            layout: Layout::new(version, GRANT_FRAMES_GFN[0], ROOM, size.max_frames),
            table: Mutex::new(RefTable::new(RevokePolicy::DEFAULT)),
            refusal: Mutex::new(None),
        });
        for frame in 0..frames {
            grants.layout.add_frame(&**xen, frame)?;
            let chunk = (0..version.entries_per_frame()).map(|_| Slot::new());
            let entry = |gref| grants.xen.memory.entry(gref);
            let holder = |gref| Some(entry(gref).filter(EntryRef::is_busy)?.grantee());
            let added = grants.table().add_frame(chunk.collect(), 0, holder);
            assert!(added.is_ok(), "the table takes as many frames as Xen has");
        }
        Ok(grants)
    }

    /// Where the table is, and how it is laid out.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How the references are spread now.
    pub fn counters(&self) -> Counters {
        self.table().counters()
    }

    /// Refuses the grant after `n` more ones, as if the device were at its quota: 0 for the next. One refusal only.
    pub fn refuse_after(&self, n: usize) {
        *self.refusal() = Some(n);
    }

    /// Refuses nothing from now on. Says whether a planned refusal had still been ahead.
    pub fn heal(&self) -> bool {
        self.refusal().take().is_some()
    }

    fn refusal(&self) -> MutexGuard<'_, Option<usize>> {
        self.refusal
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Grants a page to `domid`.
    ///
    /// # Errors
    /// The page comes back when there is no reference left.
    pub fn grant(
        self: &Arc<Self>,
        page: GuestPage,
        domid: Domid,
        access: Access,
    ) -> core::result::Result<Granted, (NoSpace, GuestPage)> {
        let refusal = self.refusal().take();
        if refusal == Some(0) {
            return Err((NoSpace::Quota { wanted: 1, left: 0 }, page));
        }
        *self.refusal() = refusal.map(|n| n - 1);
        let gref = match self.table().allocate(AccountId::NOBODY) {
            Ok(gref) => gref,
            Err(error) => return Err((error, page)),
        };
        let entry = self
            .xen
            .memory
            .entry(gref)
            .expect("a reference of the table");
        entry
            .grant(domid, page.gfn(), access)
            .expect("low frame numbers");
        Ok(Granted {
            grants: self.clone(),
            gref,
            domid,
            page: Some(page),
        })
    }

    /// Tries the pages that their peers did not let go of. `now` in seconds. Says how many were released.
    pub fn tick(&self, now: u64) -> usize {
        let mut tick = self.table().begin_tick(now);
        let mut released = Vec::new();
        loop {
            let step = self.table().step(&mut tick, |gref| self.try_end(gref));
            match step {
                Step::Released(owner) => released.extend(owner),
                Step::Waiting | Step::Stale(_) => {}
                Step::Done => return released.len(),
            }
        }
    }

    fn try_end(&self, gref: GrantRef) -> bool {
        let entry = self.xen.memory.entry(gref);
        entry.is_some_and(|entry| entry.try_end().is_ok())
    }
}

impl Drop for Grants {
    fn drop(&mut self) {
        // As on module unload: what a peer still maps is left to it.
        self.tick(u64::MAX);
        let mut table = self.table();
        while let Some(chunk) = table.dismantle() {
            core::mem::forget(chunk);
        }
    }
}

/// A granted page. Dropping it ends the grant; if the peer does not let go, the table owns the page until it does.
pub struct Granted {
    grants: Arc<Grants>,
    gref: GrantRef,
    domid: Domid,
    page: Option<GuestPage>,
}

impl Granted {
    /// The reference to tell the peer.
    pub fn gref(&self) -> GrantRef {
        self.gref
    }

    /// The page.
    pub fn page(&self) -> &GuestPage {
        self.page.as_ref().expect("owned until the end")
    }

    /// Ends the grant; the page comes back unless the peer uses it still.
    pub fn end(mut self) -> Option<GuestPage> {
        self.finish()
    }

    fn finish(&mut self) -> Option<GuestPage> {
        let page = self.page.take()?;
        if self.grants.try_end(self.gref) {
            self.grants
                .table()
                .free(self.gref)
                .expect("in use until now");
            return Some(page);
        }
        let mut table = self.grants.table();
        let deferred = table.defer(self.gref, self.domid, Some(page), 0);
        assert!(deferred.is_ok(), "in use until now");
        None
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        drop(self.finish());
    }
}

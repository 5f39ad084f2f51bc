// SPDX-License-Identifier: GPL-2.0-only
//! The guest's pages, and what a backend can do with those that are granted to it.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use grant_table::{Entries, Entry, EntryRef, EntryV2, Status, TableV2, ENTRIES_PER_FRAME};
use ring::SharedMemory;
use xen_sys::{Domid, Gfn, GrantRef, PAGE_SIZE};

use crate::xen::FakeXen;

/// Frames of the grant table, at most.
pub(crate) const MAX_FRAMES: usize = 4;
/// Where the guest's pages begin.
const FIRST_GFN: u64 = 0x1000;

#[derive(Default)]
struct State {
    pages: BTreeMap<u64, SharedMemory>,
    next: u64,
    /// Mappings that exist now: how many of each reference, and of which frame.
    mapped: BTreeMap<u32, (u32, Gfn)>,
    findings: Vec<String>,
}

/// The guest's memory as Xen knows it.
pub(crate) struct Memory {
    v1: Vec<Entry>,
    /// Half as many of version 2, made when they are asked for.
    v2: OnceLock<Entries<'static>>,
    is_v2: AtomicBool,
    state: Mutex<State>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let count = MAX_FRAMES * ENTRIES_PER_FRAME as usize;
        Self {
            v1: (0..count).map(|_| Entry::unused()).collect(),
            v2: OnceLock::new(),
            is_v2: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    pub(crate) fn entry(&self, gref: GrantRef) -> Option<EntryRef<'_>> {
        match self.is_v2.load(Ordering::Relaxed) {
            true => self.v2.get()?.get(gref),
            false => Some(EntryRef::V1(gref, self.v1.get(gref.0 as usize)?)),
        }
    }

    fn entries(&self) -> impl Iterator<Item = EntryRef<'_>> {
        (0..).map_while(|gref| self.entry(GrantRef(gref)))
    }

    /// The table has entries of this version from now on, none of which grants anything.
    pub(crate) fn set_version(&self, version: u32) {
        if version == 2 {
            self.v2.get_or_init(|| {
                let count = self.v1.len() / 2;
                let entries: Vec<_> = (0..count).map(|_| EntryV2::unused()).collect();
                let status: Vec<_> = (0..count).map(|_| Status::unused()).collect();
                let (entries, status) = (entries.leak(), status.leak());
                Entries::V2(TableV2 { entries, status })
            });
        }
        self.is_v2.store(version == 2, Ordering::Relaxed);
        self.entries().for_each(|entry| entry.forget());
    }

    /// Whether a peer has anything mapped.
    pub(crate) fn is_mapped(&self) -> bool {
        !self.state().mapped.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn allocate(&self) -> (Gfn, SharedMemory) {
        let mut state = self.state();
        let gfn = FIRST_GFN + state.next;
        state.next += 1;
        let memory = SharedMemory::zeroed(PAGE_SIZE);
        state.pages.insert(gfn, memory.clone());
        (Gfn(gfn), memory)
    }

    /// A page is no longer the guest's own: nobody may have a grant of it.
    fn release(&self, gfn: Gfn) {
        let granted = self
            .entries()
            .find(|entry| entry.is_busy() && entry.peer_frame() == gfn);
        let mut state = self.state();
        state.pages.remove(&gfn.0);
        let mapped = state.mapped.iter().find(|(_, of)| of.1 == gfn);
        let mapped = mapped.map(|(gref, _)| *gref);
        let granted = granted.map(|entry| entry.gref().0);
        if let Some(gref) = mapped.or(granted) {
            let what = if mapped.is_some() {
                "mapped"
            } else {
                "granted"
            };
            let text = format!("gfn {gfn} was freed while {what} as {gref}");
            state.findings.push(text);
        }
    }

    /// The grant table is a new domain's: nothing is granted or mapped.
    pub(crate) fn forget_grants(&self) {
        self.set_version(1);
        self.state().mapped.clear();
    }

    pub(crate) fn pages(&self) -> usize {
        self.state().pages.len()
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.state().findings.clone()
    }

    pub(crate) fn granted(&self) -> Vec<GrantRef> {
        let busy = self.entries().filter(EntryRef::is_busy);
        busy.map(|entry| entry.gref()).collect()
    }

    fn map(&self, gref: GrantRef, me: Domid, write: bool) -> Option<SharedMemory> {
        let frame = self.entry(gref)?.peer_map(me, write)?;
        let mut state = self.state();
        let of = state.mapped.entry(gref.0).or_default();
        *of = (of.0 + 1, frame);
        let page = state.pages.get(&frame.0).cloned();
        if page.is_none() {
            let text = format!("reference {gref} grants frame {frame}, which is no page");
            state.findings.push(text);
        }
        page
    }

    fn unmap(&self, gref: GrantRef) {
        let mut state = self.state();
        let Some(of) = state.mapped.get_mut(&gref.0) else {
            return;
        };
        of.0 -= 1;
        if of.0 == 0 {
            state.mapped.remove(&gref.0);
            if let Some(entry) = self.entry(gref) {
                entry.peer_unmap();
            }
        }
    }
}

/// A page of the guest, all zero at first. Dropping it frees it, which is a finding while a peer may use it.
pub struct GuestPage {
    xen: Arc<FakeXen>,
    gfn: Gfn,
    memory: SharedMemory,
}

impl GuestPage {
    /// Allocates a page.
    pub fn new(xen: &Arc<FakeXen>) -> Self {
        let (gfn, memory) = xen.memory.allocate();
        Self {
            xen: xen.clone(),
            gfn,
            memory,
        }
    }

    /// Its frame number.
    pub fn gfn(&self) -> Gfn {
        self.gfn
    }

    /// Its bytes.
    pub fn memory(&self) -> &SharedMemory {
        &self.memory
    }

    /// Copies its bytes out.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; PAGE_SIZE];
        self.memory
            .read_bytes(0, &mut bytes)
            .expect("as many bytes as a page has");
        bytes
    }
}

impl Drop for GuestPage {
    fn drop(&mut self) {
        self.xen.memory.release(self.gfn);
    }
}

/// A granted page as a backend has it. While it lives, the grant cannot be ended.
pub struct Mapping {
    xen: Arc<FakeXen>,
    gref: GrantRef,
    memory: SharedMemory,
}

impl Mapping {
    /// Maps the page that the guest granted to `me` as `gref`; `None` if it did not, or not for writing.
    pub fn new(xen: &Arc<FakeXen>, gref: GrantRef, me: Domid, write: bool) -> Option<Self> {
        let memory = xen.memory.map(gref, me, write)?;
        Some(Self {
            xen: xen.clone(),
            gref,
            memory,
        })
    }

    /// The page's bytes.
    pub fn memory(&self) -> &SharedMemory {
        &self.memory
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.xen.memory.unmap(self.gref);
    }
}

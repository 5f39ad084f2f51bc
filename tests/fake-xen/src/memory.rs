// SPDX-License-Identifier: GPL-2.0-only
//! The guest's pages, and what a backend can do with those that are granted to it.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use grant_table::{Entry, ENTRIES_PER_FRAME};
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
    entries: Vec<Entry>,
    state: Mutex<State>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let count = MAX_FRAMES * ENTRIES_PER_FRAME as usize;
        Self {
            entries: (0..count).map(|_| Entry::unused()).collect(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn entry(&self, gref: GrantRef) -> Option<&Entry> {
        self.entries.get(gref.0 as usize)
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
        let granted = (0u32..)
            .zip(&self.entries)
            .find(|(_, entry)| entry.is_busy() && entry.peer_frame() == gfn);
        let mut state = self.state();
        state.pages.remove(&gfn.0);
        let mapped = state.mapped.iter().find(|(_, of)| of.1 == gfn);
        let mapped = mapped.map(|(gref, _)| *gref);
        let granted = granted.map(|(gref, _)| gref);
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
        self.entries.iter().for_each(Entry::forget);
        self.state().mapped.clear();
    }

    pub(crate) fn pages(&self) -> usize {
        self.state().pages.len()
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.state().findings.clone()
    }

    pub(crate) fn granted(&self) -> Vec<GrantRef> {
        let entries = (0u32..).zip(&self.entries);
        entries
            .filter(|(_, entry)| entry.is_busy())
            .map(|(gref, _)| GrantRef(gref))
            .collect()
    }

    fn map(&self, gref: GrantRef, me: Domid, write: bool) -> Option<SharedMemory> {
        let frame = self.entry(gref)?.peer_map(me, write)?;
        let mut state = self.state();
        let of = state.mapped.entry(gref.0).or_default();
        *of = (of.0 + 1, Gfn(frame.into()));
        let page = state.pages.get(&u64::from(frame)).cloned();
        if page.is_none() {
            let text = format!("reference {gref} grants frame {frame:#x}, which is no page");
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

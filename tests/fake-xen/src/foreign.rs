// SPDX-License-Identifier: GPL-2.0-only
//! Pages of other domains that the guest maps at frames of its own, or copies from and to.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use xen_sys::{
    CopyEnd, Domid, Gfn, GrantCopy, GrantHandle, GrantMap, GrantOperation, GrantRef, GrantStatus,
    GrantUnmap,
};

/// `GNTST_bad_gntref`.
const BAD_GNTREF: GrantStatus = GrantStatus(-3);
/// `GNTST_bad_handle`.
const BAD_HANDLE: GrantStatus = GrantStatus(-4);
/// `GNTST_permission_denied`.
const PERMISSION_DENIED: GrantStatus = GrantStatus(-8);

struct Offer {
    writable: bool,
    /// So often the page is not there yet.
    absent: u32,
}

#[derive(Default)]
struct State {
    offers: BTreeMap<(Domid, GrantRef), Offer>,
    mapped: BTreeMap<GrantHandle, Gfn>,
    /// Frames of the guest without memory.
    holes: BTreeSet<Gfn>,
    next: u32,
    /// A new domain has memory where the old one had mappings.
    keeps_memory: bool,
    /// The unmapping with this number, counted from 0, fails.
    stuck: Option<u32>,
    unmapped: u32,
}

/// What other domains grant to the guest.
#[derive(Default)]
pub struct Foreign(Mutex<State>);

impl Foreign {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Another domain grants a page, which is there after `absent` tries.
    pub fn offer(&self, domid: Domid, gref: GrantRef, writable: bool, absent: u32) {
        let offer = Offer { writable, absent };
        self.state().offers.insert((domid, gref), offer);
    }

    /// Lets the `n`th unmapping from now fail.
    pub fn stick(&self, n: u32) {
        let mut state = self.state();
        state.stuck = Some(state.unmapped + n);
    }

    /// Mappings that exist, and frames that have neither one nor memory.
    pub fn mapped_and_empty(&self) -> (usize, usize) {
        let state = self.state();
        (state.mapped.len(), state.holes.len())
    }

    /// A new domain is to have memory where the old one had mappings, and not holes.
    pub fn keep_memory(&self) {
        self.state().keeps_memory = true;
    }

    /// The domain is another one. Says how many pages of memory it has more than the old one.
    pub(crate) fn forget(&self) -> u64 {
        let mut state = self.state();
        let mapped = core::mem::take(&mut state.mapped);
        if state.keeps_memory {
            return mapped.len() as u64;
        }
        state.holes.extend(mapped.into_values());
        0
    }

    /// Takes the memory of as many of `gfns` as have some, up to the first that has none.
    pub(crate) fn empty(&self, gfns: &[Gfn]) -> usize {
        let mut state = self.state();
        let with_memory = gfns.iter().take_while(|gfn| state.holes.insert(**gfn));
        with_memory.count()
    }

    pub(crate) fn fill(&self, gfns: &[Gfn]) {
        let mut state = self.state();
        for gfn in gfns {
            // Xen ends such a domain.
            assert!(
                !state.mapped.values().any(|at| at == gfn),
                "memory over a mapping at {gfn:?}"
            );
            state.holes.remove(gfn);
        }
    }

    pub(crate) fn map(&self, op: &mut GrantMap) {
        let mut state = self.state();
        let status = match state.try_use(op.granted_by(), op.writable()) {
            GrantStatus::OKAY if !state.holes.remove(&op.at()) => {
                panic!("a page is mapped over memory at {:?}", op.at())
            }
            status => status,
        };
        let handle = GrantHandle(state.next);
        if status == GrantStatus::OKAY {
            state.next += 1;
            state.mapped.insert(handle, op.at());
        }
        op.answer(status, handle);
    }

    pub(crate) fn unmap(&self, op: &mut GrantUnmap) {
        let mut state = self.state();
        let number = state.unmapped;
        state.unmapped += 1;
        if state.stuck == Some(number) || state.mapped.get(&op.handle()) != Some(&op.at()) {
            op.set_status(BAD_HANDLE);
            return;
        }
        state.mapped.remove(&op.handle());
        state.holes.insert(op.at());
        op.set_status(GrantStatus::OKAY);
    }

    pub(crate) fn copy(&self, op: &mut GrantCopy) {
        let mut state = self.state();
        let status = [(op.source(), false), (op.dest(), true)]
            .into_iter()
            .map(|(end, write)| match end {
                CopyEnd::Grant(domid, gref, _) => state.try_use((domid, gref), write),
                CopyEnd::Frame(..) => GrantStatus::OKAY,
            })
            .find(|status| *status != GrantStatus::OKAY);
        op.set_status(status.unwrap_or(GrantStatus::OKAY));
    }
}

impl State {
    fn try_use(&mut self, what: (Domid, GrantRef), write: bool) -> GrantStatus {
        match self.offers.get_mut(&what) {
            None => BAD_GNTREF,
            Some(offer) if write && !offer.writable => PERMISSION_DENIED,
            Some(Offer { absent: 0, .. }) => GrantStatus::OKAY,
            Some(offer) => {
                offer.absent -= 1;
                GrantStatus::EAGAIN
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Pages of other domains, seen in place of pages of ours.
//!
//! In an HVM guest a mapping needs a guest frame without memory. So a page of ours gives its memory to Xen, the other
//! domain's page appears at its frame, and on the way back the frame is emptied, has memory again, and only then may the
//! page be freed. Whatever fails on the way leaves each page in a state that says what is to be done with it.
//!
//! | State | The frame has | The page |
//! |---|---|---|
//! | own | its memory | may be freed |
//! | hollow | none | waits for memory from Xen |
//! | mapped | the other domain's page | waits until nobody uses it |
//! | former | what the domain that goes on from this one has there | waits until nobody uses it |
//! | lost | what Xen does not take away | is kept for good |

use crate::batch::perform;
use crate::Access;
use xen_sys::{
    Domid, Gfn, GrantHandle, GrantMap, GrantOperation, GrantRef, GrantStatus, GrantUnmap,
    Hypervisor, Result, XenError,
};

/// For so many milliseconds [`map`] waits for pages that are not there, however many it is to map.
const PATIENCE: u32 = 8000;

/// Pages that are dealt with in one hypercall; the operations lie on the stack.
const BATCH: usize = 32;

/// A page of ours.
pub trait Frame {
    /// Its guest frame.
    fn gfn(&self) -> Gfn;
    /// Whether anybody else may touch it still: a process that maps it, a device that is given its address.
    fn is_used(&self) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Own,
    Hollow,
    Mapped(GrantHandle),
    /// With the mapping, if it was known.
    Former(Option<GrantHandle>),
    Lost,
}

/// A page of ours that may have another domain's content. Dropped in any state but *own*, it is kept for good.
#[derive(Debug)]
pub struct ForeignPage<F: Frame> {
    /// There until it is dropped.
    frame: Option<F>,
    gfn: Gfn,
    state: State,
}

impl<F: Frame> ForeignPage<F> {
    /// Takes a page that has its memory.
    pub fn new(frame: F) -> Self {
        Self {
            gfn: frame.gfn(),
            frame: Some(frame),
            state: State::Own,
        }
    }

    /// The page, if another domain's is mapped there.
    pub fn mapped(&self) -> Option<&F> {
        match self.state {
            State::Mapped(_) => self.frame.as_ref(),
            _ => None,
        }
    }

    fn is_used(&self) -> bool {
        self.frame.as_ref().is_some_and(F::is_used)
    }
}

impl<F: Frame> Drop for ForeignPage<F> {
    fn drop(&mut self) {
        if self.state != State::Own {
            core::mem::forget(self.frame.take());
        }
    }
}

/// How pages are spread that are to be given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Pages still used by somebody, or whose memory Xen does not have at the moment: to be tried again.
    pub waiting: usize,
    /// Pages that Xen does not let go of.
    pub lost: usize,
}

/// Maps what `refs` name, one in place of each of `pages`; `pause` is as for [`perform`].
///
/// # Errors
/// `EINVAL` unless there is a page for each; `ENOMEM` when a page's memory could not be given to Xen; the first bad
/// status. Some pages may not be *own* then: [`give_back`] them all.
pub fn map<F: Frame>(
    xen: &impl Hypervisor,
    pages: &mut [ForeignPage<F>],
    refs: &[(Domid, GrantRef)],
    access: Access,
    mut pause: impl FnMut(u32) -> bool,
) -> Result {
    if pages.len() != refs.len() {
        return Err(XenError::EINVAL);
    }
    let mut left = PATIENCE;
    let mut pause = |milliseconds| match left.checked_sub(milliseconds) {
        Some(rest) => {
            left = rest;
            pause(milliseconds)
        }
        None => false,
    };
    for (pages, refs) in pages.chunks_mut(BATCH).zip(refs.chunks(BATCH)) {
        empty(xen, pages)?;
        let mut ops = [const { GrantMap::new(Gfn(0), Domid(0), GrantRef(0), false) }; BATCH];
        for ((op, page), (domid, gref)) in ops.iter_mut().zip(pages.iter()).zip(refs) {
            *op = GrantMap::new(page.gfn, *domid, *gref, access == Access::ReadWrite);
        }
        let ops = ops.get_mut(..pages.len()).unwrap_or_default();
        perform(ops, |ops| xen.grant_map(ops), &mut pause);
        let mut all = Ok(());
        for (op, page) in ops.iter().zip(pages) {
            match op.status().result() {
                Ok(()) => page.state = State::Mapped(op.handle()),
                Err(error) => all = all.and(Err(error)),
            }
        }
        all?;
    }
    Ok(())
}

/// Gives the memory of `pages` to Xen.
fn empty<F: Frame>(xen: &impl Hypervisor, pages: &mut [ForeignPage<F>]) -> Result {
    let mut gfns = [Gfn(0); BATCH];
    for (gfn, page) in gfns.iter_mut().zip(pages.iter()) {
        if page.state != State::Own {
            return Err(XenError::EINVAL);
        }
        *gfn = page.gfn;
    }
    let gfns = gfns.get(..pages.len()).unwrap_or_default();
    let done = xen.decrease_reservation(gfns)?;
    for page in pages.iter_mut().take(done) {
        page.state = State::Hollow;
    }
    match done == pages.len() {
        true => Ok(()),
        false => Err(XenError::ENOMEM),
    }
}

/// The domain is another one, which goes on from what was saved of the old: no mapping of that exists, and what is at the
/// frames nobody says. [`give_back`] finds out.
pub fn lose<F: Frame>(pages: &mut [ForeignPage<F>]) {
    for page in pages {
        match page.state {
            State::Mapped(handle) => page.state = State::Former(Some(handle)),
            State::Lost => page.state = State::Former(None),
            State::Own | State::Hollow | State::Former(_) => {}
        }
    }
}

/// Brings pages back to be *own*, as far as that is possible now.
pub fn give_back<F: Frame>(xen: &impl Hypervisor, pages: &mut [ForeignPage<F>]) -> Left {
    let mut left = Left::default();
    for pages in pages.chunks_mut(BATCH) {
        unmap(xen, pages);
        clear(xen, pages);
        fill(xen, pages);
        for page in pages {
            match page.state {
                State::Own => {}
                State::Hollow | State::Mapped(_) | State::Former(_) => {
                    left.waiting = left.waiting.wrapping_add(1)
                }
                State::Lost => left.lost = left.lost.wrapping_add(1),
            }
        }
    }
    left
}

/// Unmaps those of `pages` that nobody uses.
fn unmap<F: Frame>(xen: &impl Hypervisor, pages: &mut [ForeignPage<F>]) {
    let mut ops = [GrantUnmap::new(Gfn(0), GrantHandle(0)); BATCH];
    // Whether a page is used is asked once: the answer decides which pages the statuses are about.
    let mut chosen = [false; BATCH];
    let mut count = 0usize;
    for (page, chosen) in pages.iter().zip(&mut chosen) {
        // A former mapping may have been made in the new domain after all, when that came in between. Where it was not,
        // Xen refuses: nothing of another domain's is at that frame.
        let (State::Mapped(handle) | State::Former(Some(handle))) = page.state else {
            continue;
        };
        if let (false, Some(op)) = (page.is_used(), ops.get_mut(count)) {
            *op = GrantUnmap::new(page.gfn, handle);
            *chosen = true;
            count = count.wrapping_add(1);
        }
    }
    let ops = ops.get_mut(..count).unwrap_or_default();
    if ops.is_empty() {
        return;
    }
    perform(ops, |ops| xen.grant_unmap(ops), |_| false);
    let pages = pages.iter_mut().zip(chosen);
    let pages = pages.filter_map(|(page, chosen)| chosen.then_some(page));
    for (page, op) in pages.zip(ops.iter()) {
        match op.status() {
            GrantStatus::PENDING => {}
            _ if matches!(page.state, State::Former(_)) => page.state = State::Former(None),
            // It may be there still, and may be asked for again.
            GrantStatus::EAGAIN => {}
            status if status.result().is_ok() => page.state = State::Hollow,
            // Xen knows nothing of the mapping, or does not say what the frame has: nobody may use it.
            _ => page.state = State::Lost,
        }
    }
}

/// Takes away what is at the frames of those of `pages` that had a mapping in an earlier domain, unless they are used.
fn clear<F: Frame>(xen: &impl Hypervisor, pages: &mut [ForeignPage<F>]) {
    for page in pages {
        if page.state == State::Former(None) && !page.is_used() {
            // There may be memory or nothing, either is well. Each by itself, for an empty frame ends the call.
            if xen.decrease_reservation(&[page.gfn]).is_ok() {
                page.state = State::Hollow;
            }
        }
    }
}

/// Gets memory for those of `pages` that have none.
fn fill<F: Frame>(xen: &impl Hypervisor, pages: &mut [ForeignPage<F>]) {
    let hollow = |page: &ForeignPage<F>| page.state == State::Hollow;
    let mut gfns = [Gfn(0); BATCH];
    let mut count = 0usize;
    for (gfn, page) in gfns
        .iter_mut()
        .zip(pages.iter().filter(|page| hollow(page)))
    {
        *gfn = page.gfn;
        count = count.wrapping_add(1);
    }
    let gfns = gfns.get(..count).unwrap_or_default();
    if gfns.is_empty() {
        return;
    }
    let done = xen.populate_physmap(gfns).unwrap_or(0);
    for page in pages.iter_mut().filter(|page| hollow(page)).take(done) {
        page.state = State::Own;
    }
}

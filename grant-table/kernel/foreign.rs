// SPDX-License-Identifier: GPL-2.0-only
//! Other domains' pages: mapped in place of pages of ours, or copied from and to.
//!
//! The pages that could not be given back at once, since somebody uses them still or Xen has no memory for them, wait in
//! a list and are tried again every second.

use crate::table;
use core::mem::take;
use core::sync::atomic::{AtomicUsize, Ordering};
use grant_table::foreign::{self, ForeignPage, Frame};
use grant_table::Access;
use kernel::prelude::*;
use kernel::sync::global_lock;
use linux::delayed_work::DelayedWork;
use linux::page::Page;
use linux::thread::{is_killed, Sleep, WaitQueue};
use pin_init::stack_pin_init;
use xen_hypercall::{to_error, Xen};
use xen_sys::{Domid, Gfn, GrantCopy, GrantRef, Hypervisor};

/// Milliseconds between two tries of the pages that wait.
const INTERVAL: u32 = 1000;

static WORK: DelayedWork = DelayedWork::new(work);

global_lock! {
    // SAFETY: Initialised in `start`, before there are any pages.
    unsafe(uninit) static WAITING: Mutex<Option<KBox<Set>>> = None;
}

/// Pages of ours that other domains' pages are mapped in place of.
static PAGES: AtomicUsize = AtomicUsize::new(0);
/// Those of them that wait to be given back.
static COUNT_WAITING: AtomicUsize = AtomicUsize::new(0);
/// Those that Xen does not let go of.
static LOST: AtomicUsize = AtomicUsize::new(0);

/// How many pages of ours have no memory of their own.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// All of them, but the lost ones.
    pub pages: usize,
    /// Those over with, but still used by somebody, or waiting for memory.
    pub waiting: usize,
    /// Those that Xen does not let go of.
    pub lost: usize,
}

pub(crate) fn counters() -> Counters {
    Counters {
        pages: PAGES.load(Ordering::Relaxed),
        waiting: COUNT_WAITING.load(Ordering::Relaxed),
        lost: LOST.load(Ordering::Relaxed),
    }
}

/// Makes everything here work. Once.
pub(crate) fn start() {
    // SAFETY: `table::start` runs once, and there are no pages yet.
    unsafe { WAITING.init() };
    // SAFETY: As above: nothing queues the item yet.
    unsafe { WORK.start() };
}

/// Ends the tries, after a last one. Nobody has [`ForeignPages`] any more.
pub(crate) fn stop() {
    WORK.cancel();
    retry();
    let mut kept = 0usize;
    let mut rest = WAITING.lock().take();
    while let Some(mut set) = rest {
        kept = kept.saturating_add(set.pages.len());
        rest = set.next.take();
    }
    if kept != 0 {
        pr_warn!(
            "pages that have no memory of their own at unload: {kept}, kept out of use for good\n"
        );
    }
}

/// A page of ours as the pure crate wants it.
struct Place(Page);

impl Frame for Place {
    fn gfn(&self) -> Gfn {
        Gfn(self.0.gfn())
    }

    fn is_used(&self) -> bool {
        self.0.is_shared()
    }
}

/// Pages that belong together, and the next set of those that wait: so that waiting needs no memory.
struct Set {
    pages: KVVec<ForeignPage<Place>>,
    /// The domain in which they were mapped, or one before it.
    domain: u32,
    next: Option<KBox<Set>>,
}

impl Set {
    /// Gives the pages back. Says whether that is over.
    fn give_back(&mut self) -> bool {
        loop {
            let domain = table::domain();
            if self.domain != domain {
                self.domain = domain;
                foreign::lose(&mut self.pages);
            }
            let left = foreign::give_back(&Xen, &mut self.pages);
            if left.waiting != 0 {
                return false;
            }
            if table::domain() != domain {
                // It came in between: what seems lost is not.
                continue;
            }
            if left.lost != 0 {
                LOST.fetch_add(left.lost, Ordering::Relaxed);
                pr_err!(
                    "Xen does not unmap pages of other domains: {}, kept out of use for good\n",
                    left.lost
                );
            }
            PAGES.fetch_sub(self.pages.len(), Ordering::Relaxed);
            return true;
        }
    }
}

/// Other domains' pages, mapped in place of pages of ours. Process context.
///
/// Dropping it unmaps them, as soon as nobody else uses them: see [`Page::is_shared`].
pub struct ForeignPages {
    /// Taken on drop only.
    set: Option<KBox<Set>>,
}

impl ForeignPages {
    /// Maps the pages that `refs` name, all or none. A page that is not there at the moment is waited for, some seconds
    /// at most.
    ///
    /// # Errors
    /// `ENOMEM`; `EINTR` when the process is killed while it waits; `EAGAIN` when a page is not there for too long; what
    /// else a grant's status stands for.
    pub fn map(refs: &[(Domid, GrantRef)], access: Access) -> Result<Self> {
        let domain = table::domain();
        let mut pages = KVVec::with_capacity(refs.len(), GFP_KERNEL_ACCOUNT)?;
        for _ in refs {
            if is_killed() {
                return Err(EINTR);
            }
            let place = Place(Page::new(GFP_KERNEL_ACCOUNT)?);
            pages.push_within_capacity(ForeignPage::new(place))?;
        }
        let set = Set {
            pages,
            domain,
            next: None,
        };
        let set = KBox::new(set, GFP_KERNEL_ACCOUNT)?;
        PAGES.fetch_add(refs.len(), Ordering::Relaxed);
        // From here on every page finds its way back by the drop.
        let mut this = Self { set: Some(set) };
        let Some(set) = &mut this.set else {
            return Err(EINVAL);
        };
        match foreign::map(&Xen, &mut set.pages, refs, access, pause) {
            Ok(()) => Ok(this),
            Err(_) if is_killed() => Err(EINTR),
            Err(error) => Err(to_error(error)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.set.as_ref().map_or(0, |set| set.pages.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Our page in whose place the page with this number is. Its content is another domain's. `None` also when the pages
    /// were mapped in an earlier domain: nothing of them is left.
    pub fn get(&self, index: usize) -> Option<&Page> {
        let set = self
            .set
            .as_ref()
            .filter(|set| set.domain == table::domain())?;
        Some(&set.pages.get(index)?.mapped()?.0)
    }
}

impl Drop for ForeignPages {
    fn drop(&mut self) {
        if let Some(mut set) = self.set.take() {
            if !set.give_back() {
                wait(set);
                WORK.queue(INTERVAL);
            }
        }
    }
}

/// Puts a set into the list.
fn wait(mut set: KBox<Set>) {
    COUNT_WAITING.fetch_add(set.pages.len(), Ordering::Relaxed);
    let mut list = WAITING.lock();
    set.next = list.take();
    *list = Some(set);
}

fn work() {
    retry();
    if WAITING.lock().is_some() {
        WORK.queue(INTERVAL);
    }
}

/// Tries each set once.
fn retry() {
    let mut rest = take(&mut *WAITING.lock());
    while let Some(mut set) = rest {
        rest = set.next.take();
        COUNT_WAITING.fetch_sub(set.pages.len(), Ordering::Relaxed);
        if !set.give_back() {
            wait(set);
        }
    }
}

/// Copies between frames of ours and other domains' pages. Each operation has its status afterwards. Process context.
pub fn copy(ops: &mut [GrantCopy]) {
    grant_table::perform(ops, |ops| Xen.grant_copy(ops), pause);
}

/// Sleeps so many milliseconds, and says whether to go on: not when the process is being killed.
fn pause(milliseconds: u32) -> bool {
    stack_pin_init!(let queue = WaitQueue::new());
    queue
        .wait(Sleep::Killable, Some(milliseconds.into()), || false)
        .is_ok()
}

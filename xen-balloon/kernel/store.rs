// SPDX-License-Identifier: GPL-2.0-only
//! What the toolstack says (`memory/target`, `memory/static-max`, both in KiB).

use balloon_core::{node, Target};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{pr_warn_once, prelude::*, sync::Arc};
use linux::delayed_work::DelayedWork;
use linux_memory::present;
use xen_bus::store::{self, Event, StoreValue, Watch, WatchHandler};

use crate::worker::{kick, with_state};

const TARGET: &[u8] = b"memory/target";

/// By newer toolstacks, and by older ones.
const STATIC_MAX: [&[u8]; 2] = [b"memory/static-max", b"memory/memory_static_max"];

/// How long after a failure the nodes are looked at again, in milliseconds.
const AGAIN: u32 = 5_000;

/// Looks at the nodes: one at a time, whether they changed or could not be read before.
static LOOK: DelayedWork = DelayedWork::new(look);
/// The guest's share of static-max is known.
static CALIBRATED: AtomicBool = AtomicBool::new(false);
/// People know that the nodes cannot be read.
static TOLD: AtomicBool = AtomicBool::new(false);

/// The target is followed as long as this lives.
pub(crate) struct Following(Option<Watch>);

impl Following {
    /// Follows the target from now on.
    ///
    /// # Safety
    ///
    /// Called once in the module's life.
    pub(crate) unsafe fn start() -> Result<Self> {
        // SAFETY: As the caller promises; the item is not queued before this.
        unsafe { LOOK.start() };
        let mut this = Self(None);
        this.0 = Some(store::watch(TARGET, Arc::new(Changed, GFP_KERNEL)?)?);
        Ok(this)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0 = None;
        LOOK.cancel();
    }
}

/// Has the nodes looked at.
struct Changed;

impl WatchHandler for Changed {
    fn changed(&self, _event: Event<'_>) {
        LOOK.queue_now();
    }
}

fn look() {
    let Err(error) = follow() else {
        TOLD.store(false, Ordering::Relaxed);
        return;
    };
    if !TOLD.swap(true, Ordering::Relaxed) {
        pr_warn!(
            "memory/target or memory/static-max cannot be read ({error:?}): the guest keeps its memory until they can, \
             which is tried every {} seconds\n",
            AGAIN / 1000
        );
    }
    LOOK.queue(AGAIN);
}

/// Takes over the toolstack's target, if there is one.
fn follow() -> Result {
    // Without the node there is nothing to follow: the guest keeps what it has.
    let Some(text) = read(TARGET)? else {
        return Ok(());
    };
    let Some(pages) = node::pages_of_kib(&text) else {
        pr_warn_once!("the node memory/target is no number of KiB; the guest keeps its memory\n");
        return Ok(());
    };
    if !CALIBRATED.load(Ordering::Relaxed) {
        // A wrong share would move every target until the module is loaded again.
        let all = Target::new(present(), static_max()?);
        with_state(|state| state.balloon.retarget(|target| *target = all));
        CALIBRATED.store(true, Ordering::Relaxed);
    }
    with_state(|state| {
        state
            .balloon
            .retarget(|target| target.set_from_toolstack(pages))
    });
    kick();
    Ok(())
}

/// Everything that the domain may have, if the toolstack says so.
fn static_max() -> Result<Option<u64>> {
    node::first_pages_of_kib(STATIC_MAX.iter().map(|path| read(path)))
}

/// A node, if there is one.
fn read(path: &[u8]) -> Result<Option<StoreValue>> {
    match store::read(path) {
        Err(error) if error == ENOENT => Ok(None),
        result => result.map(Some),
    }
}

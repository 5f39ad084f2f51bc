// SPDX-License-Identifier: GPL-2.0-only
//! What the toolstack says (`memory/target`, `memory/static-max`, both in KiB).

use balloon_core::{node, Target};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{pr_warn_once, prelude::*, sync::Arc};
use linux_memory::present;
use xen_bus::store::{self, Event, Watch, WatchHandler};

use crate::worker::{kick, with_state};

const TARGET: &[u8] = b"memory/target";

/// By newer toolstacks, and by older ones.
const STATIC_MAX: [&[u8]; 2] = [b"memory/static-max", b"memory/memory_static_max"];

/// Follows the target from now on.
pub(crate) fn watch() -> Result<Watch> {
    store::watch(TARGET, Arc::new(Follow::default(), GFP_KERNEL)?)
}

#[derive(Default)]
struct Follow {
    /// The guest's share of static-max is known.
    calibrated: AtomicBool,
}

impl WatchHandler for Follow {
    fn changed(&self, _event: Event<'_>) {
        // Without the node there is nothing to follow: the guest keeps what it has.
        let Ok(text) = store::read(TARGET) else {
            return;
        };
        let Some(pages) = node::pages_of_kib(&text) else {
            pr_warn_once!(
                "the node memory/target is no number of KiB; the guest keeps its memory\n"
            );
            return;
        };
        if !self.calibrated.load(Ordering::Relaxed) {
            // A wrong share would move every target until the module is loaded again.
            let Ok(static_max) = static_max() else {
                pr_warn!(
                    "memory/static-max cannot be read: the target is followed when it changes again\n"
                );
                return;
            };
            let all = Target::new(present(), static_max);
            with_state(|state| state.balloon.retarget(|target| *target = all));
            self.calibrated.store(true, Ordering::Relaxed);
        }
        with_state(|state| {
            state
                .balloon
                .retarget(|target| target.set_from_toolstack(pages))
        });
        kick();
    }
}

/// Everything that the domain may have, if the toolstack says so.
fn static_max() -> Result<Option<u64>> {
    node::first_pages_of_kib(STATIC_MAX.iter().map(|path| match store::read(path) {
        Err(error) if error == ENOENT => Ok(None),
        result => result.map(Some),
    }))
}

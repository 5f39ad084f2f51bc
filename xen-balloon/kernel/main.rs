// SPDX-License-Identifier: GPL-2.0-only
//! xen-balloon: gives memory of the guest back to Xen and gets it again, as the toolstack asks by `memory/target`.
//!
//! The decisions are those of the crate `balloon_core`; pages and files are reached through `linux_memory`. Here they
//! are tied together:
//!
//! * `worker`: the state, and the one function that changes the guest's memory.
//! * `store`: the toolstack's nodes.
//! * `files`: `/sys/devices/system/xen_memory/xen_memory0`, by mainline's names.
//!
//! When the module is removed it gets back as much memory as Xen lets the guest have. Pages for which there is none
//! stay marked as being without memory and out of the guest's reach; the module finds them when it is inserted again.
//!
//! C counterparts: `drivers/xen/balloon.c`, `drivers/xen/xen-balloon.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use kernel::{prelude::*, sync::Arc};
use linux_memory::Subsystem;

mod files;
mod store;
mod worker;

module! {
    type: XenBalloon,
    name: "xen_balloon",
    authors: ["The xenpv authors"],
    description: "Xen memory balloon",
    license: "GPL",
    params: {
        scrub_pages: u8 {
            default: 1,
            description: "1: wipe pages before Xen gets them; 0: do not (Xen wipes them before anybody else does)",
        },
    },
}

/// What the module holds while it is loaded. Field order matters: nothing asks for work any more when the worker goes.
struct XenBalloon {
    _following: store::Following,
    _files: Subsystem<files::BalloonFiles>,
    _worker: worker::Worker,
}

impl kernel::Module for XenBalloon {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let scrub = module_parameters::scrub_pages.value() != 0;
        // SAFETY: This runs once, before anything else of the module.
        let worker = unsafe { worker::Worker::start(scrub) }?;
        let files = Arc::new(files::BalloonFiles, GFP_KERNEL)?;
        let files = Subsystem::register(c"xen_memory", files).inspect_err(|_| {
            pr_err!(
                "cannot show /sys/devices/system/xen_memory: is another balloon driver active?\n"
            );
        })?;
        Ok(Self {
            // SAFETY: As above.
            _following: unsafe { store::Following::start() }?,
            _files: files,
            _worker: worker,
        })
    }
}

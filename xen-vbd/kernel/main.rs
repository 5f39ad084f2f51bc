// SPDX-License-Identifier: GPL-2.0-only
//! xen-vbd: the frontend of Xen's virtual block devices, `/dev/xvd*`.
//!
//! The decisions are those of the crate `vbd_core`; the block layer is reached through `linux_block`, the backend
//! through the services of xen-platform-pci (`xen_bus`, `xen_grants`, `xen_events`). Here they are tied together:
//!
//! * `frontend`: what the bus calls: probe, publish, connect, closing.
//! * `attachment`: a disk and its ties to a backend that may go and come back.
//! * `queue`: the hot path. `pool`, `ring_page`: the memory shared with the backend.
//!
//! C counterpart: `drivers/block/xen-blkfront.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use kernel::{prelude::*, sync::Arc};
use linux::workqueue::WorkQueue;
use linux_block::Major;
use xen_bus::DriverRegistration;

mod attachment;
mod backend;
mod frontend;
mod gate;
mod params;
mod places;
mod pool;
mod queue;
mod ring_page;

module! {
    type: XenVbd,
    name: "xen_vbd",
    authors: ["The xenpv authors"],
    description: "Xen virtual block device frontend",
    license: "GPL",
    alias: ["xenpv:vbd", "xenblk", "block-major-202-*"],
    params: {
        feature_persistent: u8 {
            default: 1,
            description: "1: let the backend keep our pages mapped (persistent grants); 0: share them for each request",
        },
        max_indirect_segments: u32 {
            default: 32,
            description: "Pages of data in a request, at most 256, if the backend takes so many; up to 11: no indirect requests",
        },
        timeout: u32 {
            default: 0,
            description: "Seconds after which a backend that does not answer is given up and reconnected; 0: never",
        },
        reconnect_timeout: u32 {
            default: 60,
            description: "Seconds that a disk without backend keeps its I/O waiting before it fails; 0: not at all",
        },
    },
}

/// What the module holds while it is loaded. Field order matters: devices go first, the major number last.
struct XenVbd {
    _registration: DriverRegistration,
    _works: frontend::Works,
    _major: Major,
}

impl kernel::Module for XenVbd {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let major = Major::register(vbd_core::XENVBD_MAJOR, c"xvd").inspect_err(|_| {
            pr_err!("block major 202 is taken: unload xen-blkfront first, or boot with xen_nopv\n");
        })?;
        // SAFETY: this function runs once, before anything else of the module.
        unsafe { places::init() };
        // SAFETY: as above.
        let works =
            unsafe { frontend::Works::start(Arc::new(WorkQueue::new(c"xen_vbd")?, GFP_KERNEL)?) };
        let registration = xen_bus::register_driver::<frontend::VbdDriver>(module)?;
        Ok(Self {
            _registration: registration,
            _works: works,
            _major: major,
        })
    }
}

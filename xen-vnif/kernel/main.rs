// SPDX-License-Identifier: GPL-2.0-only
//! xen-vnif: the frontend of Xen's virtual network interfaces.
//!
//! The decisions are those of the crate `vnif_core`; the network stack is reached through `linux_net`, the backend
//! through the services of xen-platform-pci (`xen_bus`, `xen_grants`, `xen_events`). Here they are tied together:
//!
//! * `frontend`: what the bus calls: probe, publish, connect, closing.
//! * `attachment`: the interface between the bus and the stack, and the work item that takes RTNL.
//! * `vif`: what the stack calls: start_xmit, poll; it holds a connection's two halves behind their locks.
//! * `transmit` and `receive`: those halves, the hot paths.
//! * `shared`: the memory that the backend sees. `counters`: what was done.
//!
//! C counterpart: `drivers/net/xen-netfront.c`.
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use kernel::prelude::*;
use xen_bus::DriverRegistration;

mod attachment;
mod counters;
mod frontend;
mod receive;
mod shared;
mod transmit;
mod vif;

module! {
    type: XenVnif,
    name: "xen_vnif",
    authors: ["The xenpv authors"],
    description: "Xen virtual network interface frontend",
    license: "GPL",
    alias: ["xenpv:vif", "xennet"],
}

/// What the module holds while it is loaded. Field order matters: the devices go first, then their interfaces.
struct XenVnif {
    _registration: DriverRegistration,
    _works: attachment::Works,
}

impl kernel::Module for XenVnif {
    fn init(module: &'static ThisModule) -> Result<Self> {
        // SAFETY: This function runs once, before anything else of the module.
        let works = unsafe { attachment::Works::start()? };
        let registration = xen_bus::register_driver::<frontend::VifDriver>(module)?;
        works.settle();
        Ok(Self {
            _registration: registration,
            _works: works,
        })
    }
}

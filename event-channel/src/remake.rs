// SPDX-License-Identifier: GPL-2.0-only
use crate::shared::{SharedPorts, VcpuInfo};
use xen_sys::{hvm, Gfn, Hypervisor, PhysmapSpace, Result, VcpuId};

/// A vCPU whose upcalls are to come.
#[derive(Clone, Copy, Debug)]
pub struct Upcalls<'a> {
    /// Xen's number of it.
    pub vcpu: VcpuId,
    /// What Xen tells it.
    pub info: VcpuInfo<'a>,
    /// The vector that it gets for that; `None` when the domain's callback serves it.
    pub vector: Option<u8>,
}

/// Makes upcalls work in a new domain that goes on from what was saved of the old one: shared_info appears at `window`
/// again, and each of `vcpus` is told of its events again. All ports are masked: the new domain has none of the old
/// one's, whose owners find out by their own means.
///
/// `ports` and the vCPUs' words are those of the page at `window`. `callback` is the value for
/// [`hvm::PARAM_CALLBACK_IRQ`] in the end. Nothing here allocates or waits, so all of it can be done while every other
/// vCPU is at rest.
///
/// # Errors
/// What Xen said. No upcall comes then, nor any event.
pub fn remake<'a>(
    xen: &impl Hypervisor,
    window: Gfn,
    ports: SharedPorts<'_>,
    vcpus: impl Iterator<Item = Upcalls<'a>>,
    callback: u64,
) -> Result {
    // Whatever its value, this makes Xen use the 64-bit layout of shared_info, before there is anything in it.
    xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, hvm::CALLBACK_NONE)?;
    xen.add_to_physmap(PhysmapSpace::SharedInfo, window)?;
    ports.mask_all();
    for upcalls in vcpus {
        upcalls.info.reset();
        if let Some(vector) = upcalls.vector {
            xen.set_evtchn_upcall_vector(upcalls.vcpu, vector)?;
        }
    }
    // The last: a callback is raised at once for what a vCPU without vector has been told.
    xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, callback)
}

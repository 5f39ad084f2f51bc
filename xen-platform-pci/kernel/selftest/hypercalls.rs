// SPDX-License-Identifier: GPL-2.0-only
//! Hypercalls: that each kind reaches Xen with its arguments in place and brings its answer back, whichever way they
//! are issued.

use crate::{ensure, Case, Failure};
use xen_hypercall::Xen;
use xen_sys::{
    hvm, Domid, Gfn, Hypervisor, PhysmapSpace, Port, PortBinding, Result, VcpuId, XenError,
};

pub(crate) const CASES: &[Case] = &[
    ("hypercalls: Xen says who it is and who asks", identity),
    ("hypercalls: a port goes through its states", ports),
    (
        "hypercalls: two ends of a channel within the domain",
        loopback,
    ),
    ("hypercalls: errors are those of Xen", errors),
    ("hypercalls: memory comes and goes", memory),
    ("hypercalls: HVM parameters", parameters),
];

/// A frame of the reserved window that nobody uses, far behind the grant table's.
const FREE_GFN: Gfn = Gfn(0xfe7f0);

/// What a hypercall returned, if it should have succeeded.
#[track_caller]
fn done<T>(result: Result<T>, what: &'static str) -> core::result::Result<T, Failure> {
    result.map_err(|_| Failure::new(what))
}

fn identity() -> core::result::Result<(), Failure> {
    let info = xen_hypercall::info().ok_or_else(|| Failure::new("no info"))?;
    let version = done(Xen.version(), "XENVER_version failed")?;
    ensure(version == info.leaves.version, "CPUID says another version")?;
    let leaf = xen_hypercall::this_cpu().ok_or_else(|| Failure::new("no HVM leaf"))?;
    ensure(leaf.vcpu.is_some(), "no vCPU number")?;
    ensure(leaf.domid.is_some_and(Domid::is_domain), "no domain number")
}

fn ports() -> core::result::Result<(), Failure> {
    let backend = Domid(0);
    let port = done(Xen.evtchn_alloc_unbound(backend), "alloc_unbound failed")?;
    let status = done(Xen.evtchn_status(port), "status failed")?;
    ensure(
        status.binding == PortBinding::Unbound(backend),
        "not unbound for the backend",
    )?;
    done(Xen.evtchn_bind_vcpu(port, VcpuId(0)), "bind_vcpu failed")?;
    done(Xen.evtchn_send(port), "send failed")?;
    done(Xen.evtchn_close(port), "close failed")?;
    let status = done(Xen.evtchn_status(port), "status failed")?;
    ensure(status.binding == PortBinding::Closed, "not closed")?;
    let ipi = done(Xen.evtchn_bind_ipi(VcpuId(0)), "bind_ipi failed")?;
    let status = done(Xen.evtchn_status(ipi), "status failed")?;
    ensure(status.binding == PortBinding::Ipi, "not an IPI")?;
    done(Xen.evtchn_close(ipi), "close of the IPI failed")
}

fn loopback() -> core::result::Result<(), Failure> {
    let far = done(
        Xen.evtchn_alloc_unbound(Domid::SELF),
        "alloc_unbound failed",
    )?;
    let near = done(
        Xen.evtchn_bind_interdomain(Domid::SELF, far),
        "bind_interdomain failed",
    )?;
    let binding = Xen.evtchn_status(near).map(|status| status.binding);
    let bound = matches!(binding, Ok(PortBinding::Interdomain(_, port)) if port == far);
    done(Xen.evtchn_close(near), "close failed")?;
    done(Xen.evtchn_close(far), "close of the far end failed")?;
    ensure(bound, "not bound to the other end")
}

fn errors() -> core::result::Result<(), Failure> {
    let unknown = Port(4000);
    ensure(
        Xen.evtchn_send(unknown) == Err(XenError::EINVAL),
        "send on a closed port",
    )?;
    ensure(
        Xen.evtchn_bind_ipi(VcpuId(8191)) == Err(XenError::ENOENT),
        "an IPI to no vCPU",
    )?;
    ensure(
        Xen.hvm_get_param(9999) == Err(XenError::EINVAL),
        "a parameter that is none",
    )?;
    ensure(
        Xen.set_evtchn_upcall_vector(VcpuId(0), 1) == Err(XenError::EINVAL),
        "a vector of the CPU's own",
    )?;
    ensure(
        Xen.add_to_physmap(PhysmapSpace::GrantTable(u32::MAX >> 1), FREE_GFN)
            == Err(XenError::EINVAL),
        "a grant frame beyond the table",
    )
}

fn memory() -> core::result::Result<(), Failure> {
    let before = done(Xen.current_reservation(), "current_reservation failed")?;
    let most = done(Xen.maximum_reservation(), "maximum_reservation failed")?;
    ensure(before <= most, "more memory than is allowed")?;
    ensure(Xen.populate_physmap(&[]) == Ok(0), "nothing is something")?;
    let gfns = [FREE_GFN, Gfn(FREE_GFN.0 + 1)];
    let got = done(Xen.populate_physmap(&gfns), "populate_physmap failed")?;
    let during = Xen.current_reservation();
    let given = Xen.decrease_reservation(gfns.get(..got).unwrap_or(&gfns));
    ensure(got == gfns.len(), "not all pages were to be had")?;
    ensure(during == Ok(before + 2), "two pages more were not counted")?;
    ensure(given == Ok(got), "not all pages were taken back")?;
    ensure(
        Xen.current_reservation() == Ok(before),
        "pages have been lost",
    )
}

fn parameters() -> core::result::Result<(), Failure> {
    let port = done(Xen.hvm_get_param(hvm::PARAM_STORE_EVTCHN), "no store port")?;
    let status = done(Xen.evtchn_status(Port(port as u32)), "status failed")?;
    ensure(
        matches!(status.binding, PortBinding::Interdomain(..)),
        "xenstore's port is not bound",
    )?;
    let size = done(Xen.grant_query_size(), "grant_query_size failed")?;
    ensure(
        size.frames >= 1 && size.frames <= size.max_frames,
        "a grant table of a strange size",
    )?;
    ensure(Xen.grant_get_version() == Ok(1), "not version 1")
}

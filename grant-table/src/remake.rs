// SPDX-License-Identifier: GPL-2.0-only
//! The table in Xen's hands: its version and its frames.
use xen_sys::{Gfn, Hypervisor, PhysmapSpace, Result, XenError};

/// Sees to it that the frames hold version 1 entries; a boot loader, an earlier kernel or a toolstack may have chosen
/// version 2.
///
/// # Errors
/// What Xen said, or `EBUSY` when it does not leave the version that it has.
pub fn choose_version(xen: &impl Hypervisor) -> Result {
    if xen.grant_get_version()? == 1 {
        return Ok(());
    }
    match xen.grant_set_version(1)? {
        1 => Ok(()),
        _ => Err(XenError::EBUSY),
    }
}

/// Makes the table appear again in a new domain that goes on from what was saved of the old one: `frames` frames, each
/// where `place` says. The new table is empty, so every grant of the old one is over, whoever had it mapped; the
/// references stay with their owners until these give them up.
///
/// Returns how many frames the table may have now. Nothing here allocates or waits.
///
/// # Errors
/// What Xen said. References of the frames that are missing grant nothing then.
pub fn remake(xen: &impl Hypervisor, frames: u32, place: impl Fn(u32) -> Gfn) -> Result<u32> {
    choose_version(xen)?;
    for frame in 0..frames {
        xen.add_to_physmap(PhysmapSpace::GrantTable(frame), place(frame))?;
    }
    Ok(xen.grant_query_size()?.max_frames)
}

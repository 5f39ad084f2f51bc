// SPDX-License-Identifier: GPL-2.0-only
//! Reading what the backend says in xenstore.

use kernel::prelude::*;
use vbd_core::{BackendNodes, Properties};
use xen_bus::Device;

use crate::params;

/// The backend's nodes as numbers. A node that is no number is an error of the bus's reading.
fn nodes(device: &Device) -> Result<BackendNodes> {
    Ok(BackendNodes {
        sectors: device.read_backend_u64(b"sectors")?,
        sector_size: device.read_backend_u64(b"sector-size")?,
        physical_sector_size: device.read_backend_u64(b"physical-sector-size")?,
        info: device.read_backend_u64(b"info")?,
        feature_flush_cache: device.read_backend_u64(b"feature-flush-cache")?,
        feature_barrier: device.read_backend_u64(b"feature-barrier")?,
        feature_persistent: device.read_backend_u64(b"feature-persistent")?,
        feature_max_indirect_segments: device.read_backend_u64(b"feature-max-indirect-segments")?,
    })
}

/// The disk's properties, checked; says what is wrong with them when they cannot be used.
pub(crate) fn properties(device: &Device) -> Result<Properties> {
    let mut properties = Properties::negotiate(&nodes(device)?).map_err(|why| {
        device.fail(EINVAL, format_args!("{why}"));
        EINVAL
    })?;
    if properties.cdrom {
        device.fail(
            ENODEV,
            format_args!("the disk is a CD-ROM: use the emulated drive"),
        );
        return Err(ENODEV);
    }
    // The backend says what it can do; both must want it.
    properties.persistent &= params::persistent();
    properties.limit_segments(params::max_segments());
    Ok(properties)
}

/// The capacity now, in sectors of 512 bytes.
pub(crate) fn capacity(device: &Device, logical_block: u32) -> Result<u64> {
    let sectors = device.read_backend_u64(b"sectors")?;
    vbd_core::capacity(sectors, logical_block).map_err(|why| {
        pr_warn!(
            "{}: the capacity stays as it is: {}\n",
            device.name(),
            format_args!("{why}")
        );
        EINVAL
    })
}

/// Whether the backend means to stay or to come back: the toolstack writes 0 here to take the disk away.
pub(crate) fn is_online(device: &Device) -> bool {
    !matches!(device.read_backend_u64(b"online"), Ok(Some(0)))
}

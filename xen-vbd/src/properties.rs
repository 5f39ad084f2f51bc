// SPDX-License-Identifier: GPL-2.0-only
//! What the backend says about its disk, checked before anything is built on it.
//!
//! The nodes are described in `xen/include/public/io/blkif.h`, "Backend Device Properties" and
//! "Backend Features". They are the peer's words: every value is held against what the guest's
//! block layer can stand, and a disk that fails the check is not added.

use core::fmt;

use xen_sys::blkif::{VdiskInfo, MAX_SEGMENTS_PER_REQUEST, SECTOR_SIZE};

use crate::{Flush, MAX_INDIRECT_SEGMENTS};

/// The largest logical block that fits a segment: one granted page.
pub const MAX_LOGICAL_BLOCK: u32 = 4096;
/// The largest physical block believed; beyond it the hint says nothing useful.
pub(crate) const MAX_PHYSICAL_BLOCK: u32 = 1 << 20;
/// Linux counts a disk's bytes in an `i64` (`BLK_DEV_MAX_SECTORS`).
pub(crate) const MAX_SECTORS: u64 = i64::MAX as u64 / SECTOR_SIZE as u64;

/// The backend's nodes as numbers, `None` for a node that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendNodes {
    /// `sectors`: the capacity in units of 512 bytes, whatever the sector size.
    pub sectors: Option<u64>,
    /// `sector-size`: the logical block in bytes.
    pub sector_size: Option<u64>,
    /// `physical-sector-size`: the physical block in bytes.
    pub physical_sector_size: Option<u64>,
    /// `info`: the `VDISK_*` bits.
    pub info: Option<u64>,
    /// `feature-flush-cache`.
    pub feature_flush_cache: Option<u64>,
    /// `feature-barrier`.
    pub feature_barrier: Option<u64>,
    /// `feature-persistent`.
    pub feature_persistent: Option<u64>,
    /// `feature-max-indirect-segments`.
    pub feature_max_indirect_segments: Option<u64>,
}

/// A node whose value no disk can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadProperty {
    /// The node `sectors` is missing.
    NoCapacity,
    /// `sectors` is more than Linux can address.
    CapacityTooLarge(u64),
    /// `sector-size` is no power of two from 512 to 4096.
    SectorSize(u64),
    /// `physical-sector-size` is no power of two from the sector size to 1 MiB.
    PhysicalSectorSize(u64),
    /// `info` is no 32-bit number.
    Info(u64),
}

impl fmt::Display for BadProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapacity => write!(f, "the backend gives no sectors"),
            Self::CapacityTooLarge(v) => write!(f, "the backend's sectors {v} are beyond {MAX_SECTORS}"),
            Self::SectorSize(v) => write!(
                f,
                "the backend's sector-size {v} is no power of two from {SECTOR_SIZE} to {MAX_LOGICAL_BLOCK}"
            ),
            Self::PhysicalSectorSize(v) => write!(
                f,
                "the backend's physical-sector-size {v} is no power of two from the sector-size to {MAX_PHYSICAL_BLOCK}"
            ),
            Self::Info(v) => write!(f, "the backend's info {v:#x} is no set of disk flags"),
        }
    }
}

/// A disk's properties after the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Capacity in sectors of 512 bytes, a whole number of logical blocks.
    pub sectors: u64,
    /// Logical block in bytes.
    pub logical_block: u32,
    /// Physical block in bytes, at least the logical block.
    pub physical_block: u32,
    /// Writes are refused by the backend.
    pub read_only: bool,
    /// The medium can be taken out.
    pub removable: bool,
    /// A CD-ROM: an HVM guest has the emulated drive instead.
    pub cdrom: bool,
    /// The backend has a write cache and empties it on request, in this way.
    pub flush: Option<Flush>,
    /// The backend maps our pages once and keeps them mapped.
    pub persistent: bool,
    /// Pages of data that the backend takes in a request: those of a direct one, or more by indirect requests, and never
    /// more than [`MAX_INDIRECT_SEGMENTS`].
    pub segments: usize,
}

impl Properties {
    /// Checks the backend's nodes; the first one that cannot be is the error.
    pub fn negotiate(nodes: &BackendNodes) -> Result<Self, BadProperty> {
        let logical_block = block_size(
            nodes.sector_size,
            SECTOR_SIZE,
            SECTOR_SIZE,
            MAX_LOGICAL_BLOCK,
        )
        .map_err(BadProperty::SectorSize)?;
        let physical_block = block_size(
            nodes.physical_sector_size,
            logical_block,
            logical_block,
            MAX_PHYSICAL_BLOCK,
        )
        .map_err(BadProperty::PhysicalSectorSize)?;
        let info = nodes.info.unwrap_or(0);
        let info = u32::try_from(info).map_err(|_| BadProperty::Info(info))?;
        let info = VdiskInfo::from_bits_retain(info);
        let on = |feature: Option<u64>| feature.is_some_and(|value| value != 0);
        let flush = match (on(nodes.feature_flush_cache), on(nodes.feature_barrier)) {
            (true, _) => Some(Flush::Cache),
            (false, true) => Some(Flush::Barrier),
            (false, false) => None,
        };
        Ok(Self {
            sectors: capacity(nodes.sectors, logical_block)?,
            logical_block,
            physical_block,
            read_only: info.contains(VdiskInfo::READONLY),
            removable: info.contains(VdiskInfo::REMOVABLE),
            cdrom: info.contains(VdiskInfo::CDROM),
            flush,
            persistent: on(nodes.feature_persistent),
            segments: segments(nodes.feature_max_indirect_segments),
        })
    }
}

impl Properties {
    /// Has no more than `most` pages of data in a request; those of a direct one are always allowed.
    pub fn limit_segments(&mut self, most: usize) {
        self.segments = self.segments.min(most.max(MAX_SEGMENTS_PER_REQUEST));
    }

    /// Whether a disk with these properties can stand for one with the `other`: what the block layer was told when
    /// the disk was added must still hold. The capacity may change; how pages are shared, how many go into a request and by
    /// which operation the cache is emptied is our matter.
    pub fn is_same_disk(&self, other: &Self) -> bool {
        let comparable = Self {
            sectors: other.sectors,
            persistent: other.persistent,
            segments: other.segments,
            flush: other.flush,
            ..*self
        };
        comparable == *other && self.flush.is_some() == other.flush.is_some()
    }
}

/// The capacity to give to the block layer: `sectors` cut down to whole logical blocks.
///
/// `logical_block` is a size that [`Properties::negotiate`] accepted. Zero sectors are a disk
/// without a medium, or one that will grow.
pub fn capacity(sectors: Option<u64>, logical_block: u32) -> Result<u64, BadProperty> {
    let sectors = sectors.ok_or(BadProperty::NoCapacity)?;
    if sectors > MAX_SECTORS {
        return Err(BadProperty::CapacityTooLarge(sectors));
    }
    // A power of two, so that a mask does.
    let per_block = u64::from(logical_block / SECTOR_SIZE);
    Ok(sectors & !per_block.wrapping_sub(1))
}

/// Any number will do: the largest one is cut down, and below what a direct request holds there is no use for indirect
/// ones.
fn segments(node: Option<u64>) -> usize {
    let most = node.unwrap_or(0).min(MAX_INDIRECT_SEGMENTS as u64);
    (most as usize).max(MAX_SEGMENTS_PER_REQUEST)
}

fn block_size(node: Option<u64>, default: u32, least: u32, most: u32) -> Result<u32, u64> {
    match node {
        None => Ok(default),
        Some(value) => u32::try_from(value)
            .ok()
            .filter(|size| size.is_power_of_two() && (least..=most).contains(size))
            .ok_or(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn plain() -> BackendNodes {
        BackendNodes {
            sectors: Some(20480),
            ..BackendNodes::default()
        }
    }

    #[test]
    fn a_backend_with_defaults() {
        let got = Properties::negotiate(&plain()).unwrap();
        let want = Properties {
            sectors: 20480,
            logical_block: 512,
            physical_block: 512,
            read_only: false,
            removable: false,
            cdrom: false,
            flush: None,
            persistent: false,
            segments: 11,
        };
        assert_eq!(got, want);
    }

    #[test]
    fn everything_announced() {
        let nodes = BackendNodes {
            sectors: Some(20487),
            sector_size: Some(4096),
            physical_sector_size: Some(16384),
            info: Some(7),
            feature_flush_cache: Some(1),
            feature_barrier: Some(1),
            feature_persistent: Some(1),
            feature_max_indirect_segments: Some(32),
        };
        let got = Properties::negotiate(&nodes).unwrap();
        assert_eq!(got.segments, 32);
        assert_eq!(
            (got.sectors, got.logical_block, got.physical_block),
            (20480, 4096, 16384)
        );
        assert!(got.read_only && got.removable && got.cdrom && got.persistent);
        assert_eq!(got.flush, Some(Flush::Cache));
        let off = BackendNodes {
            feature_flush_cache: Some(0),
            feature_barrier: Some(0),
            feature_persistent: Some(0),
            ..nodes
        };
        let got = Properties::negotiate(&off).unwrap();
        assert!(got.flush.is_none() && !got.persistent);
    }

    #[test]
    fn a_barrier_stands_in_for_the_flush_that_is_not_there() {
        let flush = |feature_flush_cache, feature_barrier| {
            let nodes = BackendNodes {
                feature_flush_cache,
                feature_barrier,
                ..plain()
            };
            Properties::negotiate(&nodes).unwrap().flush
        };
        assert_eq!(flush(None, Some(1)), Some(Flush::Barrier));
        assert_eq!(flush(Some(0), Some(1)), Some(Flush::Barrier));
        assert_eq!(flush(Some(1), Some(0)), Some(Flush::Cache));
        assert_eq!(flush(Some(1), None), Some(Flush::Cache));
        assert_eq!(flush(None, None), None);
    }

    #[test]
    fn each_flag_is_its_own_bit() {
        let flags = |info| {
            let got = Properties::negotiate(&BackendNodes {
                info: Some(info),
                ..plain()
            })
            .unwrap();
            (got.cdrom, got.removable, got.read_only)
        };
        assert_eq!(flags(1), (true, false, false));
        assert_eq!(flags(2), (false, true, false));
        assert_eq!(flags(4), (false, false, true));
        assert_eq!(flags(8), (false, false, false));
    }

    #[test]
    fn any_number_of_indirect_segments_is_cut_to_what_we_can_do() {
        let segments = |node, limit| {
            let nodes = BackendNodes {
                feature_max_indirect_segments: node,
                ..plain()
            };
            let mut properties = Properties::negotiate(&nodes).unwrap();
            properties.limit_segments(limit);
            properties.segments
        };
        for few in [None, Some(0), Some(1), Some(11)] {
            assert_eq!(segments(few, 256), 11, "{few:?}");
        }
        assert_eq!(segments(Some(12), 256), 12);
        for many in [256, 257, 4096, 1 << 16, (1 << 16) + 12, 1 << 32, u64::MAX] {
            assert_eq!(segments(Some(many), usize::MAX), 256, "{many}");
            assert_eq!(segments(Some(many), 32), 32, "{many}");
            assert_eq!(segments(Some(many), 0), 11, "{many}");
        }
    }

    fn refused(nodes: BackendNodes, why: BadProperty) {
        assert_eq!(Properties::negotiate(&nodes), Err(why));
        assert!(!why.to_string().is_empty());
    }

    #[test]
    fn hostile_block_sizes() {
        let huge = [
            1 << 31,
            1 << 32,
            (1 << 32) + 512,
            (1 << 32) + 4096,
            u64::MAX,
        ];
        for size in [0, 1, 256, 513, 1536, 8192].into_iter().chain(huge) {
            let mut nodes = plain();
            nodes.sector_size = Some(size);
            refused(nodes, BadProperty::SectorSize(size));
        }
        for size in [0, 1, 256, 768, 1 << 21].into_iter().chain(huge) {
            let mut nodes = plain();
            nodes.physical_sector_size = Some(size);
            refused(nodes, BadProperty::PhysicalSectorSize(size));
        }
        let mut smaller = plain();
        smaller.sector_size = Some(4096);
        smaller.physical_sector_size = Some(512);
        refused(smaller, BadProperty::PhysicalSectorSize(512));
    }

    #[test]
    fn hostile_capacities_and_flags() {
        refused(BackendNodes::default(), BadProperty::NoCapacity);
        for sectors in [MAX_SECTORS + 1, 1 << 62, u64::MAX] {
            let mut nodes = plain();
            nodes.sectors = Some(sectors);
            refused(nodes, BadProperty::CapacityTooLarge(sectors));
        }
        let mut nodes = plain();
        nodes.info = Some(1 << 32);
        refused(nodes, BadProperty::Info(1 << 32));
    }

    #[test]
    fn a_disk_that_comes_back() {
        let disk = Properties::negotiate(&plain()).unwrap();
        let grown = Properties {
            sectors: 40960,
            persistent: true,
            segments: 32,
            ..disk
        };
        assert!(disk.is_same_disk(&disk) && disk.is_same_disk(&grown));
        for other in [
            Properties {
                logical_block: 4096,
                physical_block: 4096,
                ..disk
            },
            Properties {
                read_only: true,
                ..disk
            },
            Properties {
                flush: Some(Flush::Cache),
                ..disk
            },
        ] {
            assert!(!disk.is_same_disk(&other), "{other:?}");
            assert!(!other.is_same_disk(&disk), "{other:?}");
        }
        let with = |flush| Properties {
            flush: Some(flush),
            ..disk
        };
        assert!(with(Flush::Cache).is_same_disk(&with(Flush::Barrier)));
    }

    #[test]
    fn capacity_at_its_ends() {
        assert_eq!(capacity(Some(0), 512), Ok(0));
        assert_eq!(capacity(Some(7), 4096), Ok(0));
        assert_eq!(capacity(Some(MAX_SECTORS), 512), Ok(MAX_SECTORS));
        assert_eq!(capacity(None, 512), Err(BadProperty::NoCapacity));
    }

    prop_compose! {
        fn any_nodes()(
            sectors: Option<u64>, sector_size: Option<u64>, physical_sector_size: Option<u64>,
            info: Option<u64>, feature_flush_cache: Option<u64>, feature_barrier: Option<u64>,
            feature_persistent: Option<u64>, feature_max_indirect_segments: Option<u64>,
            shift in 0u32..20, regular: bool,
        ) -> BackendNodes {
            BackendNodes {
                sectors,
                sector_size: if regular { Some(1 << shift) } else { sector_size },
                physical_sector_size,
                info,
                feature_flush_cache,
                feature_barrier,
                feature_persistent,
                feature_max_indirect_segments,
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_suits_the_block_layer(nodes in any_nodes()) {
            if let Ok(got) = Properties::negotiate(&nodes) {
                prop_assert!(got.logical_block.is_power_of_two() && got.logical_block >= 512);
                prop_assert!(got.physical_block.is_power_of_two());
                prop_assert!(got.logical_block <= got.physical_block);
                prop_assert!(got.sectors.checked_mul(512).is_some_and(|bytes| bytes <= i64::MAX as u64));
                prop_assert_eq!(got.sectors % u64::from(got.logical_block / 512), 0);
                prop_assert!((11..=MAX_INDIRECT_SEGMENTS).contains(&got.segments));
            }
        }
    }
}

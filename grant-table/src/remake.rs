// SPDX-License-Identifier: GPL-2.0-only
//! The table in Xen's hands: its version and its frames.
use crate::entries::Version;
use xen_sys::{Gfn, Hypervisor, PhysmapSpace, Result, XenError};

/// Which version is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Version 1, unless there are frames whose number it cannot hold; and the one in force, rather than none.
    Auto,
    /// That one and no other.
    Only(Version),
}

/// The version in force, and why it is not the one that would have been chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// How the entries are laid out from now on.
    pub version: Version,
    /// What Xen said when it was to change that.
    pub refused: Option<XenError>,
}

/// Sees to it that the entries are laid out as is wanted; a boot loader, an earlier kernel, an earlier load or a toolstack
/// may have chosen otherwise. Xen refuses while a peer maps a page of the table as it is, and version 2 also where it was
/// told to (`gnttab=max-ver:1`, `max_grant_version=1`).
///
/// # Errors
/// What Xen said when it was [`Wanted::Only`] another version, or says of a version that we do not know.
pub fn choose_version(xen: &impl Hypervisor, wanted: Wanted) -> Result<Chosen> {
    let best = match wanted {
        Wanted::Only(version) => version,
        Wanted::Auto if xen.maximum_gfn().is_ok_and(needs_v2) => Version::V2,
        Wanted::Auto => Version::V1,
    };
    let now = xen.grant_get_version()?;
    match set_version(xen, now, best) {
        Ok(()) => Ok(Chosen {
            version: best,
            refused: None,
        }),
        Err(error) if wanted == Wanted::Auto => Ok(Chosen {
            version: Version::of(now).ok_or(error)?,
            refused: Some(error),
        }),
        Err(error) => Err(error),
    }
}

/// Whether a frame's number does not fit an entry of version 1.
fn needs_v2(gfn: Gfn) -> bool {
    u32::try_from(gfn.0).is_err()
}

/// Changes the version, which is `now`.
fn set_version(xen: &impl Hypervisor, now: u32, version: Version) -> Result {
    let number = version.number();
    if now == number || xen.grant_set_version(number)? == number {
        return Ok(());
    }
    Err(XenError::EBUSY)
}

/// Where the frames of a table are: those of the entries one behind the other, behind the place of the last one those of
/// version 2's marks.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// How the entries are laid out.
    pub version: Version,
    /// Where the first one is.
    pub first: Gfn,
    /// Frames of entries that there may be.
    pub limit: u32,
}

impl Layout {
    /// Frames of entries whose marks are in one frame: 2 bytes for 16.
    const PER_STATUS_FRAME: u32 = 8;

    /// The largest table that Xen allows, with `max` frames of entries, in a window with so much room.
    pub fn new(version: Version, first: Gfn, room: u32, max: u32) -> Self {
        let fits = |limit: &u32| limit.saturating_add(status_frames(version, *limit)) <= room;
        let limit = (0..=max.min(room)).rev().find(fits).unwrap_or(0);
        Self {
            version,
            first,
            limit,
        }
    }

    /// Frames of a table with so many frames of entries.
    pub fn all_frames(&self, frames: u32) -> u32 {
        frames.saturating_add(status_frames(self.version, frames))
    }

    /// Where frame `frame` of the entries is.
    pub fn entries_at(&self, frame: u32) -> Gfn {
        Gfn(self.first.0.saturating_add(frame.into()))
    }

    /// Where frame `frame` of the marks is.
    pub fn status_at(&self, frame: u32) -> Gfn {
        Gfn(self.entries_at(self.limit).0.saturating_add(frame.into()))
    }

    /// Makes frame `frame` of the entries appear, and their marks. May be asked again after an error.
    ///
    /// # Errors
    /// What Xen said.
    pub fn add_frame(&self, xen: &impl Hypervisor, frame: u32) -> Result {
        xen.add_to_physmap(PhysmapSpace::GrantTable(frame), self.entries_at(frame))?;
        if self.version == Version::V2 && frame % Self::PER_STATUS_FRAME == 0 {
            let status = frame / Self::PER_STATUS_FRAME;
            xen.add_to_physmap(PhysmapSpace::GrantStatus(status), self.status_at(status))?;
        }
        Ok(())
    }

    /// Takes so many frames of entries, and their marks, away. `failed` hears of each that stays.
    pub fn remove(
        &self,
        xen: &impl Hypervisor,
        frames: u32,
        mut failed: impl FnMut(Gfn, XenError),
    ) {
        let entries = (0..frames).map(|frame| self.entries_at(frame));
        let status = (0..status_frames(self.version, frames)).map(|frame| self.status_at(frame));
        for at in entries.chain(status) {
            if let Err(error) = xen.remove_from_physmap(at) {
                failed(at, error);
            }
        }
    }
}

/// Frames of the marks for so many of entries.
fn status_frames(version: Version, frames: u32) -> u32 {
    match version {
        Version::V1 => 0,
        Version::V2 => frames.div_ceil(Layout::PER_STATUS_FRAME),
    }
}

/// Makes the table appear again in a new domain that goes on from what was saved of the old one, with so many frames of
/// entries. The new table is empty, so every grant of the old one is over, whoever had it mapped; the references stay
/// with their owners until these give them up.
///
/// Returns how many frames the table may have now. Nothing here allocates or waits.
///
/// # Errors
/// What Xen said. References of the frames that are missing grant nothing then.
pub fn remake(xen: &impl Hypervisor, layout: &Layout, frames: u32) -> Result<u32> {
    choose_version(xen, Wanted::Only(layout.version))?;
    for frame in 0..frames {
        layout.add_frame(xen, frame)?;
    }
    Ok(xen.grant_query_size()?.max_frames.min(layout.limit))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn all_frames_have_room_and_none_is_where_another_is() {
        for version in [Version::V1, Version::V2] {
            for (room, max) in [(204, 64), (204, 204), (204, 1000), (9, 9), (1, 1), (0, 5)] {
                let layout = Layout::new(version, Gfn(100), room, max);
                assert!(layout.all_frames(layout.limit) <= room);
                assert!(layout.limit <= max);
                let end = layout.status_at(status_frames(version, layout.limit));
                assert!(end.0 <= 100 + u64::from(room));
            }
        }
        let limit = |version| Layout::new(version, Gfn(0), 204, 1000).limit;
        assert_eq!((limit(Version::V1), limit(Version::V2)), (204, 181));
    }
}

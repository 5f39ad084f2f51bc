// SPDX-License-Identifier: GPL-2.0-only
//! The entries of either version.
//!
//! A table has one version for as long as it lives. What its reference says of it costs the hot path a comparison; the
//! entry of version 1 is at hand, that of version 2 is looked up.

use crate::entry::{Access, Entry, FrameTooHigh, StillInUse};
use crate::entry_v2::TableV2;
use xen_sys::{Domid, Gfn, GrantRef};

/// How entries are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 8 bytes an entry, frames of 32 bits. What Xen's security team advises (XSA-486) and every Xen has.
    V1,
    /// 16 bytes an entry, frames of 64 bits, 2 more bytes an entry for Xen's marks.
    V2,
}

impl Version {
    /// Xen's number for it.
    pub const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    pub(crate) const fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// Entries in one 4 KiB frame.
    pub const fn entries_per_frame(self) -> u32 {
        match self {
            Self::V1 => crate::ENTRIES_PER_FRAME,
            Self::V2 => crate::ENTRIES_PER_FRAME / 2,
        }
    }
}

/// All entries of a table.
#[derive(Debug)]
pub enum Entries<'a> {
    /// Of a version 1 table.
    V1(&'a [Entry]),
    /// Of a version 2 table.
    V2(TableV2<'a>),
}

impl Entries<'_> {
    /// The entry of a reference.
    pub fn get(&self, gref: GrantRef) -> Option<EntryRef<'_>> {
        match self {
            Self::V1(entries) => Some(EntryRef::V1(gref, entries.get(gref.0 as usize)?)),
            Self::V2(table) => table.has(gref).then_some(EntryRef::V2(gref, table)),
        }
    }

    /// The table's version.
    pub fn version(&self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2(_) => Version::V2,
        }
    }
}

/// A reference and its entry.
#[derive(Clone, Copy, Debug)]
pub enum EntryRef<'a> {
    /// In a version 1 table.
    V1(GrantRef, &'a Entry),
    /// In a version 2 table.
    V2(GrantRef, &'a TableV2<'a>),
}

impl EntryRef<'_> {
    /// The reference.
    #[inline]
    pub fn gref(&self) -> GrantRef {
        match self {
            Self::V1(gref, _) | Self::V2(gref, _) => *gref,
        }
    }

    /// As [`Entry::grant`].
    ///
    /// # Errors
    /// [`FrameTooHigh`], in a version 1 table only.
    #[inline]
    pub fn grant(&self, domid: Domid, gfn: Gfn, access: Access) -> Result<(), FrameTooHigh> {
        match self {
            Self::V1(_, entry) => entry.grant(domid, gfn, access),
            Self::V2(gref, table) => {
                table.grant(*gref, domid, gfn, access);
                Ok(())
            }
        }
    }

    /// As [`Entry::try_end`]. After an error the page of a version 2 table cannot be mapped anew, only stay mapped.
    ///
    /// # Errors
    /// [`StillInUse`].
    #[inline]
    pub fn try_end(&self) -> Result<(), StillInUse> {
        match self {
            Self::V1(_, entry) => entry.try_end(),
            Self::V2(gref, table) => table.try_end(*gref),
        }
    }

    /// As [`Entry::grantee`].
    pub fn grantee(&self) -> Domid {
        match self {
            Self::V1(_, entry) => entry.grantee(),
            Self::V2(gref, table) => table.grantee(*gref),
        }
    }

    /// As [`Entry::is_busy`].
    pub fn is_busy(&self) -> bool {
        match self {
            Self::V1(_, entry) => entry.is_busy(),
            Self::V2(gref, table) => table.is_busy(*gref),
        }
    }
}

/// What Xen does to an entry on behalf of the grantee, for the tests.
#[cfg(any(test, feature = "host"))]
impl EntryRef<'_> {
    /// As [`Entry::forget`].
    pub fn forget(&self) {
        match self {
            Self::V1(_, entry) => entry.forget(),
            Self::V2(gref, table) => table.forget(*gref),
        }
    }

    /// As [`Entry::peer_map`].
    pub fn peer_map(&self, me: Domid, write: bool) -> Option<Gfn> {
        match self {
            Self::V1(_, entry) => entry.peer_map(me, write).map(|frame| Gfn(frame.into())),
            Self::V2(gref, table) => table.peer_map(*gref, me, write),
        }
    }

    /// As [`Entry::peer_frame`].
    pub fn peer_frame(&self) -> Gfn {
        match self {
            Self::V1(_, entry) => entry.peer_frame(),
            Self::V2(gref, table) => table.peer_frame(*gref),
        }
    }

    /// As [`Entry::peer_unmap`].
    pub fn peer_unmap(&self) {
        match self {
            Self::V1(_, entry) => entry.peer_unmap(),
            Self::V2(gref, table) => table.peer_unmap(*gref),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{EntryV2, Status};
    use std::vec::Vec;

    const PEER: Domid = Domid(7);

    /// The same for a table of each version.
    fn with_both(test: impl Fn(&Entries<'_>)) {
        let v1: Vec<_> = (0..9).map(|_| Entry::unused()).collect();
        let entries: Vec<_> = (0..9).map(|_| EntryV2::unused()).collect();
        let status: Vec<_> = (0..9).map(|_| Status::unused()).collect();
        test(&Entries::V1(&v1));
        let (entries, status) = (&entries[..], &status[..]);
        test(&Entries::V2(TableV2 { entries, status }));
    }

    #[test]
    fn a_grant_is_mapped_and_ends() {
        with_both(|table| {
            let entry = table.get(GrantRef(8)).unwrap();
            assert!(table.get(GrantRef(9)).is_none());
            assert_eq!(entry.gref(), GrantRef(8));
            entry.grant(PEER, Gfn(0x42), Access::ReadOnly).unwrap();
            assert_eq!(entry.peer_map(Domid(8), false), None);
            assert_eq!(entry.peer_map(PEER, true), None);
            assert_eq!(entry.peer_map(PEER, false), Some(Gfn(0x42)));
            for _ in 0..2 {
                assert_eq!(entry.try_end(), Err(StillInUse));
                assert!(entry.is_busy());
                assert_eq!(entry.grantee(), PEER);
            }
            entry.peer_unmap();
            assert_eq!(entry.try_end(), Ok(()));
            assert!(!entry.is_busy());
            assert_eq!(entry.peer_map(PEER, false), None);
            assert!(table.get(GrantRef(7)).is_some_and(|other| !other.is_busy()));
        });
    }

    #[test]
    fn only_version_2_has_room_for_any_frame() {
        with_both(|table| {
            let entry = table.get(GrantRef(1)).unwrap();
            let granted = entry.grant(PEER, Gfn(1 << 32), Access::ReadWrite);
            let mapped = entry.peer_map(PEER, true);
            match table.version() {
                Version::V1 => assert_eq!((granted, mapped), (Err(FrameTooHigh), None)),
                Version::V2 => assert_eq!((granted, mapped), (Ok(()), Some(Gfn(1 << 32)))),
            }
        });
    }

    #[test]
    fn what_waits_cannot_be_mapped_anew_in_version_2() {
        with_both(|table| {
            let entry = table.get(GrantRef(1)).unwrap();
            entry.grant(PEER, Gfn(5), Access::ReadWrite).unwrap();
            entry.peer_map(PEER, false).unwrap();
            assert_eq!(entry.try_end(), Err(StillInUse));
            let again = entry.peer_map(PEER, true);
            assert_eq!(again.is_some(), table.version() == Version::V1);
        });
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The words of version 2 grant entries (`union grant_entry_v2` and `grant_status_t` in
//! `xen/include/public/grant_table.h`).
//!
//! The frame has 64 bits here, and Xen's marks are in an array of their own, so that nobody else writes to what a guest
//! writes: access is ended by a store, a full barrier and a look at the mark. Whichever of the two comes first, Xen's mark
//! or our store, the other side sees it: either we find the mark, or Xen finds that there is nothing permitted any more.

use crate::entry::{head_of, Access, StillInUse, FLAGS, READING, WRITING};
use crate::sync::{fence, AtomicU16, AtomicU32, AtomicU64, Ordering};
use xen_sys::{Domid, Gfn, GrantRef};

/// One entry of the shared version 2 table that grants a whole page.
#[repr(C)]
#[derive(Debug)]
pub struct EntryV2 {
    /// `flags` in bits 15:0, `domid` in bits 31:16, as in version 1.
    head: AtomicU32,
    _pad: AtomicU32,
    /// Guest frame number.
    frame: AtomicU64,
}

/// What Xen says of an entry: `GTF_reading`, `GTF_writing`.
#[repr(transparent)]
#[derive(Debug)]
pub struct Status(AtomicU16);

#[cfg(not(all(test, loom)))]
const _: () = {
    assert!(size_of::<EntryV2>() == size_of::<xen_sys::grant_table::GrantEntryV2>());
    assert!(size_of::<Status>() == 2);
};

/// The entries of a version 2 table and what Xen says of each.
#[derive(Clone, Copy, Debug)]
pub struct TableV2<'a> {
    /// The entries.
    pub entries: &'a [EntryV2],
    /// As many marks.
    pub status: &'a [Status],
}

impl TableV2<'_> {
    fn of(&self, gref: GrantRef) -> Option<(&EntryV2, &AtomicU16)> {
        let status = &self.status.get(gref.0 as usize)?.0;
        Some((self.entries.get(gref.0 as usize)?, status))
    }

    pub(crate) fn has(&self, gref: GrantRef) -> bool {
        self.of(gref).is_some()
    }

    /// As [`Entry::grant`](crate::Entry::grant); any frame will do.
    pub(crate) fn grant(&self, gref: GrantRef, domid: Domid, gfn: Gfn, access: Access) {
        if let Some((entry, _)) = self.of(gref) {
            entry.frame.store(gfn.0, Ordering::Relaxed);
            entry.head.store(head_of(domid, access), Ordering::Release);
        }
    }

    /// As [`Entry::try_end`](crate::Entry::try_end). After an error the page stays mapped as it is, but cannot be mapped
    /// anew.
    pub(crate) fn try_end(&self, gref: GrantRef) -> Result<(), StillInUse> {
        let (entry, status) = self.of(gref).ok_or(StillInUse)?;
        // Only we write to the head. Whose it was is still to be read while it waits.
        let head = entry.head.load(Ordering::Relaxed);
        entry.head.store(head & !FLAGS, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        match u32::from(status.load(Ordering::Acquire)) & (READING | WRITING) {
            0 => Ok(()),
            _ => Err(StillInUse),
        }
    }

    pub(crate) fn grantee(&self, gref: GrantRef) -> Domid {
        let head = self.of(gref).map(|(entry, _)| &entry.head);
        Domid((head.map_or(0, |head| head.load(Ordering::Relaxed)) >> 16) as u16)
    }

    pub(crate) fn is_busy(&self, gref: GrantRef) -> bool {
        self.of(gref).is_some_and(|(entry, status)| {
            entry.head.load(Ordering::Acquire) & FLAGS != 0
                || u32::from(status.load(Ordering::Acquire)) & (READING | WRITING) != 0
        })
    }
}

/// Tables of one's own, and what Xen does to entries on behalf of the grantee, for the tests.
#[cfg(any(test, feature = "host"))]
mod host {
    use super::*;
    use crate::entry::permits;

    impl EntryV2 {
        /// An entry that grants nothing.
        pub fn unused() -> Self {
            Self {
                head: AtomicU32::new(0),
                _pad: AtomicU32::new(0),
                frame: AtomicU64::new(0),
            }
        }
    }

    impl Status {
        /// That of an entry which nobody uses.
        pub fn unused() -> Self {
            Self(AtomicU16::new(0))
        }
    }

    impl TableV2<'_> {
        pub(crate) fn forget(&self, gref: GrantRef) {
            if let Some((entry, status)) = self.of(gref) {
                entry.head.store(0, Ordering::SeqCst);
                entry.frame.store(0, Ordering::SeqCst);
                status.store(0, Ordering::SeqCst);
            }
        }

        pub(crate) fn peer_map(&self, gref: GrantRef, me: Domid, write: bool) -> Option<Gfn> {
            let (entry, status) = self.of(gref)?;
            let mark = if write { READING | WRITING } else { READING } as u16;
            if !permits(entry.head.load(Ordering::Acquire), me, write) {
                return None;
            }
            let before = status.fetch_or(mark, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if !permits(entry.head.load(Ordering::Acquire), me, write) {
                status.fetch_and(!mark | before, Ordering::SeqCst);
                return None;
            }
            Some(Gfn(entry.frame.load(Ordering::Relaxed)))
        }

        pub(crate) fn peer_frame(&self, gref: GrantRef) -> Gfn {
            let frame = self.of(gref).map(|(entry, _)| &entry.frame);
            Gfn(frame.map_or(0, |frame| frame.load(Ordering::Relaxed)))
        }

        pub(crate) fn peer_unmap(&self, gref: GrantRef) {
            if let Some((_, status)) = self.of(gref) {
                status.fetch_and(!((READING | WRITING) as u16), Ordering::SeqCst);
            }
        }
    }
}

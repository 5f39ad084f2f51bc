// SPDX-License-Identifier: GPL-2.0-only
//! The words of one version 1 grant entry (`struct grant_entry_v1` in
//! `xen/include/public/grant_table.h`).
//!
//! The C structure is `flags: u16, domid: u16, frame: u32`. Flags and domain
//! are handled here as one little-endian word, the *head*, just as Xen itself
//! does: permission and grantee appear and vanish together, and one store
//! publishes an entry whose frame was written before.

use crate::sync::{AtomicU32, Ordering};
use xen_sys::{Domid, Gfn};

/// Entries in one 4 KiB frame of a version 1 table.
pub const ENTRIES_PER_FRAME: u32 = 512;

/// `GTF_permit_access`: the grantee may map or copy the frame.
const PERMIT_ACCESS: u32 = 1;
/// `GTF_readonly`: the grantee may not write to the frame.
const READONLY: u32 = 1 << 2;
/// `GTF_reading`: Xen's mark that the frame is mapped for reading.
pub(crate) const READING: u32 = 1 << 3;
/// `GTF_writing`: Xen's mark that the frame is mapped for writing.
pub(crate) const WRITING: u32 = 1 << 4;
/// The flags half of the head; the other half is the grantee's domain id.
pub(crate) const FLAGS: u32 = 0xffff;

/// What the grantee may do with a granted page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Map it or copy from it for reading (`GTF_readonly`).
    ReadOnly,
    /// Read and write it.
    ReadWrite,
}

/// The grantee still maps the page: access was not ended, the page stays
/// granted and must be neither freed nor reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillInUse;

/// The frame number does not fit the 32 bits of a version 1 entry (guest
/// memory above 16 TiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooHigh;

/// One entry of the shared version 1 grant table.
///
/// Xen reads and marks entries at any time, so both words are atomics. Who
/// may call what is settled by ownership of the reference: only the owner of a
/// free reference grants, only the owner of an active one ends.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// `flags` in bits 15:0, `domid` in bits 31:16.
    head: AtomicU32,
    /// Guest frame number.
    frame: AtomicU32,
}

#[cfg(not(all(test, loom)))]
const _: () = assert!(size_of::<Entry>() * ENTRIES_PER_FRAME as usize == 4096);

/// The head of an entry, the same in both versions.
#[inline]
pub(crate) fn head_of(domid: Domid, access: Access) -> u32 {
    let flags = match access {
        Access::ReadOnly => PERMIT_ACCESS | READONLY,
        Access::ReadWrite => PERMIT_ACCESS,
    };
    u32::from(domid.0) << 16 | flags
}

/// Whether an entry with this head permits it.
#[cfg(any(test, feature = "host"))]
pub(crate) fn permits(head: u32, me: Domid, write: bool) -> bool {
    let permitted = head & 3 == PERMIT_ACCESS && !(write && head & READONLY != 0);
    permitted && head >> 16 == u32::from(me.0)
}

impl Entry {
    /// An entry that grants nothing. In a guest the entries are Xen's memory; this is for tests.
    #[cfg(any(test, feature = "host"))]
    pub fn unused() -> Self {
        Self {
            head: AtomicU32::new(0),
            frame: AtomicU32::new(0),
        }
    }

    /// Grants `domid` access to `gfn`.
    ///
    /// The frame is written first and the head, with release ordering, last:
    /// Xen never sees a permission with an older frame.
    ///
    /// # Errors
    /// [`FrameTooHigh`]; the entry is unchanged and grants nothing.
    #[inline]
    pub fn grant(&self, domid: Domid, gfn: Gfn, access: Access) -> Result<(), FrameTooHigh> {
        let frame = u32::try_from(gfn.0).map_err(|_| FrameTooHigh)?;
        self.frame.store(frame, Ordering::Relaxed);
        self.head.store(head_of(domid, access), Ordering::Release);
        Ok(())
    }

    /// Ends access, unless the grantee uses the page at this moment.
    ///
    /// Test and revoke are one compare-and-swap: a mapping made in between
    /// makes it fail, so a page given back has no mapping and will get none
    /// (XSA-396). Ending an entry that grants nothing is not an error.
    ///
    /// # Errors
    /// [`StillInUse`]; the entry is unchanged.
    #[inline]
    pub fn try_end(&self) -> Result<(), StillInUse> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head & (READING | WRITING) != 0 {
                return Err(StillInUse);
            }
            match self
                .head
                .compare_exchange(head, 0, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// The domain that the entry names, whether it grants it something or not.
    pub fn grantee(&self) -> Domid {
        Domid((self.head.load(Ordering::Relaxed) >> 16) as u16)
    }

    /// Whether the entry grants something or is mapped.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.head.load(Ordering::Acquire) & FLAGS != 0
    }
}

/// What Xen does to an entry on behalf of the grantee, for the tests.
#[cfg(any(test, feature = "host"))]
impl Entry {
    /// A new domain's table takes the place of this one: the entry is as at the start.
    pub fn forget(&self) {
        self.head.store(0, Ordering::SeqCst);
        self.frame.store(0, Ordering::SeqCst);
    }

    /// GNTTABOP_map_grant_ref: the frame, if the entry permits it.
    pub fn peer_map(&self, me: Domid, write: bool) -> Option<u32> {
        let mark = if write { READING | WRITING } else { READING };
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if !permits(head, me, write) {
                return None;
            }
            match self
                .head
                .compare_exchange(head, head | mark, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return Some(self.frame.load(Ordering::Relaxed)),
                Err(now) => head = now,
            }
        }
    }

    /// The frame that the entry names, whether it grants it or not.
    pub fn peer_frame(&self) -> Gfn {
        Gfn(self.frame.load(Ordering::Relaxed).into())
    }

    /// GNTTABOP_unmap_grant_ref of the only mapping.
    pub fn peer_unmap(&self) {
        self.head.fetch_and(!(READING | WRITING), Ordering::SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PEER: Domid = Domid(7);

    fn words(entry: &Entry) -> (u32, u32) {
        (
            entry.head.load(Ordering::Relaxed),
            entry.frame.load(Ordering::Relaxed),
        )
    }

    #[test]
    fn words_are_those_of_the_header() {
        let entry = Entry::unused();
        entry
            .grant(PEER, Gfn(0x1234_5678), Access::ReadWrite)
            .unwrap();
        assert_eq!(words(&entry), (0x0007_0001, 0x1234_5678));
        entry.try_end().unwrap();
        entry.grant(PEER, Gfn(0x42), Access::ReadOnly).unwrap();
        assert_eq!(words(&entry), (0x0007_0005, 0x42));
        assert_eq!(entry.grantee(), PEER);
    }

    #[test]
    fn end_is_refused_while_mapped_and_only_then() {
        for write in [false, true] {
            let entry = Entry::unused();
            entry.grant(PEER, Gfn(9), Access::ReadWrite).unwrap();
            assert_eq!(entry.peer_map(PEER, write), Some(9));
            assert_eq!(entry.try_end(), Err(StillInUse));
            assert!(entry.is_busy());
            entry.peer_unmap();
            assert_eq!(entry.try_end(), Ok(()));
            assert!(!entry.is_busy());
            assert_eq!(entry.peer_map(PEER, write), None);
        }
    }

    #[test]
    fn readonly_and_domain_are_respected() {
        let entry = Entry::unused();
        entry.grant(PEER, Gfn(9), Access::ReadOnly).unwrap();
        assert_eq!(entry.peer_map(PEER, true), None);
        assert_eq!(entry.peer_map(Domid(8), false), None);
        assert_eq!(entry.peer_map(PEER, false), Some(9));
    }

    #[test]
    fn frame_above_32_bits_grants_nothing() {
        let entry = Entry::unused();
        assert_eq!(
            entry.grant(PEER, Gfn(1 << 32), Access::ReadWrite),
            Err(FrameTooHigh)
        );
        assert_eq!(words(&entry), (0, 0));
        assert_eq!(
            entry.grant(PEER, Gfn((1 << 32) - 1), Access::ReadWrite),
            Ok(())
        );
    }

    #[test]
    fn ending_an_unused_entry_is_harmless() {
        assert_eq!(Entry::unused().try_end(), Ok(()));
    }
}

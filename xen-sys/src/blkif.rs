// SPDX-License-Identifier: GPL-2.0-only
//! The block interface's slots, x86_64 ABI (`xen/include/public/io/blkif.h`).
//!
//! A request slot holds one of three layouts, told apart by its first byte; [`BlkifRequest`] is the slot itself
//! and converts from and to each of them. All lengths are in 512-byte sectors, whatever the disk's sector size.
use core::mem::{offset_of, size_of};
use zerocopy::transmute;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{generated as sys, GrantRef};

/// Segments that a direct request can hold.
pub const MAX_SEGMENTS_PER_REQUEST: usize = sys::BLKIF_MAX_SEGMENTS_PER_REQUEST as usize;
/// Pages of segments that an indirect request can name.
pub const MAX_INDIRECT_PAGES_PER_REQUEST: usize =
    sys::BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST as usize;
/// Segments in one page of an indirect request.
pub const SEGMENTS_PER_INDIRECT_PAGE: usize = crate::PAGE_SIZE / size_of::<BlkifSegment>();
/// Bytes in the unit of every length on this interface.
pub const SECTOR_SIZE: u32 = 512;
/// Sectors in a page, so that a segment's sectors run from 0 to this minus one.
pub const SECTORS_PER_PAGE: u8 = (crate::PAGE_SIZE / SECTOR_SIZE as usize) as u8;
/// The largest ring, as log2 of its pages, that a frontend should ask for.
pub const MAX_RING_PAGE_ORDER: u32 = 4;

/// Read into the segments.
pub const OP_READ: u8 = sys::BLKIF_OP_READ as u8;
/// Write the segments.
pub const OP_WRITE: u8 = sys::BLKIF_OP_WRITE as u8;
/// Write the segments, ordered after all that was asked before and on stable storage when it completes.
/// Only if the backend says `feature-barrier`.
pub const OP_WRITE_BARRIER: u8 = sys::BLKIF_OP_WRITE_BARRIER as u8;
/// Bring all completed writes to stable storage. Only if the backend says `feature-flush-cache`.
pub const OP_FLUSH_DISKCACHE: u8 = sys::BLKIF_OP_FLUSH_DISKCACHE as u8;
/// Forget a range of sectors. Only if the backend says `feature-discard`.
pub const OP_DISCARD: u8 = sys::BLKIF_OP_DISCARD as u8;
/// A read or write whose segments lie in further pages. Only if the backend says
/// `feature-max-indirect-segments`.
pub const OP_INDIRECT: u8 = sys::BLKIF_OP_INDIRECT as u8;

/// In [`BlkifDiscardRequest::flag`]: the old data must become unreadable. Only with `discard-secure`.
pub const DISCARD_SECURE: u8 = sys::BLKIF_DISCARD_SECURE as u8;

/// The request succeeded.
pub const RSP_OKAY: i16 = sys::BLKIF_RSP_OKAY as i16;
/// The request failed.
pub const RSP_ERROR: i16 = sys::BLKIF_RSP_ERROR as i16;
/// The backend does not do this operation.
pub const RSP_EOPNOTSUPP: i16 = sys::BLKIF_RSP_EOPNOTSUPP as i16;

bitflags::bitflags! {
    /// The backend's `info` node (`VDISK_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct VdiskInfo: u32 {
        /// A CD-ROM drive.
        const CDROM = sys::VDISK_CDROM;
        /// The medium can be taken out.
        const REMOVABLE = sys::VDISK_REMOVABLE;
        /// Writes are refused.
        const READONLY = sys::VDISK_READONLY;
    }
}

/// One page's part of a transfer (`struct blkif_request_segment`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct BlkifSegment {
    /// The granted page.
    pub gref: GrantRef,
    /// First sector of the page to transfer.
    pub first_sect: u8,
    /// Last sector of the page to transfer, itself included.
    pub last_sect: u8,
    pad: u16,
}

impl BlkifSegment {
    /// Sectors `first_sect..=last_sect` of the page granted as `gref`.
    #[inline]
    pub const fn new(gref: GrantRef, first_sect: u8, last_sect: u8) -> Self {
        Self {
            gref,
            first_sect,
            last_sect,
            pad: 0,
        }
    }
}

/// A direct read, write, barrier or flush (`struct blkif_request`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct BlkifRwRequest {
    /// [`OP_READ`], [`OP_WRITE`], [`OP_WRITE_BARRIER`] or [`OP_FLUSH_DISKCACHE`].
    pub operation: u8,
    /// How many of `segments` count; 0 for a flush.
    pub nr_segments: u8,
    /// The device's number, as in the xenstore path.
    pub handle: u16,
    pad: u32,
    /// Comes back in the response.
    pub id: u64,
    /// First sector on the disk, in 512-byte sectors.
    pub sector_number: u64,
    /// Where the data is.
    pub segments: [BlkifSegment; MAX_SEGMENTS_PER_REQUEST],
}

impl BlkifRwRequest {
    /// A request without segments; fill `nr_segments` and `segments` together.
    #[inline]
    pub const fn new(operation: u8, handle: u16, id: u64, sector_number: u64) -> Self {
        const NONE: BlkifSegment = BlkifSegment::new(GrantRef(0), 0, 0);
        Self {
            operation,
            nr_segments: 0,
            handle,
            pad: 0,
            id,
            sector_number,
            segments: [NONE; MAX_SEGMENTS_PER_REQUEST],
        }
    }
}

/// A discard (`struct blkif_request_discard`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct BlkifDiscardRequest {
    /// [`OP_DISCARD`].
    pub operation: u8,
    /// 0 or [`DISCARD_SECURE`].
    pub flag: u8,
    /// The device's number, as in the xenstore path.
    pub handle: u16,
    pad: u32,
    /// Comes back in the response.
    pub id: u64,
    /// First sector on the disk, in 512-byte sectors.
    pub sector_number: u64,
    /// How many 512-byte sectors.
    pub nr_sectors: u64,
    rest: [u64; 10],
}

impl BlkifDiscardRequest {
    /// Forget `nr_sectors` sectors from `sector_number` on.
    #[inline]
    pub const fn new(flag: u8, handle: u16, id: u64, sector_number: u64, nr_sectors: u64) -> Self {
        Self {
            operation: OP_DISCARD,
            flag,
            handle,
            pad: 0,
            id,
            sector_number,
            nr_sectors,
            rest: [0; 10],
        }
    }
}

/// A read or write with its segments in other pages (`struct blkif_request_indirect`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct BlkifIndirectRequest {
    /// [`OP_INDIRECT`].
    pub operation: u8,
    /// [`OP_READ`], [`OP_WRITE`] or [`OP_WRITE_BARRIER`].
    pub indirect_op: u8,
    /// How many segments the indirect pages hold.
    pub nr_segments: u16,
    pad: u32,
    /// Comes back in the response.
    pub id: u64,
    /// First sector on the disk, in 512-byte sectors.
    pub sector_number: u64,
    /// The device's number, as in the xenstore path.
    pub handle: u16,
    pad2: u16,
    /// Pages of [`SEGMENTS_PER_INDIRECT_PAGE`] [`BlkifSegment`]s each.
    pub indirect_grefs: [GrantRef; MAX_INDIRECT_PAGES_PER_REQUEST],
    rest: [u32; 13],
}

impl BlkifIndirectRequest {
    /// An indirect request without pages; fill `nr_segments` and `indirect_grefs` together.
    #[inline]
    pub const fn new(indirect_op: u8, handle: u16, id: u64, sector_number: u64) -> Self {
        Self {
            operation: OP_INDIRECT,
            indirect_op,
            nr_segments: 0,
            pad: 0,
            id,
            sector_number,
            handle,
            pad2: 0,
            indirect_grefs: [GrantRef(0); MAX_INDIRECT_PAGES_PER_REQUEST],
            rest: [0; 13],
        }
    }
}

/// A request slot: one of the three request layouts, every byte defined.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct BlkifRequest([u64; 14]);

impl BlkifRequest {
    /// The operation byte, which says what layout the slot has.
    #[inline]
    pub const fn operation(&self) -> u8 {
        self.0[0].to_le_bytes()[0]
    }

    /// The request's id, at the same place in every layout.
    #[inline]
    pub const fn id(&self) -> u64 {
        self.0[1]
    }

    /// The slot read as a direct request.
    #[inline]
    pub fn as_rw(&self) -> BlkifRwRequest {
        transmute!(*self)
    }

    /// The slot read as a discard.
    #[inline]
    pub fn as_discard(&self) -> BlkifDiscardRequest {
        transmute!(*self)
    }

    /// The slot read as an indirect request.
    #[inline]
    pub fn as_indirect(&self) -> BlkifIndirectRequest {
        transmute!(*self)
    }
}

impl From<BlkifRwRequest> for BlkifRequest {
    #[inline]
    fn from(request: BlkifRwRequest) -> Self {
        transmute!(request)
    }
}

impl From<BlkifDiscardRequest> for BlkifRequest {
    #[inline]
    fn from(request: BlkifDiscardRequest) -> Self {
        transmute!(request)
    }
}

impl From<BlkifIndirectRequest> for BlkifRequest {
    #[inline]
    fn from(request: BlkifIndirectRequest) -> Self {
        transmute!(request)
    }
}

/// A response slot (`struct blkif_response`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct BlkifResponse {
    /// The request's id.
    pub id: u64,
    /// The request's operation.
    pub operation: u8,
    pad: u8,
    /// [`RSP_OKAY`], [`RSP_ERROR`] or [`RSP_EOPNOTSUPP`].
    pub status: i16,
    pad2: u32,
}

impl BlkifResponse {
    /// The answer to request `id`.
    #[inline]
    pub const fn new(id: u64, operation: u8, status: i16) -> Self {
        Self {
            id,
            operation,
            pad: 0,
            status,
            pad2: 0,
        }
    }
}

/// Asserts that fields of our type lie where bindgen found them in the C structure.
macro_rules! same_offsets {
    ($ours:ty, $theirs:ty: $($our:ident = $their:ident),* $(,)?) => {
        const _: () = {
            $(assert!(offset_of!($ours, $our) == offset_of!($theirs, $their));)*
        };
    };
}

same_offsets!(BlkifSegment, sys::blkif_request_segment: gref = gref, first_sect = first_sect, last_sect = last_sect);
same_offsets!(BlkifRwRequest, sys::blkif_request: operation = operation, nr_segments = nr_segments, handle = handle,
    id = id, sector_number = sector_number, segments = seg);
same_offsets!(BlkifDiscardRequest, sys::blkif_request_discard: operation = operation, flag = flag, handle = handle,
    id = id, sector_number = sector_number, nr_sectors = nr_sectors);
same_offsets!(BlkifIndirectRequest, sys::blkif_request_indirect: operation = operation, indirect_op = indirect_op,
    nr_segments = nr_segments, id = id, sector_number = sector_number, handle = handle,
    indirect_grefs = indirect_grefs);
same_offsets!(BlkifResponse, sys::blkif_response: id = id, operation = operation, status = status);
const _: () = {
    assert!(size_of::<BlkifSegment>() == size_of::<sys::blkif_request_segment>());
    assert!(size_of::<BlkifRequest>() == size_of::<sys::blkif_request>());
    assert!(size_of::<BlkifRwRequest>() == size_of::<sys::blkif_request>());
    assert!(size_of::<BlkifResponse>() == size_of::<sys::blkif_response>());
    assert!(size_of::<sys::blkif_request_discard>() <= size_of::<BlkifRequest>());
    assert!(size_of::<sys::blkif_request_indirect>() <= size_of::<BlkifRequest>());
};

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn slots_round_trip() {
        let mut rw = BlkifRwRequest::new(OP_WRITE, 51712, 0x1122_3344_5566_7788, 77);
        rw.nr_segments = 1;
        rw.segments[0] = BlkifSegment::new(GrantRef(9), 0, 7);
        let slot = BlkifRequest::from(rw);
        assert_eq!(slot.operation(), OP_WRITE);
        assert_eq!(slot.id(), 0x1122_3344_5566_7788);
        assert_eq!(slot.as_rw(), rw);

        let discard = BlkifDiscardRequest::new(DISCARD_SECURE, 51712, 3, 8, 16);
        assert_eq!(BlkifRequest::from(discard).as_discard(), discard);
        assert_eq!(BlkifRequest::from(discard).id(), 3);

        let mut indirect = BlkifIndirectRequest::new(OP_READ, 51712, 5, 6);
        indirect.nr_segments = 600;
        indirect.indirect_grefs[1] = GrantRef(44);
        assert_eq!(BlkifRequest::from(indirect).as_indirect(), indirect);
        assert_eq!(BlkifRequest::from(indirect).operation(), OP_INDIRECT);
        assert_eq!(SEGMENTS_PER_INDIRECT_PAGE, 512);
    }

    #[test]
    fn wire_bytes() {
        let mut rw = BlkifRwRequest::new(OP_WRITE, 0x0203, 0x0b0a, 0x0d0c);
        rw.nr_segments = 1;
        rw.segments[0] = BlkifSegment::new(GrantRef(0x0102_0304), 1, 6);
        let slot = BlkifRequest::from(rw);
        let bytes = slot.as_bytes();
        assert_eq!(bytes.len(), 112);
        assert_eq!(&bytes[..8], &[1, 1, 3, 2, 0, 0, 0, 0]);
        assert_eq!(&bytes[8..10], &[0x0a, 0x0b]);
        assert_eq!(&bytes[16..18], &[0x0c, 0x0d]);
        assert_eq!(&bytes[24..32], &[4, 3, 2, 1, 1, 6, 0, 0]);
        assert!(bytes[32..].iter().all(|&b| b == 0));
    }
}

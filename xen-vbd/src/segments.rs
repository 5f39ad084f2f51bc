// SPDX-License-Identifier: GPL-2.0-only
//! Where a request says that its data is: in the slot itself, or in a page beside the ring.

use ring::SharedMemory;
use xen_sys::blkif::{
    BlkifIndirectRequest, BlkifRwRequest, BlkifSegment, MAX_SEGMENTS_PER_REQUEST, SECTORS_PER_PAGE,
    SECTOR_SIZE,
};
use xen_sys::{GrantRef, PAGE_SIZE};

/// Bytes that one direct request can move.
pub const MAX_DIRECT_BYTES: usize = MAX_SEGMENTS_PER_REQUEST * PAGE_SIZE;
/// Segments of the largest indirect request that is ever made: 1 MiB, and as much as xen-blkback takes. All of them fit
/// one page.
pub const MAX_INDIRECT_SEGMENTS: usize = 256;

/// A page beside the ring for the segments of one request at a time, shared for as long as the ring.
///
/// It is written before each request and never read: what the backend makes of it is the backend's affair.
#[derive(Clone)]
pub struct IndirectPage {
    memory: SharedMemory,
    gref: GrantRef,
}

impl IndirectPage {
    /// A page of at least [`PAGE_SIZE`] bytes that is granted as `gref`.
    pub fn new(memory: SharedMemory, gref: GrantRef) -> Self {
        Self { memory, gref }
    }

    /// Describes `bytes` bytes in the pages behind `grefs`, for `request`. False when that cannot be.
    pub(crate) fn fill(
        &self,
        request: &mut BlkifIndirectRequest,
        bytes: usize,
        grefs: &[GrantRef],
    ) -> bool {
        let Some(grefs) = covering(bytes, MAX_INDIRECT_SEGMENTS, grefs) else {
            return false;
        };
        for (at, segment) in segments(bytes, grefs).enumerate() {
            let offset = at.wrapping_mul(size_of::<BlkifSegment>());
            if self.memory.store(offset, &segment).is_err() {
                return false;
            }
        }
        request.nr_segments = grefs.len() as u16;
        request.indirect_grefs[0] = self.gref;
        true
    }
}

impl core::fmt::Debug for IndirectPage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("IndirectPage").field(&self.gref).finish()
    }
}

/// Describes `bytes` bytes in the pages behind `grefs` in `request` itself. False when that cannot be.
#[inline]
pub(crate) fn fill_direct(request: &mut BlkifRwRequest, bytes: usize, grefs: &[GrantRef]) -> bool {
    let Some(grefs) = covering(bytes, MAX_SEGMENTS_PER_REQUEST, grefs) else {
        return false;
    };
    for (place, segment) in request.segments.iter_mut().zip(segments(bytes, grefs)) {
        *place = segment;
    }
    request.nr_segments = grefs.len() as u8;
    true
}

/// Those of `grefs` whose pages `bytes` bytes fill. `None` if these are no whole sectors, or more than `most` pages or
/// than there are.
#[inline]
fn covering(bytes: usize, most: usize, grefs: &[GrantRef]) -> Option<&[GrantRef]> {
    let pages = bytes.div_ceil(PAGE_SIZE);
    if bytes == 0 || bytes % SECTOR_SIZE as usize != 0 || pages > most {
        return None;
    }
    grefs.get(..pages)
}

/// Whole pages, then what is left.
#[inline]
fn segments(bytes: usize, grefs: &[GrantRef]) -> impl Iterator<Item = BlkifSegment> + '_ {
    let mut sectors = bytes / SECTOR_SIZE as usize;
    grefs.iter().map(move |gref| {
        let here = sectors.min(usize::from(SECTORS_PER_PAGE));
        sectors = sectors.wrapping_sub(here);
        BlkifSegment::new(*gref, 0, (here as u8).wrapping_sub(1))
    })
}

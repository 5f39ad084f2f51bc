// SPDX-License-Identifier: GPL-2.0-only
//! Arithmetic of free-running ring indices.
use core::mem::size_of;

use crate::slots::{Slot, HEADER_SIZE};

/// How far `ahead` is ahead of `behind`.
#[inline]
pub(crate) const fn distance(ahead: u32, behind: u32) -> u32 {
    ahead.wrapping_sub(behind)
}

/// Whether moving an index from `old` to `new` has passed `event`, so that who asked for that event is to be told.
///
/// `event` is the peer's word: whatever it holds, the answer is only yes or no.
#[inline]
pub(crate) const fn passed(old: u32, new: u32, event: u32) -> bool {
    distance(new, event) < distance(new, old)
}

/// Slots of a ring of `Req` and `Rsp` in `len` bytes: the largest power of two that fits behind the header, 0 if
/// not one slot fits.
///
/// For block rings of 1, 2, 4, 8 and 16 pages that is 32, 64, 128, 256 and 512; for network rings of a page 256.
pub const fn capacity<Req, Rsp>(len: usize) -> u32
where
    Req: Slot,
    Rsp: Slot,
{
    let stride = stride::<Req, Rsp>();
    if len < HEADER_SIZE + stride {
        return 0;
    }
    let slots = (len - HEADER_SIZE) / stride;
    let log2 = slots.ilog2();
    if log2 > 31 {
        1 << 31
    } else {
        1 << log2
    }
}

/// Bytes from one slot to the next: a slot holds a request, later its response.
pub(crate) const fn stride<Req, Rsp>() -> usize {
    if size_of::<Req>() > size_of::<Rsp>() {
        size_of::<Req>()
    } else {
        size_of::<Rsp>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xen_sys::blkif::{BlkifRequest, BlkifResponse};
    use xen_sys::netif::{NetifRxRequest, NetifRxSlot, NetifTxResponse, NetifTxSlot};

    #[test]
    fn ring_sizes() {
        let blk = |pages: usize| capacity::<BlkifRequest, BlkifResponse>(pages * 4096);
        assert_eq!([1, 2, 4, 8, 16].map(blk), [32, 64, 128, 256, 512]);
        assert_eq!(capacity::<NetifTxSlot, NetifTxResponse>(4096), 256);
        assert_eq!(capacity::<NetifRxRequest, NetifRxSlot>(4096), 256);
        assert_eq!(capacity::<BlkifRequest, BlkifResponse>(64 + 111), 0);
        assert_eq!(capacity::<BlkifRequest, BlkifResponse>(64 + 112), 1);
        assert_eq!(capacity::<BlkifRequest, BlkifResponse>(0), 0);
    }

    #[test]
    fn events_are_passed_once() {
        for base in [0u32, u32::MAX - 1, u32::MAX, 77] {
            let at = |n: u32| base.wrapping_add(n);
            assert!(!passed(at(3), at(3), at(3)), "nothing moved");
            assert!(passed(at(3), at(4), at(4)), "reached");
            assert!(passed(at(3), at(9), at(4)), "passed");
            assert!(!passed(at(4), at(9), at(4)), "passed before");
            assert!(!passed(at(3), at(4), at(5)), "not yet");
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What Xen does with another domain's grants on our behalf: map, unmap and copy
//! (`xen/include/public/grant_table.h`). Each operation of a batch has a status of its own.
use core::mem::{offset_of, size_of};

use crate::{generated as sys, Domid, Gfn, GrantRef, Result, XenError, PAGE_SHIFT};

/// How an operation went (`GNTST_*`).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantStatus(pub i16);

impl GrantStatus {
    /// It is done.
    pub const OKAY: Self = Self(sys::GNTST_okay as i16);
    /// The other domain's page is not there at this moment: try again.
    pub const EAGAIN: Self = Self(sys::GNTST_eagain as i16);
    /// Not Xen's: it has not looked at the operation yet.
    pub const PENDING: Self = Self(1);

    /// The status as a result.
    ///
    /// # Errors
    /// What it stands for; `EIO` for an operation that was not looked at.
    pub const fn result(self) -> Result {
        match self {
            Self::PENDING => Err(XenError::EIO),
            Self(status) => XenError::from_grant_status(status),
        }
    }
}

/// An operation of a batch.
pub trait GrantOperation {
    /// How it went.
    fn status(&self) -> GrantStatus;
    /// Sets the status. Xen does so, and whoever is about to ask it again.
    fn set_status(&mut self, status: GrantStatus);
}

/// Xen's name of a mapping that it has made.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantHandle(pub u32);

/// Maps another domain's page at a frame of ours where there is no memory (`struct gnttab_map_grant_ref`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GrantMap {
    host_addr: u64,
    flags: u32,
    gref: GrantRef,
    domid: Domid,
    status: GrantStatus,
    handle: GrantHandle,
    dev_bus_addr: u64,
}

impl GrantMap {
    /// Maps the page that `domid` grants by `gref` at `at`.
    pub const fn new(at: Gfn, domid: Domid, gref: GrantRef, writable: bool) -> Self {
        let readonly = if writable { 0 } else { sys::GNTMAP_readonly };
        Self {
            host_addr: address(at),
            flags: sys::GNTMAP_host_map | readonly,
            gref,
            domid,
            status: GrantStatus::PENDING,
            handle: GrantHandle(0),
            dev_bus_addr: 0,
        }
    }

    /// The frame where the page is to appear.
    pub const fn at(&self) -> Gfn {
        Gfn(self.host_addr >> PAGE_SHIFT)
    }

    /// Who grants the page, and by which reference.
    pub const fn granted_by(&self) -> (Domid, GrantRef) {
        (self.domid, self.gref)
    }

    /// Whether it may be written to.
    pub const fn writable(&self) -> bool {
        self.flags & sys::GNTMAP_readonly == 0
    }

    /// Xen's name of the mapping, when the status says that there is one.
    pub const fn handle(&self) -> GrantHandle {
        self.handle
    }

    /// Answers as Xen does.
    pub fn answer(&mut self, status: GrantStatus, handle: GrantHandle) {
        self.status = status;
        self.handle = handle;
    }
}

/// Undoes a [`GrantMap`]; the frame has no memory afterwards (`struct gnttab_unmap_grant_ref`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GrantUnmap {
    host_addr: u64,
    dev_bus_addr: u64,
    handle: GrantHandle,
    status: GrantStatus,
    _padding: u16,
}

impl GrantUnmap {
    /// Undoes the mapping `handle` at `at`.
    pub const fn new(at: Gfn, handle: GrantHandle) -> Self {
        Self {
            host_addr: address(at),
            dev_bus_addr: 0,
            handle,
            status: GrantStatus::PENDING,
            _padding: 0,
        }
    }

    /// The frame.
    pub const fn at(&self) -> Gfn {
        Gfn(self.host_addr >> PAGE_SHIFT)
    }

    /// The mapping.
    pub const fn handle(&self) -> GrantHandle {
        self.handle
    }
}

/// One end of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyEnd {
    /// A frame of ours, and the place in it.
    Frame(Gfn, u16),
    /// A page that the domain grants to us, and the place in it.
    Grant(Domid, GrantRef, u16),
}

/// `struct gnttab_copy_ptr`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct CopyPointer {
    /// The frame, or in the lower half the reference.
    what: u64,
    domid: Domid,
    offset: u16,
    _padding: u32,
}

impl CopyPointer {
    const fn new(end: CopyEnd) -> Self {
        let (what, domid, offset) = match end {
            CopyEnd::Frame(gfn, offset) => (gfn.0, Domid::SELF, offset),
            CopyEnd::Grant(domid, gref, offset) => (gref.0 as u64, domid, offset),
        };
        Self {
            what,
            domid,
            offset,
            _padding: 0,
        }
    }

    const fn end(&self, granted: bool) -> CopyEnd {
        if granted {
            CopyEnd::Grant(self.domid, GrantRef(self.what as u32), self.offset)
        } else {
            CopyEnd::Frame(Gfn(self.what), self.offset)
        }
    }
}

/// Copies within one page at each end (`struct gnttab_copy`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GrantCopy {
    source: CopyPointer,
    dest: CopyPointer,
    len: u16,
    flags: u16,
    status: GrantStatus,
    _padding: u16,
}

impl GrantCopy {
    const SOURCE: u16 = sys::GNTCOPY_source_gref as u16;
    const DEST: u16 = sys::GNTCOPY_dest_gref as u16;

    /// Copies `len` bytes.
    pub const fn new(source: CopyEnd, dest: CopyEnd, len: u16) -> Self {
        let mut flags = 0;
        if matches!(source, CopyEnd::Grant(..)) {
            flags |= Self::SOURCE;
        }
        if matches!(dest, CopyEnd::Grant(..)) {
            flags |= Self::DEST;
        }
        Self {
            source: CopyPointer::new(source),
            dest: CopyPointer::new(dest),
            len,
            flags,
            status: GrantStatus::PENDING,
            _padding: 0,
        }
    }

    /// From where.
    pub const fn source(&self) -> CopyEnd {
        self.source.end(self.flags & Self::SOURCE != 0)
    }

    /// To where.
    pub const fn dest(&self) -> CopyEnd {
        self.dest.end(self.flags & Self::DEST != 0)
    }

    /// Bytes.
    pub const fn len(&self) -> u16 {
        self.len
    }

    /// Whether there is nothing to copy.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Declares that an operation keeps its status in its field.
macro_rules! operations {
    ($($name:ident),*) => {
        $(
            impl GrantOperation for $name {
                fn status(&self) -> GrantStatus {
                    self.status
                }

                fn set_status(&mut self, status: GrantStatus) {
                    self.status = status;
                }
            }
        )*
    };
}

operations!(GrantMap, GrantUnmap, GrantCopy);

/// The guest-physical address of a frame. Frames above Xen's limit are refused by Xen.
const fn address(gfn: Gfn) -> u64 {
    gfn.0.wrapping_shl(PAGE_SHIFT)
}

/// Compares our layout of `$ours` with Xen's.
macro_rules! layout {
    ($ours:ident, $theirs:ident, $($field:ident = $their_field:ident),*) => {
        assert!(size_of::<$ours>() == size_of::<sys::$theirs>());
        $(assert!(offset_of!($ours, $field) == offset_of!(sys::$theirs, $their_field));)*
    };
}

const _: () = {
    layout!(
        GrantMap,
        gnttab_map_grant_ref,
        host_addr = host_addr,
        flags = flags,
        gref = ref_
    );
    layout!(
        GrantMap,
        gnttab_map_grant_ref,
        domid = dom,
        status = status,
        handle = handle
    );
    layout!(GrantMap, gnttab_map_grant_ref, dev_bus_addr = dev_bus_addr);
    layout!(
        GrantUnmap,
        gnttab_unmap_grant_ref,
        host_addr = host_addr,
        handle = handle
    );
    layout!(
        GrantUnmap,
        gnttab_unmap_grant_ref,
        dev_bus_addr = dev_bus_addr,
        status = status
    );
    layout!(
        CopyPointer,
        gnttab_copy_gnttab_copy_ptr,
        what = u,
        domid = domid,
        offset = offset
    );
    layout!(
        GrantCopy,
        gnttab_copy,
        source = source,
        dest = dest,
        len = len
    );
    layout!(GrantCopy, gnttab_copy, flags = flags, status = status);
};

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Domid = Domid(3);

    #[test]
    fn statuses_are_results() {
        assert_eq!(GrantStatus::OKAY.result(), Ok(()));
        assert_eq!(GrantStatus::EAGAIN.result(), Err(XenError::EAGAIN));
        assert_eq!(GrantStatus::PENDING.result(), Err(XenError::EIO));
        assert_eq!(GrantStatus(-3).result(), Err(XenError::EINVAL));
    }

    #[test]
    fn a_mapping_says_where_and_how() {
        let op = GrantMap::new(Gfn(0x12345), PEER, GrantRef(9), false);
        assert_eq!(op.host_addr, 0x1234_5000);
        assert_eq!(op.flags, 6);
        assert_eq!((op.at(), op.writable()), (Gfn(0x12345), false));
        let op = GrantMap::new(Gfn(0x12345), PEER, GrantRef(9), true);
        assert_eq!((op.flags, op.granted_by()), (2, (PEER, GrantRef(9))));
    }

    #[test]
    fn a_copy_has_the_ends_that_it_was_given() {
        let (frame, grant) = (
            CopyEnd::Frame(Gfn(0x1_0000_0001), 7),
            CopyEnd::Grant(PEER, GrantRef(u32::MAX), 9),
        );
        for (source, dest, flags) in [(frame, grant, 2), (grant, frame, 1), (grant, grant, 3)] {
            let op = GrantCopy::new(source, dest, 100);
            assert_eq!((op.source(), op.dest(), op.flags), (source, dest, flags));
        }
        assert_eq!(GrantCopy::new(frame, grant, 0).source.domid, Domid::SELF);
    }
}

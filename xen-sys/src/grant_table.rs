// SPDX-License-Identifier: GPL-2.0-only
//! The grant table (`xen/include/public/grant_table.h`).
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{generated as sys, Domid};

/// Entries at the table's start that belong to the toolstack.
pub const NR_RESERVED_ENTRIES: u32 = sys::GNTTAB_NR_RESERVED_ENTRIES;
/// The reserved entry of the console's page.
pub const RESERVED_CONSOLE: u32 = sys::GNTTAB_RESERVED_CONSOLE;
/// The reserved entry of xenstore's page.
pub const RESERVED_XENSTORE: u32 = sys::GNTTAB_RESERVED_XENSTORE;
/// Version 1 entries in one frame of the table.
pub const ENTRIES_PER_FRAME_V1: u32 = (crate::PAGE_SIZE / size_of::<GrantEntryV1>()) as u32;

/// Flags of an entry (`GTF_*`). The type sits in the two lowest bits.
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct GrantFlags(u16);

bitflags::bitflags! {
    impl GrantFlags: u16 {
        /// The type "the peer may map or copy the frame". No type bit at all is an invalid entry.
        const PERMIT_ACCESS = sys::GTF_permit_access as u16;
        /// The peer may only read.
        const READONLY = sys::GTF_readonly as u16;
        /// Xen says: the peer has the frame mapped or copies from it now.
        const READING = sys::GTF_reading as u16;
        /// Xen says: the peer has the frame mapped for writing or copies to it now.
        const WRITING = sys::GTF_writing as u16;
    }
}

impl GrantFlags {
    /// Whether the peer uses the frame now, so that the grant cannot be ended.
    #[inline]
    pub const fn in_use(self) -> bool {
        self.0 & (Self::READING.0 | Self::WRITING.0) != 0
    }
}

/// An entry of version 1 (`struct grant_entry_v1`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct GrantEntryV1 {
    /// What is permitted, and what is happening.
    pub flags: GrantFlags,
    /// To whom.
    pub domid: Domid,
    /// The frame: the low 32 bits of a gfn are all there is room for.
    pub frame: u32,
}

/// An entry of version 2 for a whole page (`union grant_entry_v2`, its `full_page`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct GrantEntryV2 {
    /// What is permitted.
    pub flags: GrantFlags,
    /// To whom.
    pub domid: Domid,
    _pad: u32,
    /// The frame.
    pub frame: u64,
}

const _: () = {
    assert!(size_of::<GrantEntryV2>() == size_of::<sys::grant_entry_v2>());
    assert!(offset_of!(GrantEntryV2, flags) == offset_of!(sys::grant_entry_header, flags));
    assert!(offset_of!(GrantEntryV2, domid) == offset_of!(sys::grant_entry_header, domid));
    assert!(
        offset_of!(GrantEntryV2, frame) == offset_of!(sys::grant_entry_v2__bindgen_ty_1, frame)
    );
    assert!(size_of::<sys::grant_status_t>() == 2);
};

const _: () = {
    assert!(size_of::<GrantEntryV1>() == size_of::<sys::grant_entry_v1>());
    assert!(offset_of!(GrantEntryV1, flags) == offset_of!(sys::grant_entry_v1, flags));
    assert!(offset_of!(GrantEntryV1, domid) == offset_of!(sys::grant_entry_v1, domid));
    assert!(offset_of!(GrantEntryV1, frame) == offset_of!(sys::grant_entry_v1, frame));
};

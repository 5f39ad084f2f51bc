// SPDX-License-Identifier: GPL-2.0-only
//! A process of the guest that grants pages (`/dev/xen/gntalloc`) or has those that other domains grant
//! (`/dev/xen/gntdev`): what it may ask for, and where in its file the pages are.
//!
//! C counterparts: `include/uapi/xen/gntalloc.h`, `include/uapi/xen/gntdev.h` and their drivers in `drivers/xen`.

use core::ops::Range;
use xen_sys::{Domid, GrantRef, Port, PAGE_SHIFT, PAGE_SIZE};

/// How long the fixed part of a command's argument is at most.
pub const ARGUMENT_MAX: usize = 24;
/// The fixed part of a command's argument, zeroes behind it.
pub type Argument = [u8; ARGUMENT_MAX];

/// Where the references stand in the arguments of `ALLOC_GREF` and `MAP_GRANT_REF`.
pub const REFS_OFFSET: usize = 16;
/// Where the number of the first page stands that both give back.
pub const INDEX_OFFSET: usize = 8;
/// Bytes of an element of `MAP_GRANT_REF`'s array: domain and reference.
pub const REF_LEN: usize = 8;
/// Bytes of a segment of `GRANT_COPY`.
pub const SEGMENT_LEN: usize = 24;
/// Where its status stands.
pub const SEGMENT_STATUS_OFFSET: usize = 20;

/// What is said to a process that may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such command.
    Unknown,
    /// The argument makes no sense.
    Invalid,
    /// The file has no such pages.
    Missing,
}

/// What is to happen when a page is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The page of the file.
    pub page: u64,
    /// The place in it.
    pub offset: u16,
    /// The byte there is to become 0.
    pub clear: bool,
    /// The other end of this port of the process's is to be told.
    pub event: Option<Port>,
}

/// A command of `/dev/xen/gntalloc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocCommand {
    /// New pages are to be granted.
    Allocate {
        /// To this domain.
        domid: Domid,
        /// It may write to them.
        writable: bool,
        /// So many.
        count: u32,
    },
    /// The file gives pages up; they go when no process has them mapped.
    Deallocate {
        /// From this one on.
        first: u64,
        /// So many.
        count: u32,
    },
    /// What is to happen at the end of a page.
    Notify(Notice),
}

/// A command of `/dev/xen/gntdev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapCommand {
    /// The file is to have pages of other domains: so many references follow.
    Map {
        /// How many.
        count: u32,
    },
    /// The file gives up what one `Map` gave; the pages go when no process has them mapped.
    Unmap {
        /// The first page.
        first: u64,
        /// How many that `Map` was for.
        count: u32,
    },
    /// Which pages are mapped at this address of the process.
    OffsetOf {
        /// The address.
        address: u64,
    },
    /// What is to happen at the end of pages.
    Notify(Notice),
    /// Bytes are to be copied.
    Copy {
        /// So many segments.
        count: u32,
        /// Where they are in the process.
        segments: u64,
    },
}

/// `_IOC(_IOC_NONE, 'G', number, size)`.
const fn ioc(number: u32, size: u32) -> u32 {
    size << 16 | (b'G' as u32) << 8 | number
}

const MAP_GRANT_REF: u32 = ioc(0, 24);
const UNMAP_GRANT_REF: u32 = ioc(1, 16);
const GET_OFFSET_FOR_VADDR: u32 = ioc(2, 24);
const ALLOC_GREF: u32 = ioc(5, 24);
const DEALLOC_GREF: u32 = ioc(6, 16);
const SET_UNMAP_NOTIFY: u32 = ioc(7, 16);
const GRANT_COPY: u32 = ioc(8, 16);

/// `GNTALLOC_FLAG_WRITABLE`.
const FLAG_WRITABLE: u16 = 1;
/// `UNMAP_NOTIFY_CLEAR_BYTE`.
const CLEAR_BYTE: u32 = 1;
/// `UNMAP_NOTIFY_SEND_EVENT`.
const SEND_EVENT: u32 = 2;

fn u16_at(bytes: &Argument, offset: usize) -> u16 {
    let mut number = [0; 2];
    number.copy_from_slice(bytes.get(offset..offset.wrapping_add(2)).unwrap_or(&[0; 2]));
    u16::from_ne_bytes(number)
}

fn u32_at(bytes: &Argument, offset: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(bytes.get(offset..offset.wrapping_add(4)).unwrap_or(&[0; 4]));
    u32::from_ne_bytes(number)
}

fn u64_at(bytes: &Argument, offset: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(bytes.get(offset..offset.wrapping_add(8)).unwrap_or(&[0; 8]));
    u64::from_ne_bytes(number)
}

/// The page of a file at a byte's position, which must be the page's first.
fn page_at(position: u64) -> Result<u64, Refused> {
    match position % PAGE_SIZE as u64 {
        0 => Ok(position >> PAGE_SHIFT),
        _ => Err(Refused::Missing),
    }
}

/// The position of a page's first byte.
pub fn position_of(page: u64) -> u64 {
    page.wrapping_shl(PAGE_SHIFT)
}

impl AllocCommand {
    /// How many bytes of the argument of command `number` are fixed; `None` when there is no such command.
    pub fn argument_len(number: u32) -> Option<usize> {
        match number {
            ALLOC_GREF | DEALLOC_GREF | SET_UNMAP_NOTIFY => Some(16),
            _ => None,
        }
    }

    /// The command `number` with the fixed part of its argument.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn of(number: u32, argument: &Argument) -> Result<Self, Refused> {
        match number {
            ALLOC_GREF => Ok(Self::Allocate {
                domid: Domid(u16_at(argument, 0)),
                writable: u16_at(argument, 2) & FLAG_WRITABLE != 0,
                count: at_least_one(u32_at(argument, 4))?,
            }),
            DEALLOC_GREF => Ok(Self::Deallocate {
                first: page_at(u64_at(argument, 0))?,
                count: at_least_one(u32_at(argument, 8))?,
            }),
            SET_UNMAP_NOTIFY => Ok(Self::Notify(Notice::of(argument)?)),
            _ => Err(Refused::Unknown),
        }
    }
}

impl MapCommand {
    /// How many bytes of the argument of command `number` are fixed; `None` when there is no such command.
    pub fn argument_len(number: u32) -> Option<usize> {
        match number {
            MAP_GRANT_REF | UNMAP_GRANT_REF | SET_UNMAP_NOTIFY | GRANT_COPY => Some(16),
            GET_OFFSET_FOR_VADDR => Some(24),
            _ => None,
        }
    }

    /// The command `number` with the fixed part of its argument.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn of(number: u32, argument: &Argument) -> Result<Self, Refused> {
        match number {
            MAP_GRANT_REF => Ok(Self::Map {
                count: at_least_one(u32_at(argument, 0))?,
            }),
            UNMAP_GRANT_REF => Ok(Self::Unmap {
                first: page_at(u64_at(argument, 0))?,
                count: u32_at(argument, 8),
            }),
            GET_OFFSET_FOR_VADDR => Ok(Self::OffsetOf {
                address: u64_at(argument, 0),
            }),
            SET_UNMAP_NOTIFY => Ok(Self::Notify(Notice::of(argument)?)),
            GRANT_COPY => Ok(Self::Copy {
                count: u32_at(argument, 0),
                segments: u64_at(argument, 8),
            }),
            _ => Err(Refused::Unknown),
        }
    }
}

fn at_least_one(count: u32) -> Result<u32, Refused> {
    match count {
        0 => Err(Refused::Invalid),
        _ => Ok(count),
    }
}

impl Notice {
    fn of(argument: &Argument) -> Result<Self, Refused> {
        let position = u64_at(argument, 0);
        let action = u32_at(argument, 8);
        if action & !(CLEAR_BYTE | SEND_EVENT) != 0 {
            return Err(Refused::Invalid);
        }
        Ok(Self {
            page: position >> PAGE_SHIFT,
            offset: (position % PAGE_SIZE as u64) as u16,
            clear: action & CLEAR_BYTE != 0,
            event: (action & SEND_EVENT != 0).then(|| Port(u32_at(argument, 12))),
        })
    }
}

/// Domain and reference of an element of `MAP_GRANT_REF`'s array.
///
/// # Errors
/// [`Refused::Invalid`] for what can be no domain.
pub fn foreign_ref(bytes: [u8; REF_LEN]) -> Result<(Domid, GrantRef), Refused> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let domid = u16::try_from(u32::from_ne_bytes([a, b, c, d])).map_err(|_| Refused::Invalid)?;
    Ok((Domid(domid), GrantRef(u32::from_ne_bytes([e, f, g, h]))))
}

/// One end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentEnd {
    /// This address of the process.
    Local(u64),
    /// A page that a domain grants, and the place in it.
    Foreign(Domid, GrantRef, u16),
}

/// A segment of `GRANT_COPY`: at least one end is another domain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// From where.
    pub source: SegmentEnd,
    /// To where.
    pub dest: SegmentEnd,
    /// Bytes, a page's at most.
    pub len: u16,
}

impl Segment {
    /// Reads a segment.
    ///
    /// # Errors
    /// [`Refused::Invalid`] when both ends are the process's, when the bytes do not lie within a page of the other
    /// domain's, or for flags that do not exist.
    pub fn of(bytes: &[u8; SEGMENT_LEN]) -> Result<Self, Refused> {
        let (len, flags) = (u16_at(bytes, 16), u16_at(bytes, 18));
        let end = |offset: usize, foreign: bool| {
            if !foreign {
                return Ok(SegmentEnd::Local(u64_at(bytes, offset)));
            }
            let place = u16_at(bytes, offset.wrapping_add(4));
            if usize::from(place).saturating_add(usize::from(len)) > PAGE_SIZE {
                return Err(Refused::Invalid);
            }
            let domid = Domid(u16_at(bytes, offset.wrapping_add(6)));
            let gref = GrantRef(u32_at(bytes, offset));
            Ok(SegmentEnd::Foreign(domid, gref, place))
        };
        let (source, dest) = match flags {
            1 => (true, false),
            2 => (false, true),
            3 => (true, true),
            _ => return Err(Refused::Invalid),
        };
        Ok(Self {
            source: end(0, source)?,
            dest: end(8, dest)?,
            len,
        })
    }
}

/// Where in a file there is room for `count` pages: before which of the `taken` ranges (first page and number, in
/// order), and from which page on. The first of a file that has none is page 0. `None` when there is no room.
pub fn room(taken: impl IntoIterator<Item = (u64, u64)>, count: u64) -> Option<(usize, u64)> {
    /// So that positions are numbers that C can have.
    const PAGES: u64 = i64::MAX as u64 >> PAGE_SHIFT;
    let (mut place, mut first) = (0usize, 0u64);
    for (begin, len) in taken {
        if begin.checked_sub(first)? >= count {
            return Some((place, first));
        }
        first = begin.checked_add(len)?;
        place = place.checked_add(1)?;
    }
    (first.checked_add(count)? <= PAGES).then_some((place, first))
}

/// Where among the pages with these numbers, in order, the `count` ones from `first` on are; `None` when one is not there.
pub fn run(pages: impl IntoIterator<Item = u64>, first: u64, count: usize) -> Option<Range<usize>> {
    let mut begin = None;
    let mut wanted = first;
    let mut found = 0usize;
    for (place, page) in pages.into_iter().enumerate() {
        if found == count {
            break;
        }
        if page == wanted {
            begin.get_or_insert(place);
            found = found.wrapping_add(1);
            wanted = wanted.checked_add(1)?;
        } else if begin.is_some() {
            return None;
        }
    }
    let begin = begin.filter(|_| found == count)?;
    Some(begin..begin.checked_add(count)?)
}

#[cfg(all(test, not(loom)))]
mod tests;

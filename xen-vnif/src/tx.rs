// SPDX-License-Identifier: GPL-2.0-only
//! Transmit: how a packet becomes slots, and which responses are to be believed.
//!
//! A packet arrives as fragments (linear part first). Its head, at most [`HEAD_MAX`] bytes, is copied into memory
//! that is granted for the ring's whole life; only what lies beyond is granted in place. So a small packet costs no
//! grant at all and shows the backend no neighbouring byte (XSA-403), and the headers are always together at the
//! start of the first slot, which some backends need to stay alive (XSA-423, 424, 432, 448).

use core::marker::PhantomData;
use core::ops::DerefMut;

use crate::{gso::Gso, ETH_HLEN, PACKET_MAX, PAGE_SIZE};
use xen_sys::netif::{
    NetifTxRequest, NetifTxResponse, TxFlags, NR_SLOTS_MIN, RSP_DROPPED, RSP_ERROR, RSP_OKAY,
};
use xen_sys::{Gfn, GrantRef};

/// Most bytes of a packet's head that are copied rather than granted. Every header chain that Linux builds fits.
pub const HEAD_MAX: u32 = 256;

/// Bytes that go into the first slot when it is not known where the headers end: what netback itself gathers before
/// it looks at headers (`XEN_NETBACK_TX_COPY_LEN`).
const HEAD_UNKNOWN: u32 = 128;

/// Physically contiguous bytes of a packet; the offset and length may span pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fragment {
    /// Frame that `offset` counts from.
    pub gfn: Gfn,
    /// First byte, from the start of that frame.
    pub offset: u32,
    /// Bytes. Empty fragments are allowed and skipped.
    pub len: u32,
}

/// The part of a fragment that lies in one page: what one slot can carry. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagePart {
    /// The page's frame.
    pub gfn: Gfn,
    /// First byte within the page.
    pub offset: u16,
    /// Bytes.
    pub len: u16,
}

/// Walks fragments page by page, after skipping bytes at their start.
#[derive(Clone, Debug)]
pub struct PageParts<'a> {
    rest: core::slice::Iter<'a, Fragment>,
    current: Fragment,
    skip: u32,
}

impl<'a> PageParts<'a> {
    fn new(fragments: &'a [Fragment], skip: u32) -> Self {
        Self {
            rest: fragments.iter(),
            current: Fragment::default(),
            skip,
        }
    }
}

impl Iterator for PageParts<'_> {
    type Item = PagePart;

    #[inline]
    fn next(&mut self) -> Option<PagePart> {
        while self.current.len == 0 {
            self.current = *self.rest.next()?;
            let skipped = self.skip.min(self.current.len);
            self.skip = self.skip.wrapping_sub(skipped);
            self.current.offset = self.current.offset.wrapping_add(skipped);
            self.current.len = self.current.len.wrapping_sub(skipped);
        }
        let offset = self.current.offset % PAGE_SIZE;
        let page = u64::from(self.current.offset / PAGE_SIZE);
        let gfn = Gfn(self.current.gfn.0.wrapping_add(page));
        let len = self.current.len.min(PAGE_SIZE.wrapping_sub(offset));
        self.current.offset = self.current.offset.wrapping_add(len);
        self.current.len = self.current.len.wrapping_sub(len);
        // Both are at most PAGE_SIZE.
        Some(PagePart {
            gfn,
            offset: offset as u16,
            len: len as u16,
        })
    }
}

/// Why a packet cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Shorter than an Ethernet header, or longer than the wire format can say.
    Length,
    /// It would need more slots than a backend must take. Made linear, it fits.
    TooManySlots,
}

/// Where a packet's headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// All in the linear part.
    Linear,
    /// Perhaps in the page fragments too: a packet that user space built.
    Unknown,
}

/// How one packet will be laid out in slots.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    fragments: &'a [Fragment],
    size: u16,
    copied: u16,
    slots: u16,
    flags: TxFlags,
    gso: Option<Gso>,
}

impl<'a> Plan<'a> {
    /// Plans a packet of `len` bytes that lies in `fragments`, the linear part first; `flags` are its checksum flags.
    #[inline]
    pub fn new(
        len: u32,
        headers: Headers,
        fragments: &'a [Fragment],
        flags: TxFlags,
    ) -> Result<Self, Refused> {
        if !(ETH_HLEN..=PACKET_MAX).contains(&len) {
            return Err(Refused::Length);
        }
        let copied = head_to_copy(len, headers, fragments.first().copied().unwrap_or_default());
        let granted = if copied == len {
            0
        } else {
            PageParts::new(fragments, copied).count()
        };
        let slots = granted.saturating_add(usize::from(copied != 0));
        if slots > NR_SLOTS_MIN {
            return Err(Refused::TooManySlots);
        }
        // `len` was bounded above, the copy is no longer than it and the slots are few.
        Ok(Self {
            fragments,
            size: len as u16,
            copied: copied as u16,
            slots: slots as u16,
            flags,
            gso: None,
        })
    }

    /// Plans a packet of `len` bytes, at most [`HEAD_MAX`], that is copied as a whole: it needs one slot and no
    /// fragment list.
    #[inline]
    #[must_use]
    pub fn copied_whole(len: u32, flags: TxFlags) -> Option<Plan<'static>> {
        if !(ETH_HLEN..=HEAD_MAX).contains(&len) {
            return None;
        }
        Some(Plan {
            fragments: &[],
            size: len as u16,
            copied: len as u16,
            slots: 1,
            flags,
            gso: None,
        })
    }

    /// The same packet, to be cut by the backend.
    #[inline]
    #[must_use]
    pub const fn with_gso(mut self, gso: Option<Gso>) -> Self {
        self.gso = gso;
        self
    }

    /// How the backend is to cut it.
    #[inline]
    #[must_use]
    pub const fn gso(&self) -> Option<Gso> {
        self.gso
    }

    /// Bytes from the packet's start to copy into the head memory of the first slot; 0 when nothing is copied.
    #[inline]
    #[must_use]
    pub const fn copied(&self) -> u16 {
        self.copied
    }

    /// Slots with data that the packet takes.
    #[inline]
    #[must_use]
    pub const fn slots(&self) -> u16 {
        self.slots
    }

    /// Slots of the ring that the packet takes, extra info included.
    #[inline]
    #[must_use]
    pub const fn ring_slots(&self) -> u16 {
        self.slots.wrapping_add(self.gso.is_some() as u16)
    }

    /// The parts to be granted, in packet order.
    #[inline]
    #[must_use]
    pub fn granted(&self) -> PageParts<'a> {
        PageParts::new(self.fragments, u32::from(self.copied))
    }

    /// The request for slot number `index` of the packet, whose `len` bytes start at `offset` of the page `gref`.
    #[inline]
    #[must_use]
    pub fn request(
        &self,
        index: u16,
        id: u16,
        gref: GrantRef,
        offset: u16,
        len: u16,
    ) -> NetifTxRequest {
        let mut flags = TxFlags::empty();
        let mut size = len;
        if index == 0 {
            flags = self.flags;
            size = self.size;
            flags.set(TxFlags::EXTRA_INFO, self.gso.is_some());
        }
        if index.wrapping_add(1) < self.slots {
            flags |= TxFlags::MORE_DATA;
        }
        NetifTxRequest {
            gref,
            offset,
            flags,
            id,
            size,
        }
    }
}

/// How much of the packet's head to copy. Nothing, when the linear part is large and shows all headers in one page.
#[inline]
fn head_to_copy(len: u32, headers: Headers, linear: Fragment) -> u32 {
    if len <= HEAD_MAX {
        return len;
    }
    if linear.len <= HEAD_MAX {
        return match headers {
            Headers::Linear => linear.len,
            Headers::Unknown => linear.len.max(HEAD_UNKNOWN),
        };
    }
    let in_page = PAGE_SIZE.wrapping_sub(linear.offset % PAGE_SIZE);
    if in_page >= HEAD_MAX {
        0
    } else {
        HEAD_MAX
    }
}

/// A transmit response that no honest backend sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadResponse {
    /// The id is beyond the ring or names no request in flight.
    Id(u16),
    /// The status is none that the protocol knows for a request.
    Status(i16),
}

/// How an honest backend says a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The data was taken.
    Sent,
    /// The backend threw it away.
    Dropped,
}

/// An id's place in a [`TxTable`].
pub struct Entry<P>(State<P>);

enum State<P> {
    Free { next: u16 },
    InFlight(P),
}

impl<P> Entry<P> {
    /// What a table is made of.
    pub const FREE: Self = Self(State::Free { next: 0 });
}

/// The private shadow of the transmit ring: which ids are in flight, and what each of them keeps alive.
///
/// An id belongs to one slot. Claiming it by a response frees it, so a duplicate response finds nothing. `S` holds the
/// entries: in the kernel they are too many for the stack to make them there.
pub struct TxTable<P, S> {
    entries: S,
    first_free: u16,
    in_flight: u16,
    payloads: PhantomData<P>,
}

impl<P, S: DerefMut<Target = [Entry<P>]>> TxTable<P, S> {
    /// A table of as many free ids as there are `entries`, at most 65535.
    #[must_use]
    pub fn new(mut entries: S) -> Self {
        for (entry, next) in entries.iter_mut().zip(1..) {
            *entry = Entry(State::Free { next });
        }
        Self {
            entries,
            first_free: 0,
            in_flight: 0,
            payloads: PhantomData,
        }
    }

    /// The id that [`insert`](Self::insert) will use next, if one is free.
    #[inline]
    #[must_use]
    pub fn next_id(&self) -> Option<u16> {
        (usize::from(self.first_free) < self.entries.len()).then_some(self.first_free)
    }

    /// Ids in flight.
    #[inline]
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Gives the next id to `payload`, or the payload back when none is free.
    #[inline]
    pub fn insert(&mut self, payload: P) -> Result<u16, P> {
        let id = self.first_free;
        match self.entries.get_mut(usize::from(id)) {
            Some(entry) => {
                if let Entry(State::Free { next }) = *entry {
                    self.first_free = next;
                }
                *entry = Entry(State::InFlight(payload));
                self.in_flight = self.in_flight.wrapping_add(1);
                Ok(id)
            }
            None => Err(payload),
        }
    }

    /// Checks a response and claims the payload that it ends.
    #[inline]
    pub fn complete(&mut self, response: NetifTxResponse) -> Result<(Ended, P), BadResponse> {
        let ended = match response.status {
            RSP_OKAY => Ended::Sent,
            RSP_ERROR | RSP_DROPPED => Ended::Dropped,
            status => return Err(BadResponse::Status(status)),
        };
        let payload = self
            .remove(response.id)
            .ok_or(BadResponse::Id(response.id))?;
        Ok((ended, payload))
    }

    /// Takes what `id` keeps alive and frees the id.
    #[inline]
    fn remove(&mut self, id: u16) -> Option<P> {
        let entry = self.entries.get_mut(usize::from(id))?;
        if let State::Free { .. } = entry.0 {
            return None;
        }
        let next = self.first_free;
        match core::mem::replace(&mut entry.0, State::Free { next }) {
            State::InFlight(payload) => {
                self.first_free = id;
                self.in_flight = self.in_flight.wrapping_sub(1);
                Some(payload)
            }
            State::Free { .. } => None,
        }
    }

    /// The payloads in flight.
    pub fn payloads(&self) -> impl Iterator<Item = &P> {
        self.entries.iter().filter_map(|entry| match &entry.0 {
            State::InFlight(payload) => Some(payload),
            State::Free { .. } => None,
        })
    }

    /// Takes any payload still in flight: for the end of the ring.
    pub fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        let ids = self.entries.len().min(usize::from(u16::MAX)) as u16;
        (0..ids).filter_map(|id| self.remove(id))
    }
}

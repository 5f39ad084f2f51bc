// SPDX-License-Identifier: GPL-2.0-only
//! Transmit: how a packet becomes slots, and which responses are to be believed.
//!
//! A packet is copied into pages of our own, which stay granted for the ring's whole life, one for each id. So the backend
//! sees no neighbouring byte (XSA-403) and keeps nothing of the guest's, however long it holds a page; the headers are
//! always together at the start of the first slot, which some backends need to stay alive (XSA-423, 424, 432, 448);
//! and a packet never takes more slots than its length is pages, wherever its parts lie.

use core::marker::PhantomData;
use core::ops::DerefMut;

use crate::{gso::Gso, ETH_HLEN, PACKET_MAX, PAGE_SIZE};
use xen_sys::netif::{NetifTxRequest, NetifTxResponse, TxFlags, RSP_DROPPED, RSP_ERROR, RSP_OKAY};
use xen_sys::GrantRef;

/// Most slots with data that a packet takes: fewer than a backend must bear (`XEN_NETIF_NR_SLOTS_MIN`).
pub const PACKET_SLOTS_MAX: usize = PACKET_MAX.div_ceil(PAGE_SIZE) as usize;

const _: () = assert!(PACKET_SLOTS_MAX <= xen_sys::netif::NR_SLOTS_MIN);

/// The bytes of a packet that go into one slot: they begin at the start of its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// First byte within the packet.
    pub offset: u32,
    /// Bytes, never 0.
    pub len: u16,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    len: u16,
    flags: TxFlags,
    gso: Option<Gso>,
}

impl Packet {
    /// A packet of `len` bytes with these checksum flags, to be cut by the backend if it has `gso`. `None` if it is
    /// shorter than an Ethernet header or longer than the wire format can say.
    #[inline]
    #[must_use]
    pub fn new(len: u32, mut flags: TxFlags, gso: Option<Gso>) -> Option<Self> {
        if !(ETH_HLEN..=PACKET_MAX).contains(&len) {
            return None;
        }
        flags.set(TxFlags::EXTRA_INFO, gso.is_some());
        Some(Self {
            len: len as u16,
            flags,
            gso,
        })
    }

    /// How the backend is to cut it.
    #[inline]
    #[must_use]
    pub const fn gso(&self) -> Option<Gso> {
        self.gso
    }

    /// Slots with data that the packet takes.
    #[inline]
    #[must_use]
    pub const fn slots(&self) -> u16 {
        self.len.div_ceil(PAGE_SIZE as u16)
    }

    /// Slots of the ring that the packet takes, extra info included.
    #[inline]
    #[must_use]
    pub const fn ring_slots(&self) -> u16 {
        self.slots().wrapping_add(self.gso.is_some() as u16)
    }

    /// What goes into slot number `index` of the packet.
    #[inline]
    #[must_use]
    pub fn part(&self, index: u16) -> Part {
        let offset = u32::from(index).wrapping_mul(PAGE_SIZE);
        let rest = u32::from(self.len).saturating_sub(offset);
        Part {
            offset,
            // At most PAGE_SIZE.
            len: rest.min(PAGE_SIZE) as u16,
        }
    }

    /// The request for slot number `index` of the packet, whose bytes are in the page `gref`.
    #[inline]
    #[must_use]
    pub fn request(&self, index: u16, id: u16, gref: GrantRef) -> NetifTxRequest {
        let (mut flags, size) = if index == 0 {
            (self.flags, self.len)
        } else {
            (TxFlags::empty(), self.part(index).len)
        };
        if index.wrapping_add(1) < self.slots() {
            flags |= TxFlags::MORE_DATA;
        }
        NetifTxRequest {
            gref,
            offset: 0,
            flags,
            id,
            size,
        }
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
    Free {
        next: u16,
    },
    InFlight {
        kept: Option<P>,
        /// What is kept was there at the last look already.
        seen: bool,
    },
}

impl<P> Entry<P> {
    /// What a table is made of.
    pub const FREE: Self = Self(State::Free { next: 0 });
}

/// The private shadow of the transmit ring: which ids are in flight, and what some of them keep alive.
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

    /// Ids in flight.
    #[inline]
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Takes a free id, the one that was in flight last.
    #[inline]
    pub fn take(&mut self) -> Option<u16> {
        let id = self.first_free;
        let entry = self.entries.get_mut(usize::from(id))?;
        if let Entry(State::Free { next }) = *entry {
            self.first_free = next;
        }
        *entry = Entry(State::InFlight {
            kept: None,
            seen: false,
        });
        self.in_flight = self.in_flight.wrapping_add(1);
        Some(id)
    }

    /// Has an id in flight keep `payload`, or gives it back if the id is free or keeps one already.
    #[inline]
    pub fn keep(&mut self, id: u16, payload: P) -> Result<(), P> {
        match self.entries.get_mut(usize::from(id)) {
            Some(Entry(State::InFlight { kept, seen })) if kept.is_none() => {
                *kept = Some(payload);
                *seen = false;
                Ok(())
            }
            _ => Err(payload),
        }
    }

    /// Checks a response and claims what it ends.
    #[inline]
    pub fn complete(
        &mut self,
        response: NetifTxResponse,
    ) -> Result<(Ended, Option<P>), BadResponse> {
        let ended = match response.status {
            RSP_OKAY => Ended::Sent,
            RSP_ERROR | RSP_DROPPED => Ended::Dropped,
            status => return Err(BadResponse::Status(status)),
        };
        let payload = self
            .give_back(response.id)
            .ok_or(BadResponse::Id(response.id))?;
        Ok((ended, payload))
    }

    /// Frees an id that is in flight, and says what it keeps; `None` if it is not in flight.
    #[inline]
    pub fn give_back(&mut self, id: u16) -> Option<Option<P>> {
        let entry = self.entries.get_mut(usize::from(id))?;
        if let State::Free { .. } = entry.0 {
            return None;
        }
        let next = self.first_free;
        match core::mem::replace(&mut entry.0, State::Free { next }) {
            State::InFlight { kept, .. } => {
                self.first_free = id;
                self.in_flight = self.in_flight.wrapping_sub(1);
                Some(kept)
            }
            State::Free { .. } => None,
        }
    }

    /// Takes what the ids in flight keep; they stay in flight.
    pub fn payloads(&mut self) -> impl Iterator<Item = P> + '_ {
        self.entries
            .iter_mut()
            .filter_map(|entry| match &mut entry.0 {
                State::InFlight { kept, .. } => kept.take(),
                State::Free { .. } => None,
            })
    }

    /// As [`payloads`](Self::payloads), but only what was kept at the last call of this already.
    pub fn old_payloads(&mut self) -> impl Iterator<Item = P> + '_ {
        self.entries
            .iter_mut()
            .filter_map(|entry| match &mut entry.0 {
                State::InFlight { kept, seen: true } => kept.take(),
                State::InFlight { kept, seen } => {
                    *seen = kept.is_some();
                    None
                }
                State::Free { .. } => None,
            })
    }
}

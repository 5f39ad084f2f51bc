// SPDX-License-Identifier: GPL-2.0-only
//! Receive: which page lies in which slot, and how responses become a frame.
//!
//! The backend answers receive requests in slot order, so a slot's number, taken from our own consumer index, already
//! says which page is meant; the id in the response only has to agree. A frame may arrive in pieces over several
//! polls: the assembler keeps what it has. Whatever is wrong with a frame, each of its pages comes back to be posted
//! again; none is lost and none is used twice.

use core::marker::PhantomData;
use core::ops::DerefMut;

use crate::{gso::Gso, ETH_HLEN, PACKET_MAX, PAGE_SIZE};
use xen_sys::netif::{NetifExtraInfo, NetifRxResponse, NetifRxSlot, RxFlags};

/// Most pages of one frame: Linux's `MAX_SKB_FRAGS` (17), and enough for [`PACKET_MAX`] bytes.
pub const FRAME_PAGES_MAX: usize = 17;

/// The highest type of extra info that anyone has defined: XDP, in Linux's header only (`XEN_NETIF_EXTRA_TYPE_XDP`).
const EXTRA_TYPE_MAX: u8 = 5;

/// Most extra-info slots of one frame: one of each type.
const EXTRAS_MAX: u8 = EXTRA_TYPE_MAX;

/// The pages posted in the ring, by slot. `S` holds them: in the kernel they are too many for the stack.
pub struct RxTable<P, S> {
    slots: S,
    pages: PhantomData<P>,
}

impl<P, S: DerefMut<Target = [Option<P>]>> RxTable<P, S> {
    /// A table over `slots`, a power of two of them, none with a page.
    #[must_use]
    pub fn new(slots: S) -> Self {
        Self {
            slots,
            pages: PhantomData,
        }
    }

    /// The slot of ring index `index`; it is the request's id as well.
    #[inline]
    #[must_use]
    pub fn slot_of(&self, index: u32) -> u16 {
        (index as usize & self.slots.len().wrapping_sub(1)) as u16
    }

    /// Notes that `page` was posted in `slot`; gives it back when the slot is taken.
    #[inline]
    pub fn post(&mut self, slot: u16, page: P) -> Result<(), P> {
        match self.slots.get_mut(usize::from(slot)) {
            Some(vacant @ None) => {
                *vacant = Some(page);
                Ok(())
            }
            _ => Err(page),
        }
    }

    /// Takes the page of `slot`.
    #[inline]
    pub fn take(&mut self, slot: u16) -> Option<P> {
        self.slots.get_mut(usize::from(slot))?.take()
    }

    /// How many pages are posted.
    pub fn pages(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Takes any page still posted: for the end of the ring.
    pub fn drain(&mut self) -> impl Iterator<Item = P> + '_ {
        self.slots.iter_mut().filter_map(Option::take)
    }
}

/// What the frame says about its protocol checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: the stack has to check it.
    Unknown,
    /// The backend vouches for it.
    Validated,
    /// It is not filled in, for the packet never left the host.
    Blank,
}

impl Checksum {
    const fn from_flags(flags: RxFlags) -> Self {
        if flags.contains(RxFlags::CSUM_BLANK) {
            Self::Blank
        } else if flags.contains(RxFlags::DATA_VALIDATED) {
            Self::Validated
        } else {
            Self::Unknown
        }
    }
}

/// One page of a frame. `offset + len` stays within the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<P> {
    /// The page, which the backend can still write until its grant is ended.
    pub page: P,
    /// First byte.
    pub offset: u16,
    /// Bytes, never 0.
    pub len: u16,
}

/// A frame that is complete, up to [`FRAME_PAGES_MAX`] pages.
pub struct Frame<P> {
    pieces: [Option<Piece<P>>; FRAME_PAGES_MAX],
    count: usize,
    len: u32,
    checksum: Checksum,
    gso: Option<Gso>,
}

impl<P> Frame<P> {
    fn new() -> Self {
        Self {
            pieces: core::array::from_fn(|_| None),
            count: 0,
            len: 0,
            checksum: Checksum::Unknown,
            gso: None,
        }
    }

    /// Bytes of the whole frame, [`ETH_HLEN`] to [`PACKET_MAX`].
    #[inline]
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has no page (any more).
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What it says about its checksum.
    #[inline]
    #[must_use]
    pub const fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// The segments that it stands for, as the backend says: the headers have not been looked at.
    #[inline]
    #[must_use]
    pub const fn gso(&self) -> Option<Gso> {
        self.gso
    }

    /// Takes the pieces, in frame order. Those not iterated over stay.
    #[inline]
    pub fn pieces(&mut self) -> impl Iterator<Item = Piece<P>> + '_ {
        let count = core::mem::take(&mut self.count);
        self.len = 0;
        self.pieces.iter_mut().take(count).filter_map(Option::take)
    }

    /// Takes the only piece of a frame that has one.
    #[inline]
    pub fn take_single(&mut self) -> Option<Piece<P>> {
        if self.count != 1 {
            return None;
        }
        self.count = 0;
        self.len = 0;
        self.pieces.first_mut()?.take()
    }

    /// Takes the page of the last piece: for frames that are not to be used.
    pub fn take_last(&mut self) -> Option<P> {
        let last = self.count.checked_sub(1)?;
        self.count = last;
        if last == 0 {
            self.len = 0;
        }
        Some(self.pieces.get_mut(last)?.take()?.page)
    }

    fn push(&mut self, piece: Piece<P>) -> Result<(), Piece<P>> {
        let Some(place) = self.pieces.get_mut(self.count) else {
            return Err(piece);
        };
        self.len = self.len.wrapping_add(u32::from(piece.len));
        self.count = self.count.wrapping_add(1);
        *place = Some(piece);
        Ok(())
    }
}

/// Why a frame was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The backend says that it failed.
    Status,
    /// A piece does not lie within its page, or is empty.
    Bounds,
    /// The frame is shorter than an Ethernet header or longer than [`PACKET_MAX`].
    Length,
    /// It has more than [`FRAME_PAGES_MAX`] pages.
    TooManyPages,
    /// Its extra info is of no known type, or there is too much of it.
    Extra,
    /// What it says about its segments makes no sense, or is said in the old way, which was not offered.
    Segments,
}

/// The id of a response did not agree with its slot: nothing the backend says can be believed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongId(
    /// The id.
    pub u16,
);

/// What a response led to.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Step<P> {
    /// The slot's page, when it holds nothing for us: post it again.
    pub repost: Option<P>,
    /// What became of the frame.
    pub outcome: Outcome,
}

/// What a response made of the frame it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on in the next slot, or is being skipped.
    More,
    /// It is complete: take [`Assembler::frame`] before the next response.
    Complete,
    /// It is thrown away: post the pages again that [`Assembler::frame`] holds.
    Dropped(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    FirstPiece,
    NextPiece,
    Extra { seen: u8, more_data: bool },
}

/// Puts responses together to frames.
pub struct Assembler<P> {
    frame: Frame<P>,
    expect: Expect,
    /// The frame is bad: the rest of its chain is consumed and dropped.
    skipping: bool,
}

impl<P> Default for Assembler<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Assembler<P> {
    /// An assembler that waits for the first piece of a frame.
    #[must_use]
    pub fn new() -> Self {
        Self {
            frame: Frame::new(),
            expect: Expect::FirstPiece,
            skipping: false,
        }
    }

    /// How many pages the frame has so far.
    pub(crate) const fn pages(&self) -> usize {
        self.frame.count
    }

    /// The frame that [`Outcome::Complete`] announced, or what a dropped one leaves behind.
    #[inline]
    pub fn frame(&mut self) -> &mut Frame<P> {
        &mut self.frame
    }

    /// Takes in the response of `slot`, where `page` had been posted.
    #[inline]
    pub fn accept(
        &mut self,
        slot: u16,
        response: NetifRxSlot,
        page: P,
    ) -> Result<Step<P>, WrongId> {
        if let Expect::Extra { seen, more_data } = self.expect {
            return Ok(self.accept_extra(response.as_extra_info(), seen, more_data, page));
        }
        let response = response.as_response();
        if response.id != slot {
            return Err(WrongId(response.id));
        }
        let flags = response.flags;
        let more_data = flags.contains(RxFlags::MORE_DATA);
        let first = self.expect == Expect::FirstPiece;
        if first {
            self.frame.checksum = Checksum::from_flags(flags);
            self.frame.gso = None;
        }
        self.expect = if first && flags.contains(RxFlags::EXTRA_INFO) {
            Expect::Extra { seen: 0, more_data }
        } else {
            Self::after_piece(more_data)
        };
        if self.skipping {
            return Ok(self.skip(page));
        }
        match check(response) {
            Err(why) => Ok(self.drop_frame(Some(page), why)),
            Ok(len) => {
                let piece = Piece {
                    page,
                    offset: response.offset,
                    len,
                };
                Ok(match self.frame.push(piece) {
                    Err(piece) => self.drop_frame(Some(piece.page), Why::TooManyPages),
                    Ok(()) => self.finish(None),
                })
            }
        }
    }

    const fn after_piece(more_data: bool) -> Expect {
        if more_data {
            Expect::NextPiece
        } else {
            Expect::FirstPiece
        }
    }

    /// A piece or extra info is in: is the frame whole, and of a sane length?
    #[inline]
    fn finish(&mut self, repost: Option<P>) -> Step<P> {
        let outcome = if self.expect != Expect::FirstPiece {
            Outcome::More
        } else if (ETH_HLEN..=PACKET_MAX).contains(&self.frame.len) {
            Outcome::Complete
        } else {
            Outcome::Dropped(Why::Length)
        };
        Step { repost, outcome }
    }

    #[cold]
    fn drop_frame(&mut self, repost: Option<P>, why: Why) -> Step<P> {
        self.skipping = self.expect != Expect::FirstPiece;
        Step {
            repost,
            outcome: Outcome::Dropped(why),
        }
    }

    #[cold]
    fn skip(&mut self, page: P) -> Step<P> {
        self.skipping = self.expect != Expect::FirstPiece;
        Step {
            repost: Some(page),
            outcome: Outcome::More,
        }
    }

    /// An extra-info slot: the slot's page is untouched, whatever the info says.
    fn accept_extra(
        &mut self,
        extra: NetifExtraInfo,
        seen: u8,
        more_data: bool,
        page: P,
    ) -> Step<P> {
        let seen = seen.saturating_add(1);
        self.expect = if extra.has_more() {
            Expect::Extra { seen, more_data }
        } else {
            Self::after_piece(more_data)
        };
        if self.skipping {
            return self.skip(page);
        }
        if !(1..=EXTRA_TYPE_MAX).contains(&extra.kind) || seen > EXTRAS_MAX {
            return self.drop_frame(Some(page), Why::Extra);
        }
        if let Some(info) = extra.gso() {
            // Said twice, it is said badly.
            let first = self.frame.gso.is_none();
            let Some(gso) = Gso::received(info).filter(|_| first) else {
                return self.drop_frame(Some(page), Why::Segments);
            };
            self.frame.gso = Some(gso);
        }
        self.finish(Some(page))
    }
}

/// Bounds a data slot; returns its length.
#[inline]
fn check(response: NetifRxResponse) -> Result<u16, Why> {
    let len = u16::try_from(response.status).map_err(|_| Why::Status)?;
    if len == 0 || u32::from(response.offset).wrapping_add(u32::from(len)) > PAGE_SIZE {
        return Err(Why::Bounds);
    }
    if response.flags.contains(RxFlags::GSO_PREFIX) {
        return Err(Why::Segments);
    }
    Ok(len)
}

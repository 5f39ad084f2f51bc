// SPDX-License-Identifier: GPL-2.0-only
//! Receive: how responses become a frame.
//!
//! Each slot has its page for the ring's whole life, so a slot's number is all that names one. The backend answers receive
//! requests in slot order: our own consumer index already says which slot is meant, and the id in the response only has
//! to agree. A frame may arrive in pieces over several polls: the assembler keeps what it has, and counts the slots that
//! must not be offered again before the frame was copied out.

use crate::{gso::Gso, ETH_HLEN, PACKET_MAX, PAGE_SIZE};
use xen_sys::netif::{NetifExtraInfo, NetifRxResponse, NetifRxSlot, RxFlags};

/// Most pages of one frame: Linux's `MAX_SKB_FRAGS` (17), and enough for [`PACKET_MAX`] bytes.
pub const FRAME_PAGES_MAX: usize = 17;

/// The highest type of extra info that anyone has defined: XDP, in Linux's header only (`XEN_NETIF_EXTRA_TYPE_XDP`).
const EXTRA_TYPE_MAX: u8 = 5;

/// Most extra-info slots of one frame: one of each type.
const EXTRAS_MAX: u8 = EXTRA_TYPE_MAX;

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

/// What of a frame lies in one slot's page. `offset + len` stays within the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The slot, whose page the backend can still write.
    pub slot: u16,
    /// First byte.
    pub offset: u16,
    /// Bytes, never 0.
    pub len: u16,
}

/// A frame, up to [`FRAME_PAGES_MAX`] pieces.
pub struct Frame {
    pieces: [Piece; FRAME_PAGES_MAX],
    count: usize,
    len: u32,
    checksum: Checksum,
    gso: Option<Gso>,
}

impl Frame {
    fn new() -> Self {
        Self {
            pieces: [Piece::default(); FRAME_PAGES_MAX],
            count: 0,
            len: 0,
            checksum: Checksum::Unknown,
            gso: None,
        }
    }

    /// Bytes of the whole frame: once it is complete, [`ETH_HLEN`] to [`PACKET_MAX`].
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
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

    /// Where its bytes are, in order.
    #[inline]
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, piece: Piece) -> Result<(), Why> {
        let place = self.pieces.get_mut(self.count).ok_or(Why::TooManyPages)?;
        *place = piece;
        self.len = self.len.wrapping_add(u32::from(piece.len));
        self.count = self.count.wrapping_add(1);
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

/// What a response made of the frame it belongs to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on in the next slot, or is being skipped.
    More,
    /// It is complete: copy [`Assembler::frame`] out before the next response.
    Complete,
    /// It is thrown away.
    Dropped(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    FirstPiece,
    NextPiece,
    Extra { seen: u8, more_data: bool },
}

/// Puts responses together to frames.
pub struct Assembler {
    frame: Frame,
    expect: Expect,
    /// The frame is bad: the rest of its chain is consumed and dropped.
    skipping: bool,
    /// Responses of the frame so far.
    slots: u32,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// An assembler that waits for the first piece of a frame.
    #[must_use]
    pub fn new() -> Self {
        Self {
            frame: Frame::new(),
            expect: Expect::FirstPiece,
            skipping: false,
            slots: 0,
        }
    }

    /// How many of the responses taken in last belong to a frame that is not whole yet, and whose slots' pages have to
    /// stay as they are.
    #[inline]
    #[must_use]
    pub fn held(&self) -> u32 {
        if self.expect == Expect::FirstPiece || self.skipping {
            0
        } else {
            self.slots
        }
    }

    /// The frame that [`Outcome::Complete`] announced.
    #[inline]
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Takes in the response of `slot`.
    ///
    /// # Errors
    /// [`WrongId`] if it is not that slot's.
    #[inline]
    pub fn accept(&mut self, slot: u16, response: NetifRxSlot) -> Result<Outcome, WrongId> {
        self.slots = self.slots.wrapping_add(1);
        if let Expect::Extra { seen, more_data } = self.expect {
            return Ok(self.accept_extra(response.as_extra_info(), seen, more_data));
        }
        let response = response.as_response();
        if response.id != slot {
            return Err(WrongId(response.id));
        }
        let more_data = response.flags.contains(RxFlags::MORE_DATA);
        let first = self.expect == Expect::FirstPiece;
        if first {
            self.begin(response.flags);
        }
        self.expect = if first && response.flags.contains(RxFlags::EXTRA_INFO) {
            Expect::Extra { seen: 0, more_data }
        } else {
            Self::after_piece(more_data)
        };
        if self.skipping {
            return Ok(self.skip());
        }
        let pushed = check(response).and_then(|len| {
            self.frame.push(Piece {
                slot,
                offset: response.offset,
                len,
            })
        });
        Ok(match pushed {
            Ok(()) => self.finish(),
            Err(why) => self.drop_frame(why),
        })
    }

    #[inline]
    fn begin(&mut self, flags: RxFlags) {
        self.frame.count = 0;
        self.frame.len = 0;
        self.frame.checksum = Checksum::from_flags(flags);
        self.frame.gso = None;
        self.slots = 1;
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
    fn finish(&self) -> Outcome {
        if self.expect != Expect::FirstPiece {
            Outcome::More
        } else if (ETH_HLEN..=PACKET_MAX).contains(&self.frame.len) {
            Outcome::Complete
        } else {
            Outcome::Dropped(Why::Length)
        }
    }

    #[cold]
    fn drop_frame(&mut self, why: Why) -> Outcome {
        self.skipping = self.expect != Expect::FirstPiece;
        Outcome::Dropped(why)
    }

    #[cold]
    fn skip(&mut self) -> Outcome {
        self.skipping = self.expect != Expect::FirstPiece;
        Outcome::More
    }

    /// An extra-info slot: the slot's page is untouched, whatever the info says.
    fn accept_extra(&mut self, extra: NetifExtraInfo, seen: u8, more_data: bool) -> Outcome {
        let seen = seen.saturating_add(1);
        self.expect = if extra.has_more() {
            Expect::Extra { seen, more_data }
        } else {
            Self::after_piece(more_data)
        };
        if self.skipping {
            return self.skip();
        }
        if !(1..=EXTRA_TYPE_MAX).contains(&extra.kind) || seen > EXTRAS_MAX {
            return self.drop_frame(Why::Extra);
        }
        if let Some(info) = extra.gso() {
            // Said twice, it is said badly.
            let first = self.frame.gso.is_none();
            let Some(gso) = Gso::received(info).filter(|_| first) else {
                return self.drop_frame(Why::Segments);
            };
            self.frame.gso = Some(gso);
        }
        self.finish()
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

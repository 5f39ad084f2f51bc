// SPDX-License-Identifier: GPL-2.0-only
//! Messages of the xenstore wire protocol (`xen/include/public/io/xs_wire.h`).
//!
//! Every message is a 16-byte header and at most [`PAYLOAD_MAX`] bytes of payload. The stream has
//! no other framing, so one wrong length loses it for good: [`Parser`] refuses such a header and
//! stays refused until [`Parser::reset`].

use core::mem::size_of;
use zerocopy::FromBytes;

pub use xen_sys::xenstore::{MessageType as Operation, XsdSockmsg as Header, PAYLOAD_MAX};

/// Length of a message header in bytes (`struct xsd_sockmsg`).
pub const HEADER_LEN: usize = size_of::<Header>();

/// A header for a request whose payload is the concatenation of `parts`.
///
/// # Errors
/// [`WireError::PayloadTooLong`] when the parts together exceed [`PAYLOAD_MAX`].
pub fn request(
    op: Operation,
    req_id: u32,
    tx_id: u32,
    parts: &[&[u8]],
) -> Result<Header, WireError> {
    let len = parts
        .iter()
        .try_fold(0usize, |sum, part| sum.checked_add(part.len()))
        .filter(|len| *len <= PAYLOAD_MAX)
        .and_then(|len| u32::try_from(len).ok())
        .ok_or(WireError::PayloadTooLong)?;
    Ok(Header {
        kind: op.number(),
        req_id,
        tx_id,
        len,
    })
}

/// What can be wrong with a message as such. All of them end the stream but `PayloadTooLong` on
/// the sending side, which only refuses the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The payload is longer than [`PAYLOAD_MAX`].
    PayloadTooLong,
    /// The store sent an operation number that is none of the protocol's.
    UnknownType(u32),
}

/// One complete message, still inside the parser's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header as received.
    pub header: Header,
    /// The operation named in the header.
    pub op: Operation,
    /// The payload, `header.len` bytes.
    pub payload: &'a [u8],
}

/// Gathers one message after another from a byte stream, however it is chopped up, whatever their types.
///
/// Use: read bytes into [`Assembler::wanted`] (as many as there are), tell [`Assembler::advance`] how
/// many, and look at [`Assembler::complete`]; when there is a message, use it and call
/// [`Assembler::reset`].
pub struct Assembler {
    buffer: [u8; HEADER_LEN + PAYLOAD_MAX],
    have: usize,
    need: usize,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// An assembler at a message boundary.
    pub const fn new() -> Assembler {
        Assembler {
            buffer: [0; HEADER_LEN + PAYLOAD_MAX],
            have: 0,
            need: HEADER_LEN,
        }
    }

    /// Where the next bytes of the stream go; its length is how many more bytes are needed before
    /// there is anything new to see. Empty when a message is complete.
    #[inline]
    pub fn wanted(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.have..self.need).unwrap_or(&mut [])
    }

    /// Says that `count` bytes were put at the start of [`Assembler::wanted`]. A count beyond what
    /// was wanted is taken as all of it. Returns the header if these bytes completed it.
    ///
    /// # Errors
    /// The header announces a payload that is too long.
    #[inline]
    pub fn advance(&mut self, count: usize) -> Result<Option<Header>, WireError> {
        let was_header = self.have < HEADER_LEN;
        self.have = self.have.saturating_add(count).min(self.need);
        if !was_header || self.have != HEADER_LEN {
            return Ok(None);
        }
        let header = self.header();
        self.need = usize::try_from(header.len)
            .ok()
            .filter(|len| *len <= PAYLOAD_MAX)
            .and_then(|len| len.checked_add(HEADER_LEN))
            .ok_or(WireError::PayloadTooLong)?;
        Ok(Some(header))
    }

    /// The message just completed, if the stream stands at the end of one.
    #[inline]
    pub fn complete(&self) -> Option<(Header, &[u8])> {
        if self.have < HEADER_LEN || self.have < self.need {
            return None;
        }
        Some((self.header(), self.buffer.get(HEADER_LEN..self.need)?))
    }

    /// Whether the stream stands between two messages.
    pub fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Forgets what was gathered.
    #[inline]
    pub fn reset(&mut self) {
        self.have = 0;
        self.need = HEADER_LEN;
    }

    #[inline]
    fn header(&self) -> Header {
        // The buffer is longer than a header, so that there always is one to read.
        Header::read_from_prefix(&self.buffer)
            .map_or_else(|_| Header::default(), |(header, _)| header)
    }
}

/// Cuts the store's byte stream into messages. One that cannot be ends the stream.
///
/// Use: as an [`Assembler`]; when [`Parser::message`] says that there is one, use it and call
/// [`Parser::next_message`].
#[derive(Default)]
pub struct Parser {
    assembler: Assembler,
    failed: Option<WireError>,
}

impl Parser {
    /// A parser at a message boundary.
    pub const fn new() -> Parser {
        Parser {
            assembler: Assembler::new(),
            failed: None,
        }
    }

    /// See [`Assembler::wanted`].
    ///
    /// # Errors
    /// The error that ended the stream, if one did.
    #[inline]
    pub fn wanted(&mut self) -> Result<&mut [u8], WireError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.assembler.wanted()),
        }
    }

    /// See [`Assembler::advance`].
    ///
    /// # Errors
    /// The header just completed is not one of this protocol; the stream is lost.
    #[inline]
    pub fn advance(&mut self, count: usize) -> Result<(), WireError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let checked = self.assembler.advance(count).and_then(|header| {
            match header.filter(|header| Operation::from_number(header.kind).is_none()) {
                Some(header) => Err(WireError::UnknownType(header.kind)),
                None => Ok(()),
            }
        });
        checked.map_err(|error| *self.failed.insert(error))
    }

    /// The message just completed, if the stream stands at the end of one.
    #[inline]
    pub fn message(&self) -> Option<Message<'_>> {
        if self.failed.is_some() {
            return None;
        }
        let (header, payload) = self.assembler.complete()?;
        let op = Operation::from_number(header.kind)?;
        Some(Message {
            header,
            op,
            payload,
        })
    }

    /// Whether the stream stands between two messages. A stream left elsewhere cannot be taken
    /// over by another parser.
    pub fn is_between_messages(&self) -> bool {
        self.assembler.is_empty() && self.failed.is_none()
    }

    /// Lets go of the complete message. Does nothing when there is none.
    #[inline]
    pub fn next_message(&mut self) {
        if self.failed.is_none() && self.assembler.complete().is_some() {
            self.assembler.reset();
        }
    }

    /// Starts over on a new stream.
    pub fn reset(&mut self) {
        self.assembler.reset();
        self.failed = None;
    }
}

#[cfg(test)]
mod tests;

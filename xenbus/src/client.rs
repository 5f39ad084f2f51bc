// SPDX-License-Identifier: GPL-2.0-only
//! The client's receiving side and its book of requests, put together.
//!
//! [`Client`] owns the parser and the request table. Its owner moves bytes: out of the response
//! ring through [`Client::receive`], and the header from [`Client::begin`] with its payload into
//! the request ring. Watches are the owner's, in a [`Watches`](crate::watch::Watches), since
//! callbacks run under another lock than the ring.

use crate::errors::StoreError;
use crate::table::{Matched, RequestId, RequestTable};
use crate::text;
use crate::transaction::Scope;
use crate::watch::Token;
use crate::wire::{self, Header, Message, Operation, Parser, WireError};

/// Why a request ended without the reply it wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The store says why.
    Store(StoreError),
    /// The store's reply makes no sense.
    Protocol,
}

/// Something the store sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a, W> {
    /// A request is done; this is its waiter and the reply's payload.
    Reply(W, Result<&'a [u8], Refused>),
    /// A watch fired.
    WatchEvent {
        /// Whose watch.
        token: Token,
        /// The node that changed.
        path: &'a [u8],
    },
    /// The reply to a request given up before.
    Late {
        /// The transaction that it says has begun: nobody will end it, if the owner does not.
        begun: Option<u32>,
    },
    /// A message that is for nobody, and counted.
    Ignored,
}

/// Why no request can be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginError<W> {
    /// As many requests as can be are in flight.
    Busy(W),
    /// The payload is too long for the protocol.
    TooLong(W),
    /// The request belongs to a connection that was begun anew.
    Stale(W),
}

/// What the store did that it should not, and what came too late to matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Replies to requests given up before.
    pub late_replies: u64,
    /// Replies to no request, or of a wrong type.
    pub bad_replies: u64,
    /// Watch events that are malformed.
    pub bad_events: u64,
}

/// Parser, request table and counters. `W` is what the owner needs to wake the one who waits.
#[derive(Default)]
pub struct Client<W, const N: usize> {
    parser: Parser,
    table: RequestTable<W, N>,
    counters: Counters,
    /// Counts the connections.
    epoch: u32,
}

/// What one complete message is, without borrowing it.
enum Kind<W> {
    Reply(W),
    Error(W),
    WrongType(W),
    Event(Token),
    Late,
    Ignored,
}

impl<W, const N: usize> Client<W, N> {
    /// A client at the start of a stream.
    pub const fn new() -> Self {
        Client {
            parser: Parser::new(),
            table: RequestTable::new(),
            counters: Counters {
                late_replies: 0,
                bad_replies: 0,
                bad_events: 0,
            },
            epoch: 0,
        }
    }

    /// Has the request ids begin elsewhere; see [`RequestTable::seed`].
    pub fn seed(&mut self, seed: u32) {
        self.table.seed(seed);
    }

    /// Notes a request of type `op` that belongs to `scope` and whose payload is `parts` in a
    /// row, and gives the header to send before them.
    ///
    /// # Errors
    /// Gives `waiter` back when the request cannot be.
    pub fn begin(
        &mut self,
        op: Operation,
        scope: Scope,
        parts: &[&[u8]],
        waiter: W,
    ) -> Result<(RequestId, Header), BeginError<W>> {
        if self.is_stale(scope) {
            return Err(BeginError::Stale(waiter));
        }
        let Ok(header) = wire::request(op, 0, scope.tx_id(), parts) else {
            return Err(BeginError::TooLong(waiter));
        };
        let id = self.table.insert(op, waiter).map_err(BeginError::Busy)?;
        Ok((
            id,
            Header {
                req_id: id.raw(),
                ..header
            },
        ))
    }

    /// Takes bytes from the store until one message is complete, and no more than that: a store that
    /// sends without end does not keep the caller. `read` fills the slice it is given as far as
    /// there are bytes and says how many; 0 means that there are none now, which ends this call
    /// with `None`. The payload stays valid until the next call.
    ///
    /// # Errors
    /// The stream is lost: [`WireError`]. Nothing more is read until [`Client::reset`].
    pub fn receive(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> usize,
    ) -> Result<Option<Received<'_, W>>, WireError> {
        self.parser.next_message();
        while self.parser.message().is_none() {
            match read(self.parser.wanted()?) {
                0 => return Ok(None),
                count => self.parser.advance(count)?,
            }
        }
        let kind = self.classify();
        let message = self.parser.message();
        Ok(message.map(|message| Self::received(kind, message)))
    }

    /// The transaction that the reply which came last says has begun, for an owner that cannot hand
    /// it to its waiter.
    pub fn last_begun(&self) -> Option<u32> {
        self.parser.message().and_then(Self::begun)
    }

    /// Gives up waiting for a request that was sent. Its waiter comes back unless the reply was
    /// there first.
    pub fn abandon(&mut self, id: RequestId) -> Option<W> {
        self.table.abandon(id)
    }

    /// Forgets a request of which no byte was sent.
    pub fn retract(&mut self, id: RequestId) -> Option<W> {
        self.table.retract(id)
    }

    /// Ends every request, though replies may still come; calls `end` with each waiter.
    pub fn end_all(&mut self, end: impl FnMut(W)) {
        self.table.drain(end);
    }

    /// Starts over on a new stream, which is another connection; calls `end` with each waiter of the old one.
    pub fn reset(&mut self, end: impl FnMut(W)) {
        self.epoch = self.epoch.wrapping_add(1);
        self.end_all(end);
        self.parser.reset();
    }

    /// The number of the connection: another one when transactions are lost. A reply always comes on the one that its
    /// request went out on.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether what `scope` names went with its connection.
    pub fn is_stale(&self, scope: Scope) -> bool {
        !scope.may_go_out_on(self.epoch)
    }

    /// Whether the incoming stream stands between two messages.
    pub fn is_between_messages(&self) -> bool {
        self.parser.is_between_messages() || self.parser.message().is_some()
    }

    /// How many requests somebody waits for.
    pub fn in_flight(&self) -> usize {
        self.table.in_flight()
    }

    /// What went wrong so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Says what the complete message is, and counts what is for nobody.
    fn classify(&mut self) -> Kind<W> {
        let Some(message) = self.parser.message() else {
            return Kind::Ignored;
        };
        if message.op == Operation::WatchEvent {
            let token = text::pair(message.payload).and_then(|(_, token)| Token::from_bytes(token));
            if token.is_none() {
                self.counters.bad_events = self.counters.bad_events.saturating_add(1);
            }
            return token.map_or(Kind::Ignored, Kind::Event);
        }
        let bad = &mut self.counters.bad_replies;
        match self.table.take(&message.header) {
            Matched::Reply(waiter) => Kind::Reply(waiter),
            Matched::Error(waiter) => Kind::Error(waiter),
            Matched::WrongType(waiter) => {
                *bad = bad.saturating_add(1);
                Kind::WrongType(waiter)
            }
            Matched::Unknown => {
                *bad = bad.saturating_add(1);
                Kind::Ignored
            }
            Matched::Late => {
                self.counters.late_replies = self.counters.late_replies.saturating_add(1);
                Kind::Late
            }
        }
    }

    /// The transaction that a reply says has begun.
    fn begun(message: Message<'_>) -> Option<u32> {
        match message.op {
            Operation::TransactionStart => text::transaction_id(message.payload),
            _ => None,
        }
    }

    fn received(kind: Kind<W>, message: Message<'_>) -> Received<'_, W> {
        match kind {
            Kind::Reply(waiter) => Received::Reply(waiter, Ok(message.payload)),
            Kind::Error(waiter) => {
                let error = StoreError::from_payload(message.payload);
                Received::Reply(waiter, Err(Refused::Store(error)))
            }
            Kind::WrongType(waiter) => Received::Reply(waiter, Err(Refused::Protocol)),
            Kind::Event(token) => {
                let path = text::pair(message.payload).map_or(&[][..], |(path, _)| path);
                Received::WatchEvent { token, path }
            }
            Kind::Late => Received::Late {
                begun: Self::begun(message),
            },
            Kind::Ignored => Received::Ignored,
        }
    }
}

#[cfg(test)]
mod tests;

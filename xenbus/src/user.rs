// SPDX-License-Identifier: GPL-2.0-only
//! A process of the guest that talks to the store itself, through a file: what it may say, and what becomes of it.
//!
//! The process speaks the wire protocol as if it had a connection of its own. It has not: its requests go out among the
//! kernel's. So each is looked at here first ([`Job::of`]): watches and transactions are kept for the file they belong
//! to, and a transaction that is another's is none. What remains is passed on as it is, for the store checks whatever a
//! guest asks.
//!
//! C counterpart: `drivers/xen/xenbus/xenbus_dev_frontend.c`.

use crate::errors::StoreError;
use crate::text;
use crate::wire::{Header, Operation};

/// What the store says when there is nothing to say.
pub const OK: &[u8] = b"OK\0";

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job<'a> {
    /// It is answered with this error, and the store does not hear of it.
    Refuse(StoreError),
    /// It is answered with [`OK`], and the store does not hear of it.
    Done,
    /// The file is to watch the node at `path`; its events carry `token`.
    Watch {
        /// The node.
        path: &'a [u8],
        /// What the process calls the watch.
        token: &'a [u8],
    },
    /// The file's watch of this path and token is to end.
    Unwatch {
        /// The node.
        path: &'a [u8],
        /// What the process calls the watch.
        token: &'a [u8],
    },
    /// All watches and transactions of the file are to end.
    Reset,
    /// A transaction is to begin.
    Begin,
    /// The request's transaction is to end, and is the file's no more whatever the store says.
    End,
    /// The store is asked just this.
    Pass(Operation),
}

impl<'a> Job<'a> {
    /// What becomes of this request of a file that has these transactions, on the store's connection number `epoch`.
    pub fn of<const N: usize>(
        header: &Header,
        payload: &'a [u8],
        transactions: &Transactions<N>,
        epoch: u32,
    ) -> Job<'a> {
        let Some(op) = Operation::from_number(header.kind) else {
            return Job::Refuse(StoreError::NotImplemented);
        };
        match op {
            Operation::WatchEvent | Operation::Error => Job::Refuse(StoreError::NotImplemented),
            // None of these is part of a transaction, whatever stands in the header.
            Operation::Watch => match text::pair(payload) {
                Some((path, token)) => Job::Watch { path, token },
                None => Job::Refuse(StoreError::Invalid),
            },
            Operation::Unwatch => match text::pair(payload) {
                Some((path, token)) => Job::Unwatch { path, token },
                None => Job::Refuse(StoreError::Invalid),
            },
            Operation::ResetWatches => Job::Reset,
            Operation::TransactionStart if header.tx_id != 0 => Job::Refuse(StoreError::Busy),
            Operation::TransactionStart if transactions.is_full() => {
                Job::Refuse(StoreError::NoSpace)
            }
            Operation::TransactionStart => Job::Begin,
            Operation::TransactionEnd => Self::end(payload, transactions.find(header.tx_id, epoch)),
            _ if header.tx_id == 0 => Job::Pass(op),
            _ => match transactions.find(header.tx_id, epoch) {
                Some(Standing::Open) => Job::Pass(op),
                Some(Standing::Lost) | None => Job::Refuse(StoreError::NotFound),
            },
        }
    }

    fn end(payload: &[u8], standing: Option<Standing>) -> Job<'a> {
        match (standing, payload) {
            (None, _) => Job::Refuse(StoreError::NotFound),
            (Some(Standing::Open), b"T\0" | b"F\0") => Job::End,
            // The store forgot it with the connection. To run it again is what a process does that hears this.
            (Some(Standing::Lost), b"T\0") => Job::Refuse(StoreError::Again),
            (Some(Standing::Lost), b"F\0") => Job::Done,
            (Some(_), _) => Job::Refuse(StoreError::Invalid),
        }
    }
}

/// How it stands with a transaction of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The store knows it.
    Open,
    /// It went with the connection on which it began. Its number may be another's by now.
    Lost,
}

/// A transaction: its number, and the number of the connection that it began on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begun {
    id: u32,
    epoch: u32,
}

/// The transactions that a file has begun and not ended, at most `N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transactions<const N: usize> {
    begun: [Option<Begun>; N],
}

impl<const N: usize> Default for Transactions<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Transactions<N> {
    /// None.
    pub const fn new() -> Self {
        Self { begun: [None; N] }
    }

    /// The store has begun transaction `id`. One of that number that was lost is forgotten.
    ///
    /// # Errors
    /// There are `N`, or the store gives a number twice.
    pub fn add(&mut self, id: u32, epoch: u32) -> Result<(), StoreError> {
        match self.find(id, epoch) {
            Some(Standing::Open) => return Err(StoreError::Io),
            Some(Standing::Lost) => self.remove(id),
            None => {}
        }
        let free = self.begun.iter_mut().find(|place| place.is_none());
        *free.ok_or(StoreError::NoSpace)? = Some(Begun { id, epoch });
        Ok(())
    }

    /// How it stands with transaction `id` on connection `epoch`; `None` for one that the file does not have.
    pub fn find(&self, id: u32, epoch: u32) -> Option<Standing> {
        let begun = self.begun.iter().flatten().find(|begun| begun.id == id)?;
        Some(match begun.epoch == epoch {
            true => Standing::Open,
            false => Standing::Lost,
        })
    }

    /// The file does not have transaction `id` any more.
    pub fn remove(&mut self, id: u32) {
        for place in &mut self.begun {
            if place.is_some_and(|begun| begun.id == id) {
                *place = None;
            }
        }
    }

    /// Takes any transaction out, and says how it stood with it on connection `epoch`; `None` when there is none left.
    pub fn take(&mut self, epoch: u32) -> Option<(u32, Standing)> {
        let begun = self.begun.iter_mut().find_map(Option::take)?;
        Some(match begun.epoch == epoch {
            true => (begun.id, Standing::Open),
            false => (begun.id, Standing::Lost),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.begun.iter().flatten().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_full(&self) -> bool {
        self.len() == N
    }
}

/// The header of the reply to `request` with a payload of so many bytes: that of the store's own reply.
pub fn reply(request: &Header, len: usize) -> Header {
    Header {
        len: u32::try_from(len).unwrap_or(u32::MAX),
        ..*request
    }
}

/// The header of the reply that says that `request` failed; `error`'s name and a NUL follow it.
pub fn refusal(request: &Header, error: StoreError) -> Header {
    Header {
        kind: Operation::Error.number(),
        ..reply(request, error.name().len().saturating_add(1))
    }
}

/// The header of a watch event; `path` and `token` follow it, each ended by a NUL.
pub fn event(path: &[u8], token: &[u8]) -> Header {
    let len = path.len().saturating_add(token.len()).saturating_add(2);
    Header {
        kind: Operation::WatchEvent.number(),
        ..reply(&Header::default(), len)
    }
}

#[cfg(test)]
mod tests;

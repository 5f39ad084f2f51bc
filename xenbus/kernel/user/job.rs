// SPDX-License-Identifier: GPL-2.0-only
//! What the thread does for a file: one request after another, and the end of all that the file has at the store.

use super::file::{Noter, Request, UserFile, Watching};
use super::message::{Message, Names};
use super::{TRANSACTIONS, WATCHES};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{prelude::*, sync::Arc};
use xenbus::errors::StoreError;
use xenbus::text;
use xenbus::transaction::Scope;
use xenbus::user::{Job, Standing};
use xenbus::wire::{Header, Operation};

/// Why a request is not done.
enum Failure {
    /// The process is refused.
    Refused(StoreError),
    /// The connection that the request's transaction belongs to went before the request could go out.
    Stale,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// What the process is told, or why it is not.
type Outcome = core::result::Result<Message, Failure>;

impl UserFile {
    /// Does one request, or clears away what a closed file has left.
    pub(super) fn attend(self: &Arc<Self>) {
        let request = {
            let mut state = self.state.lock();
            let request = state.requests.remove(0).ok();
            state.busy = request.is_some();
            request
        };
        // What was asked is done, though nobody reads the reply; not without end by a store that never answers.
        let given_up = || self.is_closed() && self.shared.silent.load(Ordering::Relaxed);
        match request {
            Some(request) if !given_up() => {
                let reply = self
                    .perform(&request)
                    .unwrap_or_else(|error| Message::refusal(&request.header, error));
                self.state.lock().answer(reply);
                self.tell();
                // For the next one, or the end.
                self.call();
            }
            Some(_) => self.call(),
            None if self.is_closed() => {
                self.reset();
                self.shared.users.remove(self);
            }
            None => {}
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn perform(self: &Arc<Self>, request: &Request) -> core::result::Result<Message, StoreError> {
        let outcome = match self.attempt(request) {
            // It waited, for a suspend perhaps. On the connection that there is now it comes to something else.
            Err(Failure::Stale) => self.attempt(request),
            outcome => outcome,
        };
        outcome.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Stale => StoreError::Io,
        })
    }

    fn attempt(self: &Arc<Self>, request: &Request) -> Outcome {
        let Request { header, payload } = request;
        let epoch = self.shared.io.lock().client.epoch();
        let job = Job::of(header, payload, &self.state.lock().transactions, epoch);
        match job {
            Job::Refuse(error) => {
                if error == StoreError::Again {
                    self.forget(header.tx_id);
                }
                return Err(error.into());
            }
            Job::Done => self.forget(header.tx_id),
            Job::Watch { path, token } => return self.watch(header, path, token),
            Job::Unwatch { path, token } => self.unwatch(path, token)?,
            Job::Reset => self.reset(),
            Job::Begin => return self.begin(header, epoch),
            Job::End => {
                let outcome = self.ask(header, Operation::TransactionEnd, epoch, payload);
                if !matches!(outcome, Err(Failure::Stale)) {
                    self.forget(header.tx_id);
                }
                return outcome;
            }
            Job::Pass(op) => return self.ask(header, op, epoch, payload),
        }
        Ok(Message::ok(header))
    }

    /// Asks the store; a request of a transaction only on the connection that it began on.
    fn ask(&self, header: &Header, op: Operation, epoch: u32, payload: &[u8]) -> Outcome {
        let scope = match header.tx_id {
            0 => Scope::Free,
            tx_id => Scope::Bound { epoch, tx_id },
        };
        self.shared
            .request(op, scope, &[payload])
            .map(|reply| Message::reply(header, reply))
            .map_err(refused)
    }

    fn begin(&self, header: &Header, epoch: u32) -> Outcome {
        let count =
            Claim::of(&self.shared.users.transactions, TRANSACTIONS).ok_or(StoreError::NoSpace)?;
        let scope = Scope::Bound { epoch, tx_id: 0 };
        let reply = self
            .shared
            .request(Operation::TransactionStart, scope, &[b"\0"])
            .map_err(refused)?;
        let id = text::transaction_id(&reply).ok_or(StoreError::Io)?;
        self.state.lock().transactions.add(id, epoch)?;
        count.keep();
        Ok(Message::reply(header, reply))
    }

    /// A transaction is the file's no more.
    fn forget(&self, tx_id: u32) {
        let transactions = &mut self.state.lock().transactions;
        let before = transactions.len();
        transactions.remove(tx_id);
        let gone = before.saturating_sub(transactions.len());
        self.shared
            .users
            .transactions
            .fetch_sub(gone, Ordering::Relaxed);
    }

    fn watch(self: &Arc<Self>, header: &Header, path: &[u8], token: &[u8]) -> Outcome {
        if self.find(path, token).is_some() {
            return Err(StoreError::Exists.into());
        }
        let count = Claim::of(&self.shared.users.watches, WATCHES).ok_or(StoreError::TooBig)?;
        let names = names(path, token).map_err(refused)?;
        let noter = Noter {
            file: self.clone(),
            names: names.clone(),
        };
        let noter = Arc::new(noter, GFP_KERNEL).map_err(|_| StoreError::NoMemory)?;
        let watching = KBox::new(Watching::new(names), GFP_KERNEL);
        let watching = watching.map_err(|_| StoreError::NoMemory)?;
        // Before the registration: the first event may come before the reply.
        let pushed = self.state.lock().watches.push(watching, GFP_KERNEL);
        pushed.map_err(|_| StoreError::NoMemory)?;
        let watch = self.shared.watch(path, noter);
        let mut state = self.state.lock();
        // Only this thread adds watches, but a reader's turn may have moved it.
        let index = state.position(path, token).ok_or(StoreError::Io)?;
        match watch {
            Ok(watch) => {
                if let Some(watching) = state.watches.get_mut(index) {
                    watching.watch = Some(watch);
                }
                count.keep();
                Ok(Message::ok(header))
            }
            Err(error) => {
                let unused = state.watches.remove(index);
                drop(state);
                drop(unused);
                Err(refused(error))
            }
        }
    }

    fn find(&self, path: &[u8], token: &[u8]) -> Option<usize> {
        self.state.lock().position(path, token)
    }

    fn unwatch(&self, path: &[u8], token: &[u8]) -> core::result::Result<(), StoreError> {
        let watching = {
            let mut state = self.state.lock();
            let index = state.position(path, token).ok_or(StoreError::NotFound)?;
            state.watches.remove(index)
        };
        // Tells the store, and waits for the handler, which needs the lock.
        drop(watching);
        self.shared.users.watches.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ends all that the file has at the store.
    fn reset(&self) {
        loop {
            let watching = self.state.lock().watches.pop();
            if watching.is_none() {
                break;
            }
            drop(watching);
            self.shared.users.watches.fetch_sub(1, Ordering::Relaxed);
        }
        loop {
            let epoch = self.shared.io.lock().client.epoch();
            let Some((tx_id, standing)) = self.state.lock().transactions.take(epoch) else {
                break;
            };
            if standing == Standing::Open && !self.shared.leaving.load(Ordering::Relaxed) {
                // A store that does not answer forgets it with the connection.
                let scope = Scope::Bound { epoch, tx_id };
                let end = Operation::TransactionEnd;
                let _ = self.shared.request(end, scope, &[b"F\0"]);
            }
            self.shared
                .users
                .transactions
                .fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl super::file::State {
    /// Where the watch of this path and token is.
    fn position(&self, path: &[u8], token: &[u8]) -> Option<usize> {
        let same = |names: &Names| names.path[..] == *path && names.token[..] == *token;
        self.watches.iter().position(|it| same(&it.names))
    }
}

/// One more of something that has a limit, given back on drop unless it is kept.
struct Claim<'a>(&'a AtomicUsize);

impl<'a> Claim<'a> {
    /// `None` at the limit.
    fn of(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let more = |count: usize| (count < limit).then(|| count.saturating_add(1));
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Self(count))
    }

    fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn names(path: &[u8], token: &[u8]) -> Result<Arc<Names>> {
    let copy = |bytes: &[u8]| {
        let mut copy = KVec::new();
        copy.extend_from_slice(bytes, GFP_KERNEL).map(|()| copy)
    };
    let names = Names {
        path: copy(path)?,
        token: copy(token)?,
    };
    Ok(Arc::new(names, GFP_KERNEL)?)
}

/// What an error of the kernel's comes to.
fn refused(error: Error) -> Failure {
    match error {
        error if error == ESTALE => Failure::Stale,
        error => Failure::Refused(StoreError::from_errno(error.to_errno().wrapping_neg())),
    }
}

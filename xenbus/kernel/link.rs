// SPDX-License-Identifier: GPL-2.0-only
//! Requests: sending them, waiting for their replies.
//!
//! A request is copied into a queue that the link owns, so whoever asked may give up at any moment without tearing a
//! message apart. Its sender pushes the queue into the ring as far as there is room, the reader pushes the rest.

use crate::connection::Connection;
use crate::service::{Link, Shared};
use crate::suspend::Pass;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::sync::{new_spinlock, Arc, SpinLock};
use kernel::{alloc::AllocError, prelude::*};
use linux::thread::{now_ms, should_stop, NoIo, Sleep, WaitQueue};
use xenbus::client::{BeginError, Client, Refused};
use xenbus::table::RequestId;
use xenbus::transaction::Scope;
use xenbus::wire::{Header, Operation};
use xenbus::Millis;

/// How long a request may take, in milliseconds.
pub(crate) const REQUEST_LIMIT: Millis = 20_000;
/// The same while the store is silent, for what follows a request without an answer does not wait as long again; and
/// while the module goes.
const SILENT_LIMIT: Millis = 2_000;
/// Requests in flight at once; more wait for their turn.
pub(crate) const REQUESTS: usize = 128;
/// Messages that are not in the ring yet.
const OUTGOING: usize = 2 * REQUESTS;
/// Transactions that nobody will end and whose end is not on its way yet. The store allows a guest 10.
const ORPHANS: usize = 64;

/// One who waits for a reply.
#[pin_data]
pub(crate) struct Waiter {
    #[pin]
    reply: SpinLock<Option<Result<KVec<u8>>>>,
    done: AtomicBool,
    #[pin]
    queue: WaitQueue,
}

impl Waiter {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                reply <- new_spinlock!(None),
                done: AtomicBool::new(false),
                queue <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Hands the reply over.
    pub(crate) fn complete(&self, reply: Result<KVec<u8>>) {
        *self.reply.lock() = Some(reply);
        self.done.store(true, Ordering::Release);
        self.queue.wake_all();
    }

    /// Waits for the reply, `limit` milliseconds, or until `end` says that it is not wanted any more.
    fn wait(&self, limit: Millis, end: impl Fn() -> bool) -> Result<bool> {
        self.queue.wait(Sleep::Killable, Some(limit), || {
            self.done.load(Ordering::Acquire) || end()
        })?;
        Ok(self.done.load(Ordering::Acquire))
    }

    fn take(&self) -> Option<Result<KVec<u8>>> {
        self.reply.lock().take()
    }
}

/// A message on its way into the ring.
struct Outgoing {
    id: RequestId,
    op: Operation,
    bytes: KVec<u8>,
    sent: usize,
}

/// The client's book and the connection, under one lock.
pub(crate) struct Io {
    pub(crate) client: KBox<Client<Arc<Waiter>, REQUESTS>>,
    pub(crate) connection: Option<Connection>,
    outgoing: KVec<Outgoing>,
    /// Transactions that nobody will end: the store allows a guest few.
    orphans: KVec<u32>,
}

/// The client at rest, copied into place: too large for a stack.
static REST: Client<Arc<Waiter>, REQUESTS> = Client::new();

impl Io {
    /// A link without a connection.
    pub(crate) fn new() -> Result<Self> {
        let mut client = KBox::<Client<Arc<Waiter>, REQUESTS>>::new_uninit(GFP_KERNEL)?;
        // SAFETY: The box has room for the value, and a client at rest owns nothing that a copy would own twice.
        let mut client = unsafe {
            client.as_mut_ptr().copy_from_nonoverlapping(&REST, 1);
            client.assume_init()
        };
        client.seed(seed());
        Ok(Self {
            client,
            connection: None,
            outgoing: KVec::new(),
            orphans: KVec::with_capacity(ORPHANS, GFP_KERNEL)?,
        })
    }

    /// Pushes waiting messages into the ring as far as there is room.
    ///
    /// # Errors
    /// `EIO` when the store's indices cannot be.
    pub(crate) fn push(&mut self) -> Result {
        if !self.orphans.is_empty() {
            self.end_orphans();
        }
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        while let Some(message) = self.outgoing.first_mut() {
            let rest = message.bytes.get(message.sent..).unwrap_or(&[]);
            let sent = connection.write(rest).map_err(|_| EIO)?;
            message.sent = message.sent.saturating_add(sent);
            if message.sent < message.bytes.len() {
                break;
            }
            let _ = self.outgoing.remove(0);
        }
        Ok(())
    }

    /// Notes a request and queues its message.
    fn begin(
        &mut self,
        op: Operation,
        scope: Scope,
        parts: &[&[u8]],
        waiter: &Arc<Waiter>,
    ) -> Result<RequestId> {
        // Also of those whose reply came before they were sent, which a store that reads never does.
        if self.outgoing.len() >= OUTGOING {
            return Err(EBUSY);
        }
        self.outgoing.reserve(1, GFP_KERNEL)?;
        let (id, header) = match self.client.begin(op, scope, parts, waiter.clone()) {
            Ok(begun) => begun,
            Err(BeginError::Busy(_)) => return Err(EBUSY),
            Err(BeginError::TooLong(_)) => return Err(E2BIG),
            Err(BeginError::Stale(_)) => return Err(ESTALE),
        };
        let queued = message(&header, parts).and_then(|bytes| {
            self.outgoing.push(
                Outgoing {
                    id,
                    op,
                    bytes,
                    sent: 0,
                },
                GFP_KERNEL,
            )
        });
        if queued.is_err() {
            self.client.retract(id);
        }
        queued?;
        Ok(id)
    }

    /// Notes a transaction that nobody will end. One that finds no room is the store's invention.
    pub(crate) fn note_orphan(&mut self, tx_id: Option<u32>) {
        if let Some(tx_id) = tx_id {
            let _ = self.orphans.push_within_capacity(tx_id);
        }
    }

    /// Queues the ends of transactions that nobody will end; nobody waits for the replies. What cannot be now is tried
    /// again at the next [`Self::push`].
    fn end_orphans(&mut self) {
        let Ok(waiter) = Waiter::new() else {
            return;
        };
        let (op, epoch) = (Operation::TransactionEnd, self.client.epoch());
        while let Some(&tx_id) = self.orphans.first() {
            let scope = Scope::Bound { epoch, tx_id };
            let Ok(id) = self.begin(op, scope, &[b"F\0"], &waiter) else {
                return;
            };
            self.client.abandon(id);
            let _ = self.orphans.remove(0);
        }
    }

    /// Nobody waits for `id` any more. What ends a transaction goes out all the same.
    fn cancel(&mut self, id: RequestId) {
        let unsent = self.outgoing.iter().position(|message| {
            message.id == id && message.sent == 0 && message.op != Operation::TransactionEnd
        });
        match unsent {
            Some(index) => {
                let _ = self.outgoing.remove(index);
                self.client.retract(id);
            }
            None => {
                self.client.abandon(id);
            }
        }
    }

    /// Ends everything in flight with `error` and forgets what was not sent.
    pub(crate) fn reset(&mut self, error: Error) {
        self.outgoing.clear();
        self.orphans.clear();
        self.client.reset(|waiter| waiter.complete(Err(error)));
    }

    /// Whether both streams stand between two messages.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.outgoing.is_empty() && self.orphans.is_empty() && self.client.is_between_messages()
    }
}

/// A number that differs from one life of the module to the next.
pub(crate) fn seed() -> u32 {
    // The low bits, which are all that matters, are other ones every millisecond.
    (now_ms() & u64::from(u32::MAX)) as u32
}

fn message(header: &Header, parts: &[&[u8]]) -> core::result::Result<KVec<u8>, AllocError> {
    let mut bytes = KVec::new();
    bytes.extend_from_slice(header.as_bytes(), GFP_KERNEL)?;
    for part in parts {
        bytes.extend_from_slice(part, GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// The errno of a refusal.
pub(crate) fn refused(refused: Refused) -> Error {
    match refused {
        Refused::Store(error) => Error::from_errno(error.errno().wrapping_neg()),
        Refused::Protocol => EPROTO,
    }
}

impl Shared {
    /// Asks the store, once it is there, and waits for the reply's payload. `parts` in a row are the request's.
    ///
    /// # Errors
    /// What the store said; `ETIMEDOUT` when it does not answer, `EIO` when the connection is lost, `EPROTO` when the
    /// reply makes no sense, `ESTALE` when `scope` is another connection's, `ENODEV` when the bus goes, `ERESTARTSYS` when
    /// the caller is killed.
    pub(crate) fn request(&self, op: Operation, scope: Scope, parts: &[&[u8]]) -> Result<KVec<u8>> {
        let _pass = match scope.has_entered() {
            true => None,
            false => Some(Pass::new(self)?),
        };
        if self.io.lock().client.is_stale(scope) {
            // The next connection, which there may not be yet, is not waited for in vain.
            return Err(ESTALE);
        }
        let here = || !matches!(self.link(), Link::Down | Link::Opening);
        // The worker is who brings the store there: it would wait for itself. Once the bus goes nobody does.
        let vain = || self.is_worker() || self.leaving.load(Ordering::Relaxed);
        if !here() && !vain() {
            let limit = Some(self.limit());
            self.changed
                .wait(Sleep::Killable, limit, || here() || vain())?;
            if !here() && !vain() {
                self.note_silence(op);
            }
        }
        let deadline = now_ms().saturating_add(self.limit());
        match self.link() {
            Link::Up => self.exchange(op, scope, parts, deadline),
            Link::Down | Link::Opening => Err(ETIMEDOUT),
            Link::Lost => Err(EIO),
            Link::Stopped => Err(ENODEV),
        }
    }

    /// As [`Self::request`], whatever the state of the link.
    pub(crate) fn exchange(
        &self,
        op: Operation,
        scope: Scope,
        parts: &[&[u8]],
        deadline: Millis,
    ) -> Result<KVec<u8>> {
        // Allocates under the lock that the threads of the bus need, which bring disks back.
        let _no_io = NoIo::new();
        let begun = Waiter::new().and_then(|waiter| {
            let begin = |io: &mut Io| io.begin(op, scope, parts, &waiter);
            Ok((self.begin(begin, deadline)?, waiter))
        });
        if begun.is_err() && op == Operation::TransactionEnd {
            let mut io = self.io.lock();
            let orphan = (!io.client.is_stale(scope)).then_some(scope.tx_id());
            io.note_orphan(orphan);
        }
        let (id, waiter) = begun?;
        let limit = deadline.saturating_sub(now_ms());
        let replies = self.replies.load(Ordering::Acquire);
        let waited = waiter.wait(limit, || self.is_worker_leaving());
        if waited != Ok(true) {
            self.io.lock().cancel(id);
        }
        self.changed.wake_all();
        match (waiter.take(), waited) {
            (Some(reply), _) => reply,
            (None, Err(error)) => Err(error),
            (None, Ok(_)) if self.is_worker_leaving() => Err(ENODEV),
            (None, Ok(_)) => {
                // One that answers others, be it late, is slow.
                if self.replies.load(Ordering::Acquire) == replies {
                    self.note_silence(op);
                }
                Err(ETIMEDOUT)
            }
        }
    }

    /// Sends a request, which `begin` notes, when there is room for one more.
    fn begin(
        &self,
        begin: impl Fn(&mut Io) -> Result<RequestId>,
        deadline: Millis,
    ) -> Result<RequestId> {
        loop {
            let (begun, pushed) = {
                let mut io = self.io.lock();
                let begun = begin(&mut io);
                (begun, io.push())
            };
            if pushed.is_err() {
                self.lose("its ring indices cannot be");
            }
            match begun {
                Err(error) if error == EBUSY => {}
                begun => return begun,
            }
            let now = now_ms();
            if now >= deadline || self.is_worker_leaving() {
                pr_warn!("too many requests to xenstored are in flight\n");
                return Err(EBUSY);
            }
            let seen = self.replies.load(Ordering::Acquire);
            let limit = deadline.saturating_sub(now).min(100);
            self.changed.wait(Sleep::Killable, Some(limit), || {
                self.replies.load(Ordering::Acquire) != seen
            })?;
        }
    }

    /// How long a request may take now.
    fn limit(&self) -> Millis {
        if self.silent.load(Ordering::Relaxed) || self.leaving.load(Ordering::Relaxed) {
            SILENT_LIMIT
        } else {
            REQUEST_LIMIT
        }
    }

    /// Whether the caller is the worker and is to end: it waits for nothing any more.
    fn is_worker_leaving(&self) -> bool {
        self.is_worker() && should_stop()
    }

    /// Says once that the store is silent.
    fn note_silence(&self, op: Operation) {
        if !self.silent.swap(true, Ordering::Relaxed) {
            pr_warn!(
                "xenstored does not answer (request of type {}): is it running in its domain?\n",
                op.number()
            );
        }
    }
}

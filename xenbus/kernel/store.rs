// SPDX-License-Identifier: GPL-2.0-only
//! Reading, writing and watching xenstore.
//!
//! Paths are absolute or relative to the domain's home (`b"memory/target"`). Every call sleeps, many may be in flight
//! at once, and each ends after a bounded time: with what the store said as an errno, `ETIMEDOUT` when it does not
//! answer, `EINVAL` for a path that is none, `ERESTARTSYS` when the caller is killed. Calls made before the store is
//! there wait for it within that time.
//!
//! C counterpart: `drivers/xen/xenbus/xenbus_xs.c`.

use crate::link::REQUEST_LIMIT;
use crate::service::{shared, Shared};
use crate::suspend::Pass;
use core::cell::Cell;
use core::ops::Deref;
use kernel::str::CString;
use kernel::{fmt, prelude::*, sync::Arc};
use linux::thread::now_ms;
use xenbus::path;
use xenbus::text;
use xenbus::transaction::{Retry, Scope};
use xenbus::wire::{Operation, PAYLOAD_MAX};

pub use crate::watches::Watch;

/// A node's value.
pub struct StoreValue {
    bytes: KVec<u8>,
}

impl StoreValue {
    /// The value as text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.bytes).ok()
    }

    /// The value as an unsigned decimal number, read strictly: nothing but digits.
    pub fn parse_u64(&self) -> Option<u64> {
        text::parse_u64(&self.bytes)
    }
}

impl Deref for StoreValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The names of a node's children.
#[derive(Default)]
pub struct Listing {
    bytes: KVec<u8>,
}

impl Listing {
    /// The names, in the store's order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        text::strings(&self.bytes)
    }
}

/// What happened to a watched node.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The node at this path, the watched one or one below it, changed, appeared or vanished.
    Changed(&'a [u8]),
    /// More changed than was noted: look at everything below the watched node again.
    Rescan,
}

/// Who wants to know of changes.
pub trait WatchHandler: Send + Sync {
    /// Something changed. Called in process context by the bus's thread, one call at a time for the whole bus; may ask
    /// the store. Called once after the registration, too.
    fn changed(&self, event: Event<'_>);

    /// Whether a change at `path` is worth a call. Must not sleep for long or ask the store.
    fn wants(&self, path: &[u8]) -> bool {
        let _ = path;
        true
    }
}

/// Reads a node.
///
/// # Errors
/// `ENOENT` when there is none; see the module.
pub fn read(path: &[u8]) -> Result<StoreValue> {
    shared()?.read(Scope::Free, path)
}

/// Lists a node's children.
///
/// # Errors
/// `ENOENT` when there is no such node; see the module.
pub fn directory(path: &[u8]) -> Result<Listing> {
    shared()?.directory(Scope::Free, path)
}

/// Whether there is such a node.
///
/// # Errors
/// See the module.
pub fn exists(path: &[u8]) -> Result<bool> {
    match read(path) {
        Ok(_) => Ok(true),
        Err(error) if error == ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a node, making it and its parents where they are missing.
///
/// # Errors
/// `E2BIG` when path and value are more than 4096 bytes; see the module.
pub fn write(path: &[u8], value: &[u8]) -> Result {
    shared()?.write(Scope::Free, path, value)
}

/// Writes a node with formatted text.
///
/// # Errors
/// As [`write`], and `ENOMEM`.
pub fn write_fmt(path: &[u8], value: fmt::Arguments<'_>) -> Result {
    write(path, CString::try_from_fmt(value)?.to_bytes())
}

/// Makes a node and its parents, if they are not there.
///
/// # Errors
/// See the module.
pub fn mkdir(path: &[u8]) -> Result {
    shared()?.simple(Operation::Mkdir, Scope::Free, path)
}

/// Removes a node and all below it.
///
/// # Errors
/// `ENOENT` when there is no such node; see the module.
pub fn rm(path: &[u8]) -> Result {
    shared()?.simple(Operation::Rm, Scope::Free, path)
}

/// Calls `handler` for every change at or below `path`, until the watch is dropped. When the store is not there yet, the
/// watch begins as soon as it is.
///
/// # Errors
/// `ENOSPC` when there are too many watches, `ENOMEM`; see the module.
pub fn watch(path: &[u8], handler: Arc<dyn WatchHandler>) -> Result<Watch> {
    shared()?.watch(path, handler)
}

/// Runs `body` in a transaction: others see all its writes or none. It is run again, from its start, when the
/// transaction met others' writes or was lost with its connection. An error of `body` abandons the transaction.
///
/// # Errors
/// What `body` said, `EAGAIN` when the transaction met others' writes too often; `EIO` also when the connection was lost
/// while it was being ended, be it with or without its writes; see the module.
pub fn transaction<R>(mut body: impl FnMut(&Transaction) -> Result<R>) -> Result<R> {
    let shared = shared()?;
    let mut retry = Retry::new(now_ms(), REQUEST_LIMIT);
    loop {
        let error = match Transaction::run(&shared, &mut body) {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        let Some(pause) = retry.after(error.to_errno().wrapping_neg(), now_ms()) else {
            return Err(error);
        };
        let pause = i64::try_from(pause).unwrap_or(i64::MAX);
        kernel::time::delay::fsleep(kernel::time::Delta::from_millis(pause));
    }
}

/// An open transaction, see [`transaction`]. Abandoned on drop unless it was committed.
pub struct Transaction {
    shared: Arc<Shared>,
    scope: Scope,
    open: Cell<bool>,
    // Last: the transaction is at the store until it has ended.
    _pass: Pass<Arc<Shared>>,
}

impl Transaction {
    /// One attempt.
    fn run<R>(shared: &Arc<Shared>, body: &mut impl FnMut(&Self) -> Result<R>) -> Result<R> {
        let transaction = Self::begin(shared)?;
        let result = body(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    fn begin(shared: &Arc<Shared>) -> Result<Self> {
        // First: no connection is dropped for a suspend after this.
        let pass = Pass::new(shared.clone())?;
        let epoch = shared.io.lock().client.epoch();
        let start = Scope::Entered { epoch, tx_id: 0 };
        let reply = shared.request(Operation::TransactionStart, start, &[b"\0"])?;
        let tx_id = text::transaction_id(&reply).ok_or(EPROTO)?;
        Ok(Self {
            shared: shared.clone(),
            scope: Scope::Entered { epoch, tx_id },
            open: Cell::new(true),
            _pass: pass,
        })
    }

    fn end(&self, how: &[u8]) -> Result {
        self.open.set(false);
        self.shared
            .request(Operation::TransactionEnd, self.scope, &[how])
            .map(drop)
    }

    fn commit(&self) -> Result {
        self.end(b"T\0")
    }

    /// As [`read`], in the transaction.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self, path: &[u8]) -> Result<StoreValue> {
        self.shared.read(self.scope, path)
    }

    /// As [`directory`], in the transaction.
    ///
    /// # Errors
    /// As [`directory`].
    pub fn directory(&self, path: &[u8]) -> Result<Listing> {
        self.shared.directory(self.scope, path)
    }

    /// As [`write`], in the transaction.
    ///
    /// # Errors
    /// As [`write`].
    pub fn write(&self, path: &[u8], value: &[u8]) -> Result {
        self.shared.write(self.scope, path, value)
    }

    /// As [`write_fmt`], in the transaction.
    ///
    /// # Errors
    /// As [`write_fmt`].
    pub fn write_fmt(&self, path: &[u8], value: fmt::Arguments<'_>) -> Result {
        self.write(path, CString::try_from_fmt(value)?.to_bytes())
    }

    /// As [`mkdir`], in the transaction.
    ///
    /// # Errors
    /// As [`mkdir`].
    pub fn mkdir(&self, path: &[u8]) -> Result {
        self.shared.simple(Operation::Mkdir, self.scope, path)
    }

    /// As [`rm`], in the transaction.
    ///
    /// # Errors
    /// As [`rm`].
    pub fn rm(&self, path: &[u8]) -> Result {
        self.shared.simple(Operation::Rm, self.scope, path)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open.get() {
            // The store forgets it with its connection, at the latest.
            let _ = self.end(b"F\0");
        }
    }
}

/// Joins `parts` with slashes to a path.
///
/// # Errors
/// `EINVAL` when the result is no path, `ENOMEM`.
pub(crate) fn join(parts: &[&[u8]]) -> Result<KVec<u8>> {
    let len = parts.iter().fold(0usize, |len, part| {
        len.saturating_add(part.len()).saturating_add(1)
    });
    let mut buffer = KVec::from_elem(0, len, GFP_KERNEL)?;
    let len = path::join(&mut buffer, parts).map_err(|_| EINVAL)?.len();
    buffer.truncate(len);
    Ok(buffer)
}

impl Shared {
    fn read(&self, scope: Scope, path: &[u8]) -> Result<StoreValue> {
        path::check(path).map_err(|_| EINVAL)?;
        let bytes = self.request(Operation::Read, scope, &[path, b"\0"])?;
        Ok(StoreValue { bytes })
    }

    fn write(&self, scope: Scope, path: &[u8], value: &[u8]) -> Result {
        path::check(path).map_err(|_| EINVAL)?;
        self.request(Operation::Write, scope, &[path, b"\0", value])
            .map(drop)
    }

    fn simple(&self, op: Operation, scope: Scope, path: &[u8]) -> Result {
        path::check(path).map_err(|_| EINVAL)?;
        self.request(op, scope, &[path, b"\0"]).map(drop)
    }

    fn directory(&self, scope: Scope, path: &[u8]) -> Result<Listing> {
        path::check(path).map_err(|_| EINVAL)?;
        match self.request(Operation::Directory, scope, &[path, b"\0"]) {
            Ok(bytes) => Ok(Listing { bytes }),
            Err(error) if error == E2BIG => self.long_directory(scope, path),
            Err(error) => Err(error),
        }
    }

    /// Lists a directory that does not fit a message, piece by piece; from the start when it changes meanwhile.
    fn long_directory(&self, scope: Scope, path: &[u8]) -> Result<Listing> {
        let mut bytes = KVec::<u8>::new();
        let mut generation = None;
        let mut retry = Retry::new(now_ms(), REQUEST_LIMIT);
        loop {
            let offset = CString::try_from_fmt(fmt!("{}", bytes.len()))?;
            let parts = [path, b"\0", offset.to_bytes_with_nul()];
            let reply = self.request(Operation::DirectoryPart, scope, &parts)?;
            let piece = text::directory_piece(&reply).ok_or(EPROTO)?;
            if *generation.get_or_insert(piece.generation) != piece.generation {
                retry.again(now_ms()).ok_or(EAGAIN)?;
                generation = None;
                bytes.clear();
                continue;
            }
            bytes.extend_from_slice(piece.names, GFP_KERNEL)?;
            if piece.last {
                return Ok(Listing { bytes });
            }
            if piece.names.is_empty() || bytes.len() > text::DIRECTORY_MAX {
                return Err(EPROTO);
            }
        }
    }
}

// A payload is a path, a NUL and a value: the wire's limit leaves room for every path.
const _: () = assert!(path::ABS_PATH_MAX < PAYLOAD_MAX);

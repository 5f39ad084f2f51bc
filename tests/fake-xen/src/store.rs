// SPDX-License-Identifier: GPL-2.0-only
//! xenstored, for one guest.
use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;

use ring::{BadRingMemory, ByteConsumer, ByteProducer, RingViolation, SharedMemory, XenstoreRing};
use xen_sys::xenstore::{interface, MessageType as Op, XsdSockmsg, PAYLOAD_MAX};
use xenbus::errors::StoreError;
use xenbus::text::{pair, strings};
use zerocopy::{FromBytes, IntoBytes};

use crate::store_tree::{is_within, Result, Tree};
use crate::xen::GUEST;

/// What is done to the next message on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// As it should be.
    Honest,
    /// Another request id.
    WrongId(u32),
    /// Another type.
    WrongType(u32),
    /// A length that is not the payload's.
    WrongLength(u32),
    /// Twice.
    Twice,
    /// Once more before the message that follows it.
    Echoed,
    /// Never.
    Withheld,
    /// After the message that follows it.
    Late,
    /// With its payload turned into an error without its NUL.
    BareError,
}

/// A transaction: its own copy of the tree, and what it changed.
struct Transaction {
    tree: Tree,
    began: u64,
    changed: Vec<Vec<u8>>,
}

struct Watch {
    /// As the guest named it, perhaps relative.
    path: Vec<u8>,
    token: Vec<u8>,
}

/// The server's end of a guest's xenstore page.
pub struct Xenstored {
    requests: ByteConsumer,
    replies: ByteProducer,
    tree: Tree,
    transactions: BTreeMap<u32, Transaction>,
    next_transaction: u32,
    watches: Vec<Watch>,
    input: Vec<u8>,
    output: VecDeque<u8>,
    late: Option<Vec<u8>>,
    echo: Option<Vec<u8>>,
    manners: VecDeque<Manners>,
    /// After so many more requests, one is refused for this reason.
    refusal: Option<(usize, StoreError)>,
    /// Bytes moved in each direction in one turn.
    chunk: usize,
}

impl Xenstored {
    /// Serves the guest on its xenstore page.
    ///
    /// # Errors
    /// [`BadRingMemory`] if that is less than a page.
    pub fn new(page: &SharedMemory) -> core::result::Result<Self, BadRingMemory> {
        Ok(Self {
            requests: ByteConsumer::attach(page, XenstoreRing::REQUESTS)?,
            replies: ByteProducer::attach(page, XenstoreRing::REPLIES)?,
            tree: Tree::default(),
            transactions: BTreeMap::new(),
            next_transaction: 1,
            watches: Vec::new(),
            input: Vec::new(),
            output: VecDeque::new(),
            late: None,
            echo: None,
            manners: VecDeque::new(),
            refusal: None,
            chunk: usize::MAX,
        })
    }

    /// Begins the guest's connection anew: its watches and transactions are gone, and their numbers are given out again.
    ///
    /// # Errors
    /// [`BadRingMemory`] if the page is less than one.
    pub fn restart(&mut self, page: &SharedMemory) -> core::result::Result<(), BadRingMemory> {
        for index in [
            interface::REQ_CONS,
            interface::REQ_PROD,
            interface::RSP_CONS,
            interface::RSP_PROD,
        ] {
            page.store(index, &0u32).map_err(|_| BadRingMemory)?;
        }
        *self = Self {
            tree: std::mem::take(&mut self.tree),
            ..Self::new(page)?
        };
        Ok(())
    }

    /// The tree, as the toolstack sees it.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Moves at most so many bytes each way in one [`run`](Self::run): splits every message.
    pub fn set_chunk(&mut self, bytes: usize) {
        self.chunk = bytes.max(1);
    }

    /// Treats the next messages to the guest so, one after the other, then honestly again.
    pub fn behave(&mut self, manners: impl IntoIterator<Item = Manners>) {
        self.manners.extend(manners);
    }

    /// Refuses the request after `n` more ones: 0 for the next. It is not done; a transaction that was to end is over.
    pub fn refuse_after(&mut self, n: usize, error: StoreError) {
        self.refusal = Some((n, error));
    }

    /// Refuses nothing from now on. Says whether a planned refusal had still been ahead.
    pub fn heal(&mut self) -> bool {
        self.refusal.take().is_some()
    }

    /// How many watches the guest has.
    pub fn watches(&self) -> usize {
        self.watches.len()
    }

    /// How many transactions are open.
    pub fn open_transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Writes a node as the toolstack or a backend does.
    pub fn write(&mut self, path: &[u8], value: &[u8]) {
        self.tree.write(path, value);
        self.fire(path, false);
    }

    /// Removes a node as the toolstack or a backend does.
    pub fn remove(&mut self, path: &[u8]) {
        if self.tree.rm(path).is_ok() {
            self.fire(path, true);
        }
    }

    /// Sends an event to each watch, whether anything happened or not.
    pub fn spurious_events(&mut self, count: usize) {
        for _ in 0..count {
            for n in 0..self.watches.len() {
                let path = self.watches[n].path.clone();
                self.send_event(n, &path);
            }
        }
    }

    /// Sends bytes that are no answer to anything.
    pub fn blurt(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
    }

    /// One turn: takes requests, answers them, sends what there is room for. Says how many bytes moved.
    ///
    /// # Errors
    /// The guest's indices cannot be true.
    pub fn run(&mut self) -> core::result::Result<usize, RingViolation> {
        let mut bytes = vec![0; self.chunk.min(4096)];
        let taken = self.requests.read(&mut bytes)?.bytes;
        self.input.extend_from_slice(&bytes[..taken]);
        while let Some((header, payload)) = self.next_request() {
            self.serve(header, &payload);
        }
        let next: Vec<u8> = self.output.iter().copied().take(self.chunk).collect();
        let sent = self.replies.write(&next)?.bytes;
        self.output.drain(..sent);
        Ok(taken + sent)
    }

    fn next_request(&mut self) -> Option<(XsdSockmsg, Vec<u8>)> {
        let (header, rest) = XsdSockmsg::read_from_prefix(&self.input).ok()?;
        let len = header.len as usize;
        assert!(
            len <= PAYLOAD_MAX,
            "the guest sends more than the protocol allows"
        );
        let payload = rest.get(..len)?.to_vec();
        self.input.drain(..size_of::<XsdSockmsg>() + len);
        Some((header, payload))
    }

    fn serve(&mut self, header: XsdSockmsg, payload: &[u8]) {
        let op = Op::from_number(header.kind);
        let result = match op {
            Some(op) => self.perform(op, header.tx_id, payload),
            None => Err(StoreError::NotImplemented),
        };
        let (kind, payload) = match result {
            Ok(payload) if payload.len() <= PAYLOAD_MAX => (header.kind, payload),
            Ok(_) => (Op::Error.number(), error_payload(StoreError::TooBig)),
            Err(error) => (Op::Error.number(), error_payload(error)),
        };
        self.send(XsdSockmsg { kind, ..header }, payload);
        // The first event of a watch follows its reply.
        if op == Some(Op::Watch) && kind != Op::Error.number() {
            let last = self.watches.len() - 1;
            let path = self.watches[last].path.clone();
            self.send_event(last, &path);
        }
    }

    /// Fails if this is the request that is to be refused.
    fn enter(&mut self, op: Op, tx: u32) -> Result {
        match &mut self.refusal {
            Some((0, error)) => {
                let error = *error;
                self.refusal = None;
                if op == Op::TransactionEnd {
                    self.transactions.remove(&tx);
                }
                Err(error)
            }
            Some((ahead, _)) => {
                *ahead -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn perform(&mut self, op: Op, tx: u32, payload: &[u8]) -> Result<Vec<u8>> {
        const OK: &[u8] = b"OK\0";
        self.enter(op, tx)?;
        match op {
            Op::TransactionStart => return Ok(self.start_transaction()),
            Op::TransactionEnd => {
                self.end_transaction(tx, payload == b"T\0")?;
                return Ok(OK.to_vec());
            }
            Op::Watch | Op::Unwatch => {
                self.change_watch(op, payload)?;
                return Ok(OK.to_vec());
            }
            Op::ResetWatches => {
                self.watches.clear();
                self.transactions.clear();
                return Ok(OK.to_vec());
            }
            _ => {}
        }
        let (path, argument) = split_path(payload).ok_or(StoreError::Invalid)?;
        let path = absolute(path);
        let tree = self.tree_of(tx)?;
        match op {
            Op::Read => return Ok(tree.read_node(&path)?.to_vec()),
            Op::Directory => return tree.directory(&path),
            Op::DirectoryPart => return directory_part(tree, &path, argument),
            Op::GetPerms => return tree.perms(&path),
            Op::GetDomainPath => return Ok(home()),
            Op::Write => tree.write(&path, argument),
            Op::Mkdir => tree.mkdir(&path),
            Op::Rm => tree.rm(&path)?,
            Op::SetPerms => tree.set_perms(&path, argument)?,
            _ => return Err(StoreError::Access),
        }
        match self.transactions.get_mut(&tx) {
            Some(transaction) => transaction.changed.push(path),
            None => self.fire(&path, op == Op::Rm),
        }
        Ok(OK.to_vec())
    }

    fn tree_of(&mut self, tx: u32) -> Result<&mut Tree> {
        if tx == 0 {
            return Ok(&mut self.tree);
        }
        let transaction = self.transactions.get_mut(&tx).ok_or(StoreError::NotFound)?;
        Ok(&mut transaction.tree)
    }

    fn start_transaction(&mut self) -> Vec<u8> {
        let id = self.next_transaction;
        self.next_transaction += 1;
        let transaction = Transaction {
            tree: self.tree.clone(),
            began: self.tree.generation,
            changed: Vec::new(),
        };
        self.transactions.insert(id, transaction);
        format!("{id}\0").into_bytes()
    }

    fn end_transaction(&mut self, tx: u32, commit: bool) -> Result {
        let transaction = self.transactions.remove(&tx).ok_or(StoreError::NotFound)?;
        if !commit {
            return Ok(());
        }
        if transaction.began != self.tree.generation {
            return Err(StoreError::Again);
        }
        self.tree = transaction.tree;
        for path in transaction.changed {
            self.fire(&path, false);
        }
        Ok(())
    }

    fn change_watch(&mut self, op: Op, payload: &[u8]) -> Result {
        let (path, token) = pair(payload).ok_or(StoreError::Invalid)?;
        let found = self
            .watches
            .iter()
            .position(|watch| watch.path == path && watch.token == token);
        match (op, found) {
            (Op::Watch, None) => self.watches.push(Watch {
                path: path.to_vec(),
                token: token.to_vec(),
            }),
            (Op::Watch, Some(_)) => return Err(StoreError::Exists),
            (_, Some(n)) => drop(self.watches.remove(n)),
            (_, None) => return Err(StoreError::NotFound),
        }
        Ok(())
    }

    /// Something changed at `path`, or vanished with all below it.
    fn fire(&mut self, path: &[u8], removed: bool) {
        for n in 0..self.watches.len() {
            let watched = &self.watches[n].path;
            let top = absolute(watched);
            if is_within(path, &top) {
                let mut name = watched.clone();
                name.extend_from_slice(&path[top.len()..]);
                self.send_event(n, &name);
            } else if removed && is_within(&top, path) {
                let name = watched.clone();
                self.send_event(n, &name);
            }
        }
    }

    fn send_event(&mut self, watch: usize, path: &[u8]) {
        let payload = [path, b"\0", &self.watches[watch].token, b"\0"].concat();
        let header = XsdSockmsg {
            kind: Op::WatchEvent.number(),
            ..XsdSockmsg::default()
        };
        self.send(header, payload);
    }

    fn send(&mut self, mut header: XsdSockmsg, mut payload: Vec<u8>) {
        header.len = payload.len() as u32;
        let manners = self.manners.pop_front().unwrap_or(Manners::Honest);
        match manners {
            Manners::WrongId(id) => header.req_id = id,
            Manners::WrongType(kind) => header.kind = kind,
            Manners::WrongLength(len) => header.len = len,
            Manners::BareError => {
                header.kind = Op::Error.number();
                payload = b"ENOENT".to_vec();
                header.len = 6;
            }
            _ => {}
        }
        let message = [header.as_bytes(), &payload].concat();
        self.output.extend(self.echo.take().into_iter().flatten());
        match manners {
            Manners::Echoed => self.echo = Some(message.clone()),
            Manners::Withheld => return,
            Manners::Late => {
                let before = self.late.replace(message);
                self.output.extend(before.into_iter().flatten());
                return;
            }
            Manners::Twice => self.output.extend(&message),
            _ => {}
        }
        self.output.extend(message);
        self.output.extend(self.late.take().into_iter().flatten());
    }
}

fn error_payload(error: StoreError) -> Vec<u8> {
    format!("{}\0", error.name()).into_bytes()
}

/// The guest's own directory, where relative paths begin.
fn home() -> Vec<u8> {
    format!("/local/domain/{GUEST}\0").into_bytes()
}

fn absolute(path: &[u8]) -> Vec<u8> {
    if path.first() == Some(&b'/') || path.first() == Some(&b'@') {
        return path.to_vec();
    }
    format!("/local/domain/{GUEST}/{}", String::from_utf8_lossy(path)).into_bytes()
}

/// A payload's path, and what follows its NUL.
fn split_path(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = payload.iter().position(|&byte| byte == 0)?;
    let (path, rest) = payload.split_at(end);
    Some((path, &rest[1..]))
}

/// XS_DIRECTORY_PART: the generation, and the names from a byte offset on, as many as fit; an empty name ends them.
fn directory_part(tree: &Tree, path: &[u8], argument: &[u8]) -> Result<Vec<u8>> {
    let offset = strings(argument).next().ok_or(StoreError::Invalid)?;
    let offset: usize = std::str::from_utf8(offset)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(StoreError::Invalid)?;
    let names = tree.directory(path)?;
    let rest = names.get(offset..).ok_or(StoreError::Invalid)?;
    let mut payload = format!("{}\0", tree.generation).into_bytes();
    let mut whole = true;
    for name in rest.split_inclusive(|&byte| byte == 0) {
        if payload.len() + name.len() + 1 > PAYLOAD_MAX {
            whole = false;
            break;
        }
        payload.extend_from_slice(name);
    }
    if whole {
        payload.push(0);
    }
    Ok(payload)
}

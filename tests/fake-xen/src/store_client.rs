// SPDX-License-Identifier: GPL-2.0-only
//! A guest's use of the store: the pure client over the ring page, driven step by step.
use std::collections::{BTreeMap, VecDeque};

use ring::{BadRingMemory, RingViolation, SharedMemory, XenstoreRing};
use xen_sys::xenstore::MessageType as Op;
use xenbus::client::{BeginError, Client, Counters, Received, Refused};
use xenbus::table::RequestId;
use xenbus::watch::{Event, EventQueue, Token, Watches};
use xenbus::wire::WireError;
use zerocopy::IntoBytes;

use crate::store::Xenstored;

/// Why the connection to the store is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// An index cannot be true.
    Ring(RingViolation),
    /// A message is none.
    Wire(WireError),
    /// No answer comes.
    Silence,
}

impl From<RingViolation> for StoreFailure {
    fn from(violation: RingViolation) -> Self {
        Self::Ring(violation)
    }
}

/// How many turns without an answer are silence.
const PATIENCE: usize = 100_000;

/// Most requests in flight.
const REQUESTS: usize = 16;
/// Most watches.
const WATCHES: usize = 16;
/// Paths that wait for one watch.
const EVENTS: usize = 4;

/// Paths that wait for a watch.
type Queue = EventQueue<Vec<u8>, EVENTS>;
/// What a request came to.
type Answer = core::result::Result<Vec<u8>, Refused>;

/// The guest's connection to xenstore.
pub struct StoreClient {
    ring: XenstoreRing,
    client: Client<u64, REQUESTS>,
    watches: Watches<Queue, WATCHES>,
    outgoing: VecDeque<u8>,
    answers: BTreeMap<u64, Answer>,
    next: u64,
}

impl StoreClient {
    /// Joins the store's page.
    ///
    /// # Errors
    /// [`BadRingMemory`] if that is less than a page.
    pub fn new(page: &SharedMemory) -> core::result::Result<Self, BadRingMemory> {
        Ok(Self {
            ring: XenstoreRing::attach(page)?,
            client: Client::new(),
            watches: Watches::new(),
            outgoing: VecDeque::new(),
            answers: BTreeMap::new(),
            next: 0,
        })
    }

    /// What the store did that it should not.
    pub fn counters(&self) -> Counters {
        self.client.counters()
    }

    /// Requests that somebody waits for.
    pub fn in_flight(&self) -> usize {
        self.client.in_flight()
    }

    /// Sends a request; its number is for [`answer`](Self::answer).
    ///
    /// # Errors
    /// Too many are in flight, or it is too long.
    pub fn begin(
        &mut self,
        op: Op,
        tx: u32,
        parts: &[&[u8]],
    ) -> core::result::Result<(u64, RequestId), BeginError<u64>> {
        let number = self.next;
        let (id, header) = self.client.begin(op, tx, parts, number)?;
        self.next += 1;
        self.outgoing.extend(header.as_bytes());
        self.outgoing.extend(parts.iter().copied().flatten());
        Ok((number, id))
    }

    /// The answer to a request, if it has come.
    pub fn answer(&mut self, number: u64) -> Option<Answer> {
        self.answers.remove(&number)
    }

    /// Gives up waiting.
    pub fn abandon(&mut self, id: RequestId) -> bool {
        self.client.abandon(id).is_some()
    }

    /// One turn of ours: sends what there is room for, takes what has come. Says whether anything moved.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn run(&mut self) -> core::result::Result<bool, StoreFailure> {
        let bytes: Vec<u8> = self.outgoing.iter().copied().collect();
        let sent = self.ring.requests.write(&bytes)?.bytes;
        self.outgoing.drain(..sent);
        let mut moved = sent != 0;
        let mut violation = None;
        loop {
            let replies = &mut self.ring.replies;
            let received = self.client.receive(|to| match replies.read(to) {
                Ok(read) => {
                    moved |= read.bytes != 0;
                    read.bytes
                }
                Err(error) => {
                    violation = Some(error);
                    0
                }
            });
            match received.map_err(StoreFailure::Wire)? {
                None => break,
                Some(Received::Reply(number, answer)) => {
                    let answer = answer.map(<[u8]>::to_vec);
                    let twice = self.answers.insert(number, answer);
                    assert!(twice.is_none(), "request {number} was answered twice");
                }
                Some(Received::WatchEvent { token, path }) => {
                    if let Some(queue) = self.watches.event(token) {
                        queue.push(path.to_vec());
                    }
                }
                Some(Received::Late { begun }) => {
                    if let Some(tx) = begun {
                        // Nobody waits for this one either; when it cannot be, the store's limit will tell.
                        if let Ok((_, id)) = self.begin(Op::TransactionEnd, tx, &[b"F\0"]) {
                            self.client.abandon(id);
                        }
                    }
                }
                Some(Received::Ignored) => {}
            }
        }
        violation.map_or(Ok(moved), |violation| Err(StoreFailure::Ring(violation)))
    }

    /// Turns of both until nothing moves any more.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn settle(&mut self, store: &mut Xenstored) -> core::result::Result<(), StoreFailure> {
        loop {
            let ours = self.run()?;
            if store.run()? == 0 && !ours {
                return Ok(());
            }
        }
    }

    /// A request and its answer.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn request(
        &mut self,
        store: &mut Xenstored,
        op: Op,
        tx: u32,
        parts: &[&[u8]],
    ) -> core::result::Result<Answer, StoreFailure> {
        let (number, _) = self.begin(op, tx, parts).expect("few and short requests");
        for _ in 0..PATIENCE {
            let ours = self.run()?;
            if let Some(answer) = self.answer(number) {
                return Ok(answer);
            }
            if store.run()? == 0 && !ours {
                break;
            }
        }
        Err(StoreFailure::Silence)
    }

    /// Begins to watch a node.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn watch(
        &mut self,
        store: &mut Xenstored,
        path: &[u8],
    ) -> core::result::Result<Token, StoreFailure> {
        let token = self.watches.insert(Queue::new()).expect("few watches");
        let answer = self.request(
            store,
            Op::Watch,
            0,
            &[path, b"\0", &token.to_bytes(), b"\0"],
        )?;
        assert!(answer.is_ok(), "{answer:?}");
        Ok(token)
    }

    /// The next event of a watch.
    pub fn event(&mut self, token: Token) -> Option<Event<Vec<u8>>> {
        self.watches.get_mut(token)?.pop()
    }
}

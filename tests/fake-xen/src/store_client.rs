// SPDX-License-Identifier: GPL-2.0-only
//! A guest's use of the store: the pure client over the ring page, driven step by step.
use std::collections::{BTreeMap, VecDeque};

use ring::{BadRingMemory, RingViolation, SharedMemory, XenstoreRing};
use xen_sys::xenstore::MessageType as Op;
use xenbus::client::{BeginError, Client, Counters, Received, Refused};
use xenbus::errors::StoreError;
use xenbus::table::RequestId;
use xenbus::transaction::Scope;
use xenbus::watch::registration::{News, Registration, Told};
use xenbus::watch::{Event, EventQueue, Token, Watches};
use xenbus::wire::WireError;
use xenbus::Millis;
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
    /// What the request belongs to went with its connection.
    Stale,
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

/// A watched node, and its paths that wait.
struct Watched {
    path: Vec<u8>,
    queue: EventQueue<Vec<u8>, EVENTS>,
}

/// What a request came to.
type Answer = core::result::Result<Vec<u8>, Refused>;

/// The guest's connection to xenstore.
pub struct StoreClient {
    ring: XenstoreRing,
    client: Client<u64, REQUESTS>,
    watches: Watches<Watched, WATCHES>,
    outgoing: VecDeque<u8>,
    answers: BTreeMap<u64, Answer>,
    next: u64,
    registration: Registration,
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
            registration: Registration::new(),
        })
    }

    /// Joins the streams that the store has begun anew, see [`Xenstored::restart`].
    ///
    /// # Errors
    /// [`BadRingMemory`] if the page is less than one.
    pub fn restart(&mut self, page: &SharedMemory) -> core::result::Result<(), BadRingMemory> {
        self.ring = XenstoreRing::attach(page)?;
        self.outgoing.clear();
        self.client.reset(|_| {});
        Ok(())
    }

    /// The number of the connection.
    pub fn epoch(&self) -> u32 {
        self.client.epoch()
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
        self.begin_in(op, self.of_now(tx), parts)
    }

    /// A transaction of the connection that there is.
    fn of_now(&self, tx_id: u32) -> Scope {
        let epoch = self.epoch();
        Scope::Bound { epoch, tx_id }
    }

    fn begin_in(
        &mut self,
        op: Op,
        scope: Scope,
        parts: &[&[u8]],
    ) -> core::result::Result<(u64, RequestId), BeginError<u64>> {
        let number = self.next;
        let (id, header) = self.client.begin(op, scope, parts, number)?;
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
                    if let Some(watched) = self.watches.event(token) {
                        watched.queue.push(path.to_vec());
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
        self.request_in(store, op, self.of_now(tx), parts)
    }

    /// As [`request`](Self::request), for what belongs to `scope`.
    ///
    /// # Errors
    /// The connection is lost, or that of `scope` was.
    pub fn request_in(
        &mut self,
        store: &mut Xenstored,
        op: Op,
        scope: Scope,
        parts: &[&[u8]],
    ) -> core::result::Result<Answer, StoreFailure> {
        let (number, id) = match self.begin_in(op, scope, parts) {
            Err(BeginError::Stale(_)) => return Err(StoreFailure::Stale),
            begun => begun.expect("few and short requests"),
        };
        for _ in 0..PATIENCE {
            let ours = self.run()?;
            if let Some(answer) = self.answer(number) {
                return Ok(answer);
            }
            if store.run()? == 0 && !ours {
                break;
            }
        }
        self.abandon(id);
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
        let token = self.watch_later(path);
        let answer = self.register(store, token)?;
        assert!(answer.is_ok(), "{answer:?}");
        Ok(token)
    }

    /// Begins to watch a node of which the store hears later, by [`tell_due`](Self::tell_due).
    pub fn watch_later(&mut self, path: &[u8]) -> Token {
        let watched = Watched {
            path: path.to_vec(),
            queue: EventQueue::new(),
        };
        self.watches.insert(watched).ok().expect("few watches")
    }

    /// Ends a watch on this side alone.
    pub fn unwatch(&mut self, token: Token) {
        self.watches.remove(token);
    }

    /// The store knows of no watch.
    pub fn begin_registration(&mut self, now: Millis) {
        self.registration.begin(now);
    }

    /// When the store is to hear of watches, if it is.
    pub fn registration_due(&self) -> Option<Millis> {
        self.registration.due()
    }

    /// How many watches the store does not know of, as far as we know.
    pub fn unregistered(&self) -> usize {
        self.watches.unregistered(self.epoch())
    }

    /// Tells the store of the watches that it does not know of, if that is due.
    pub fn tell_due(&mut self, store: &mut Xenstored, now: Millis) -> Option<News> {
        self.registration.due().filter(|due| now >= *due)?;
        let mut registration = self.registration;
        let epoch = self.epoch();
        let this = std::cell::RefCell::new(self);
        let ended = registration.round(
            |round| {
                let this = this.borrow();
                let (token, _) = this.watches.next_unregistered(round, epoch)?;
                Some(token)
            },
            |token| match this.borrow_mut().register(store, token) {
                Ok(Ok(_) | Err(Refused::Store(StoreError::Exists))) => Told::Known,
                Ok(Err(_)) => Told::Refused,
                Err(StoreFailure::Silence) => Told::Unanswered,
                Err(_) => Told::Lost,
            },
        );
        let news = registration.ended(ended, now);
        this.into_inner().registration = registration;
        news
    }

    /// Tells the store of a watch.
    fn register(
        &mut self,
        store: &mut Xenstored,
        token: Token,
    ) -> core::result::Result<Answer, StoreFailure> {
        let path = self.watches.get_mut(token).expect("a watch").path.clone();
        let scope = self.of_now(0);
        let parts: [&[u8]; 4] = [&path, b"\0", &token.to_bytes(), b"\0"];
        let answer = self.request_in(store, Op::Watch, scope, &parts)?;
        if matches!(answer, Ok(_) | Err(Refused::Store(StoreError::Exists))) {
            assert!(self.watches.registered(token, self.epoch()));
        }
        Ok(answer)
    }

    /// The next event of a watch.
    pub fn event(&mut self, token: Token) -> Option<Event<Vec<u8>>> {
        self.watches.get_mut(token)?.queue.pop()
    }
}

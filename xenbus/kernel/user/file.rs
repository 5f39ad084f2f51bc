// SPDX-License-Identifier: GPL-2.0-only
//! One open file: requests in, replies and events out.
//!
//! Nothing of it grows without a bound: so many requests may wait for their reply or for its reader, then writers wait;
//! and each watch holds so many changes, then one stands for all.
//!
//! `writing` and `reading` are held while memory of the process is touched, which may take as long as the process
//! likes; only its own threads take them. `state` never is.

use super::message::{Message, Names};
use crate::service::{shared, Shared};
use crate::store::{Event, Watch, WatchHandler};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::uaccess::{UserSliceReader, UserSliceWriter};
use linux::file::{File, Ready};
use linux::thread::{Sleep, WaitQueue};
use xenbus::user::Transactions;
use xenbus::watch::{self, EventQueue};
use xenbus::wire::{Assembler, Header};

/// Requests that wait for their reply, and replies that nobody has read, together.
const PENDING: usize = 16;
/// Changes that wait for one watch's reader.
const EVENTS: usize = 8;

/// A request as the process wrote it.
pub(super) struct Request {
    pub(super) header: Header,
    pub(super) payload: KVec<u8>,
}

/// A watch of the file.
pub(super) struct Watching {
    pub(super) names: Arc<Names>,
    queue: EventQueue<KVec<u8>, EVENTS>,
    /// None until the store has said yes: no event comes before that.
    pub(super) watch: Option<Watch>,
}

impl Watching {
    pub(super) fn new(names: Arc<Names>) -> Self {
        Self {
            names,
            queue: EventQueue::new(),
            watch: None,
        }
    }

    fn is_ready(&self) -> bool {
        self.watch.is_some() && !self.queue.is_empty()
    }
}

/// What the file's threads and the bus's threads share.
pub(super) struct State {
    pub(super) requests: KVec<Request>,
    replies: KVec<Message>,
    /// The thread is at a request.
    pub(super) busy: bool,
    pub(super) watches: KVec<KBox<Watching>>,
    pub(super) transactions: Transactions<{ super::TRANSACTIONS }>,
}

impl State {
    fn new() -> Result<Self> {
        Ok(Self {
            requests: KVec::with_capacity(PENDING, GFP_KERNEL_ACCOUNT)?,
            replies: KVec::with_capacity(PENDING, GFP_KERNEL_ACCOUNT)?,
            busy: false,
            watches: KVec::new(),
            transactions: Transactions::new(),
        })
    }

    fn has_room(&self) -> bool {
        let waiting = self.requests.len().saturating_add(self.replies.len());
        waiting.saturating_add(usize::from(self.busy)) < PENDING
    }

    /// The reply to the request that the thread was at.
    pub(super) fn answer(&mut self, reply: Message) {
        self.busy = false;
        // There is room, for the request had its place.
        let _ = self.replies.push_within_capacity(reply);
    }

    fn has_message(&self) -> bool {
        !self.replies.is_empty() || self.watches.iter().any(|watching| watching.is_ready())
    }

    /// What the process is to read next: replies first, then events of each watch in turn.
    fn next_message(&mut self) -> Option<Message> {
        if let Ok(reply) = self.replies.remove(0) {
            return Some(reply);
        }
        let index = self.watches.iter().position(|it| it.is_ready())?;
        let mut watching = self.watches.remove(index).ok()?;
        let event = watching.queue.pop();
        let names = watching.names.clone();
        let _ = self.watches.push_within_capacity(watching);
        Some(match event? {
            watch::Event::Changed(path) => Message::event(Some(path), names),
            watch::Event::Rescan => Message::event(None, names),
        })
    }
}

/// An open file.
#[pin_data]
pub(super) struct UserFile {
    pub(super) shared: Arc<Shared>,
    #[pin]
    writing: Mutex<KBox<Assembler>>,
    #[pin]
    reading: Mutex<Option<Message>>,
    #[pin]
    pub(super) state: Mutex<State>,
    /// Where readers, writers and pollers wait.
    #[pin]
    queue: WaitQueue,
    /// Counts what they may wait for.
    news: AtomicU32,
    /// A message is read in part.
    partial: AtomicBool,
    /// The file wants the thread.
    due: AtomicBool,
    pub(super) closed: AtomicBool,
}

/// Nothing gathered, copied into place: too large for a stack.
static EMPTY: Assembler = Assembler::new();

fn assembler() -> Result<KBox<Assembler>> {
    let mut assembler = KBox::<Assembler>::new_uninit(GFP_KERNEL_ACCOUNT)?;
    // SAFETY: The box has room for the value, which is plain numbers that may be copied.
    unsafe {
        assembler.as_mut_ptr().copy_from_nonoverlapping(&EMPTY, 1);
        Ok(assembler.assume_init())
    }
}

impl UserFile {
    /// Whether the file wants the thread; it is looked after when this was asked.
    pub(super) fn is_due(&self) -> bool {
        self.due.swap(false, Ordering::AcqRel)
    }

    /// Has the thread look at the file.
    pub(super) fn call(&self) {
        self.due.store(true, Ordering::Release);
        self.shared.users.call();
    }

    /// Wakes whoever waits at the file.
    pub(super) fn tell(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
        self.queue.wake_all();
    }

    /// Waits until there is something new since `seen`.
    fn wait(&self, seen: u32, may_wait: bool) -> Result {
        if !may_wait {
            return Err(EAGAIN);
        }
        let news = || self.news.load(Ordering::Acquire) != seen;
        self.queue.wait(Sleep::Interruptible, None, news)?;
        Ok(())
    }

    /// Gathers one request, if there is room for one more; says how many bytes were taken.
    fn take(&self, from: &mut UserSliceReader) -> Result<usize> {
        let mut assembler = self.writing.lock();
        // Only who holds `writing` takes room.
        if !self.state.lock().has_room() {
            return Ok(0);
        }
        let mut taken = 0usize;
        while !from.is_empty() {
            let wanted = assembler.wanted();
            let count = wanted.len().min(from.len());
            from.read_slice(wanted.get_mut(..count).unwrap_or(&mut []))?;
            taken = taken.saturating_add(count);
            if assembler.advance(count).is_err() {
                assembler.reset();
                return Err(E2BIG);
            }
            if let Some((header, payload)) = assembler.complete() {
                let request = copy(payload).map(|payload| Request { header, payload });
                assembler.reset();
                // There is room, as seen above.
                let _ = self.state.lock().requests.push_within_capacity(request?);
                self.call();
                break;
            }
        }
        Ok(taken)
    }

    /// Gives what there is to read; says how many bytes.
    fn give(&self, to: &mut UserSliceWriter) -> Result<usize> {
        let mut reading = self.reading.lock();
        let mut given = 0usize;
        let mut result = Ok(());
        while !to.is_empty() {
            if reading.is_none() {
                *reading = self.state.lock().next_message();
                if reading.is_some() {
                    // A writer may have waited for the room.
                    self.tell();
                }
            }
            let Some(message) = &mut *reading else {
                break;
            };
            match message.give(to) {
                Ok(count) => given = given.saturating_add(count),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            if message.is_done() {
                *reading = None;
            }
        }
        self.partial.store(reading.is_some(), Ordering::Release);
        match given {
            0 => result.map(|()| 0),
            given => Ok(given),
        }
    }
}

/// A copy that is charged to the process, if one makes it.
fn copy(bytes: &[u8]) -> Result<KVec<u8>> {
    let mut copy = KVec::new();
    copy.extend_from_slice(bytes, GFP_KERNEL_ACCOUNT)?;
    Ok(copy)
}

impl File for UserFile {
    fn open() -> Result<Arc<Self>> {
        let shared = shared()?;
        let (assembler, state) = (assembler()?, State::new()?);
        let file = Arc::pin_init(
            pin_init!(Self {
                shared,
                writing <- new_mutex!(assembler),
                reading <- new_mutex!(None),
                state <- new_mutex!(state),
                queue <- WaitQueue::new(),
                news: AtomicU32::new(0),
                partial: AtomicBool::new(false),
                due: AtomicBool::new(false),
                closed: AtomicBool::new(false),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        file.shared.users.add(file.clone())?;
        Ok(file)
    }

    fn read(&self, mut to: UserSliceWriter, may_wait: bool) -> Result<usize> {
        loop {
            let seen = self.news.load(Ordering::Acquire);
            match self.give(&mut to)? {
                0 if !to.is_empty() => {}
                given => return Ok(given),
            }
            self.wait(seen, may_wait)?;
        }
    }

    fn write(&self, mut from: UserSliceReader, may_wait: bool) -> Result<usize> {
        let mut taken = 0usize;
        loop {
            let seen = self.news.load(Ordering::Acquire);
            match self.take(&mut from) {
                Err(error) if taken == 0 || error == E2BIG => return Err(error),
                Err(_) => return Ok(taken),
                Ok(0) if taken == 0 && !from.is_empty() => self.wait(seen, may_wait)?,
                Ok(0) => return Ok(taken),
                Ok(count) => taken = taken.saturating_add(count),
            }
        }
    }

    fn ready(&self) -> Ready {
        let state = self.state.lock();
        Ready {
            readable: self.partial.load(Ordering::Acquire) || state.has_message(),
            writable: state.has_room(),
            error: false,
        }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn closed(self: Arc<Self>) {
        self.closed.store(true, Ordering::Release);
        self.call();
    }
}

/// Notes what a watch of a file has seen.
pub(super) struct Noter {
    pub(super) file: Arc<UserFile>,
    pub(super) names: Arc<Names>,
}

impl WatchHandler for Noter {
    fn changed(&self, event: Event<'_>) {
        let path = match event {
            Event::Changed(path) => copy(path).ok(),
            Event::Rescan => None,
        };
        let mut state = self.file.state.lock();
        let of_ours = |it: &&mut KBox<Watching>| Arc::ptr_eq(&it.names, &self.names);
        let Some(watching) = state.watches.iter_mut().find(of_ours) else {
            return;
        };
        let _folded = match path {
            Some(path) => watching.queue.push(path),
            None => watching.queue.overflow(),
        };
        drop(state);
        self.file.tell();
    }
}

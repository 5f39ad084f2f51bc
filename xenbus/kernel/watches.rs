// SPDX-License-Identifier: GPL-2.0-only
//! Watches: registering them, noting their events, running their callbacks.

use crate::link;
use crate::service::{Link, Shared};
use crate::store::{Event, WatchHandler};
use core::sync::atomic::Ordering;
use kernel::str::BStr;
use kernel::{prelude::*, sync::Arc};
use linux::thread::{now_ms, should_stop, Sleep};
use xenbus::path;
use xenbus::transaction::Scope;
use xenbus::watch::registration::{News, Registration, Told, PAUSE};
use xenbus::watch::{self, EventQueue, Token};
use xenbus::wire::Operation;

/// Most watches at once: one for each device, and a few.
pub(crate) const WATCHES: usize = xenbus::device::DEVICES_MAX + 256;
/// Paths that wait for one watch's callback; past that it looks at everything.
const EVENTS: usize = 8;

/// One watch.
pub(crate) struct Entry {
    path: KVec<u8>,
    handler: Arc<dyn WatchHandler>,
    queue: EventQueue<KVec<u8>, EVENTS>,
}

/// All watches.
pub(crate) type Book = KBox<watch::Watches<KBox<Entry>, WATCHES>>;

/// No watches, copied into place: too large for a stack.
static EMPTY: watch::Watches<KBox<Entry>, WATCHES> = watch::Watches::new();

/// A book without watches.
pub(crate) fn book() -> Result<Book> {
    let mut book = KBox::<watch::Watches<KBox<Entry>, WATCHES>>::new_uninit(GFP_KERNEL)?;
    // SAFETY: The box has room for the value, and a book without watches owns nothing that a copy would own twice.
    let mut book = unsafe {
        book.as_mut_ptr().copy_from_nonoverlapping(&EMPTY, 1);
        book.assume_init()
    };
    book.seed(link::seed());
    Ok(book)
}

/// A registered watch. Dropping it waits until its callback does not run any more, unless the callback itself drops it.
pub struct Watch {
    shared: Arc<Shared>,
    token: Token,
}

impl Shared {
    /// Registers a watch, now or when the store is there.
    pub(crate) fn watch(
        self: &Arc<Self>,
        path: &[u8],
        handler: Arc<dyn WatchHandler>,
    ) -> Result<Watch> {
        path::check(path).map_err(|_| EINVAL)?;
        let mut copy = KVec::new();
        copy.extend_from_slice(path, GFP_KERNEL)?;
        let queue = EventQueue::new();
        let entry = KBox::new(
            Entry {
                path: copy,
                handler,
                queue,
            },
            GFP_KERNEL,
        )?;
        let token = self.book.lock().insert(entry).map_err(|_| ENOSPC)?;
        let watch = Watch {
            shared: self.clone(),
            token,
        };
        // After the insertion: whoever brings the link up registers every watch that is in the book then.
        if self.link() == Link::Up {
            let epoch = self.io.lock().client.epoch();
            match self.register(path, token, epoch) {
                // The link is brought up once more.
                Err(error) if error == ESTALE => {}
                result => result?,
            }
        }
        Ok(watch)
    }

    /// Tells the store of a watch, on its connection number `epoch`.
    fn register(&self, path: &[u8], token: Token, epoch: u32) -> Result {
        let scope = Scope::Bound { epoch, tx_id: 0 };
        let parts = [path, b"\0", &token.to_bytes(), b"\0"];
        match self.request(Operation::Watch, scope, &parts) {
            // Two may have registered it, or a request that was not answered in time has come through.
            Err(error) if error != EEXIST => return Err(error),
            _ => {}
        }
        if !self.book.lock().registered(token, epoch) {
            // It was removed meanwhile, perhaps before the store knew of it.
            let _ = self.request(Operation::Unwatch, scope, &parts);
        }
        Ok(())
    }

    /// Tells the store of the watches that it does not know of, if that is due; from the worker.
    pub(crate) fn register_due(&self, registration: &mut Registration) {
        let is_due = registration.due().is_some_and(|due| now_ms() >= due);
        if !is_due || self.link() != Link::Up {
            return;
        }
        let epoch = self.io.lock().client.epoch();
        let mut failure = None;
        let ended = registration.round(
            |round| {
                let book = self.book.lock();
                let (token, entry) = book.next_unregistered(round, epoch)?;
                let mut path = KVec::new();
                let copied = path.extend_from_slice(&entry.path, GFP_KERNEL);
                Some((token, copied.map(|()| path)))
            },
            |(token, path)| {
                let path = match path {
                    Ok(path) => path,
                    Err(_) => return Told::Unanswered,
                };
                let error = match self.register(&path, token, epoch) {
                    Ok(()) => return Told::Known,
                    Err(error) => error,
                };
                if failure.is_none() {
                    failure = Some((path, error));
                }
                self.told(error)
            },
        );
        match registration.ended(ended, now_ms()) {
            Some(News::Failing) => {
                let (path, error) = failure.unwrap_or((KVec::new(), ENOMEM));
                pr_warn!(
                    "cannot watch {} in xenstore ({:?}), and perhaps others: what changes there is not seen until it can \
                     be watched, which is tried every {} seconds\n",
                    BStr::from_bytes(&path),
                    error,
                    PAUSE / 1000
                );
            }
            Some(News::Healed) => pr_info!("all is watched in xenstore again\n"),
            None => {}
        }
    }

    /// What it means that the store could not be told of a watch.
    fn told(&self, error: Error) -> Told {
        match error {
            _ if self.link() != Link::Up || should_stop() => Told::Lost,
            error if error == ESTALE => Told::Lost,
            error if [ETIMEDOUT, EBUSY, ENOMEM].contains(&error) => Told::Unanswered,
            _ => Told::Refused,
        }
    }

    /// Notes an event; from the reader.
    pub(crate) fn note_event(&self, token: Token, path: &[u8]) {
        let mut book = self.book.lock();
        let Some(entry) = book.get_mut(token) else {
            self.strays.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if !entry.handler.wants(path) {
            return;
        }
        let mut copy = KVec::new();
        let folded = match copy.extend_from_slice(path, GFP_KERNEL) {
            Ok(()) => entry.queue.push(copy),
            Err(_) => entry.queue.overflow(),
        };
        book.event(token);
        drop(book);
        if folded {
            self.folded.fetch_add(1, Ordering::Relaxed);
        }
        self.due.store(true, Ordering::Release);
        self.worker.wake_all();
    }

    /// Runs the callback of one watch that has an event; from the worker. Returns whether there was one.
    pub(crate) fn run_callback(&self) -> bool {
        let (token, event, handler) = {
            let mut book = self.book.lock();
            let Some((token, entry)) = book.next_ready() else {
                return false;
            };
            (token, entry.queue.pop(), entry.handler.clone())
        };
        match &event {
            Some(watch::Event::Changed(path)) => handler.changed(Event::Changed(path)),
            Some(watch::Event::Rescan) => handler.changed(Event::Rescan),
            None => {}
        }
        // Before the callback counts as done: its code may go away right after.
        drop(handler);
        {
            let mut book = self.book.lock();
            let more = book
                .get_mut(token)
                .is_some_and(|entry| !entry.queue.is_empty());
            book.done(more);
        }
        self.callbacks.fetch_add(1, Ordering::AcqRel);
        self.changed.wake_all();
        true
    }

    /// Waits until the callback of `token` does not run.
    fn wait_for_callback(&self, token: Token) {
        loop {
            let seen = self.callbacks.load(Ordering::Acquire);
            if !self.book.lock().is_running(token) {
                return;
            }
            // Without a limit: the callback itself has one for all that it does. An idle wait is not interrupted.
            let _ = self.changed.wait(Sleep::Idle, None, || {
                self.callbacks.load(Ordering::Acquire) != seen
            });
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let entry = self.shared.book.lock().remove(self.token);
        if !self.shared.is_worker() {
            self.shared.wait_for_callback(self.token);
        }
        if self.shared.leaving.load(Ordering::Relaxed) {
            // All watches are removed at once, in the end.
            return;
        }
        if let (Some(entry), Link::Up) = (entry, self.shared.link()) {
            let token = self.token.to_bytes();
            // The watch is gone on our side whatever the store says; its events are strays from now on.
            let parts = [&entry.path, &b"\0"[..], &token, b"\0"];
            let _ = self.shared.request(Operation::Unwatch, Scope::Free, &parts);
        }
    }
}

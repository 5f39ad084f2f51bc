// SPDX-License-Identifier: GPL-2.0-only
//! Watches: registering them, noting their events, running their callbacks.

use crate::link;
use crate::service::{Link, Shared};
use crate::store::{Event, WatchHandler};
use core::sync::atomic::Ordering;
use kernel::{prelude::*, sync::Arc};
use linux::thread::Sleep;
use xenbus::path;
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
            self.register(path, token)?;
        }
        Ok(watch)
    }

    /// Tells the store of a watch.
    fn register(&self, path: &[u8], token: Token) -> Result {
        match self.request(
            Operation::Watch,
            0,
            &[path, b"\0", &token.to_bytes(), b"\0"],
        ) {
            // Both who added the watch and who brought the link up may have registered it.
            Err(error) if error != EEXIST => Err(error),
            _ => Ok(()),
        }
    }

    /// Registers every watch with a store that knows none of them.
    pub(crate) fn register_all(&self) {
        let mut from = 0;
        loop {
            let mut path = KVec::new();
            let token = match self.book.lock().next_from(from) {
                None => return,
                Some((next, token, entry)) => {
                    from = next;
                    path.extend_from_slice(&entry.path, GFP_KERNEL)
                        .map(|()| token)
                }
            };
            let result = match token {
                Ok(token) => self.register(&path, token),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = result {
                let path = kernel::str::BStr::from_bytes(&path);
                pr_warn!("cannot watch {} in xenstore: {:?}\n", path, error);
            }
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
            let _ =
                self.shared
                    .request(Operation::Unwatch, 0, &[&entry.path, b"\0", &token, b"\0"]);
        }
    }
}

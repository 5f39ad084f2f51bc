// SPDX-License-Identifier: GPL-2.0-only
//! /dev/xen/xenbus: the store for processes of the guest, as `xenstore-ls` and its like want it.
//!
//! A process writes requests and reads replies and events ([`file`]). One thread asks the store for all of them, one
//! request at a time and each file in its turn ([`job`]), so that no process keeps the kernel's own requests from
//! their place in the link. Whatever a file has at the store goes when it is closed, and the thread sees to that: a
//! process that is being killed cannot wait for an answer.
//!
//! What may be asked, and whose a transaction is, is decided in [`xenbus::user`].

mod file;
mod job;
mod message;

use crate::service::{shared, Shared};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use file::UserFile;
use kernel::error::code::ENFILE;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use linux::file::Device;
use linux::thread::{should_stop, Sleep, Thread, WaitQueue, Work};

/// Most files that are open or not cleared away yet: closing is faster than clearing away.
const FILES: usize = 256;
/// Most watches of all files together. The store allows a guest 128 if its administrator says nothing else, and the
/// devices need some.
const WATCHES: usize = 112;
/// Most transactions of all files together. The store allows a guest 10.
const TRANSACTIONS: usize = 8;

/// The open files, and what they have at the store.
#[pin_data]
pub(crate) struct Users {
    #[pin]
    files: Mutex<KVec<Arc<UserFile>>>,
    /// Where the thread waits.
    #[pin]
    queue: WaitQueue,
    /// A file wants the thread.
    due: AtomicBool,
    /// Watches of all files.
    pub(crate) watches: AtomicUsize,
    /// Transactions of all files.
    pub(crate) transactions: AtomicUsize,
}

impl Users {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            files <- new_mutex!(KVec::new()),
            queue <- WaitQueue::new(),
            due: AtomicBool::new(false),
            watches: AtomicUsize::new(0),
            transactions: AtomicUsize::new(0),
        })
    }

    /// Files that are open or not cleared away yet.
    pub(crate) fn files(&self) -> usize {
        self.files.lock().len()
    }

    fn add(&self, file: Arc<UserFile>) -> Result {
        let mut files = self.files.lock();
        if files.len() >= FILES {
            return Err(ENFILE);
        }
        Ok(files.push(file, GFP_KERNEL)?)
    }

    /// Has the thread look at the files.
    fn call(&self) {
        self.due.store(true, Ordering::Release);
        self.queue.wake_all();
    }

    /// The file whose turn it is, of those that want the thread. The next search begins behind it.
    fn next(&self) -> Option<Arc<UserFile>> {
        let mut files = self.files.lock();
        let index = files.iter().position(|file| file.is_due())?;
        let file = files.remove(index).ok()?;
        let _ = files.push_within_capacity(file.clone());
        Some(file)
    }

    /// Forgets a file.
    fn remove(&self, gone: &Arc<UserFile>) {
        let mut files = self.files.lock();
        if let Some(index) = files.iter().position(|file| Arc::ptr_eq(file, gone)) {
            let file = files.remove(index);
            drop(files);
            drop(file);
        }
    }
}

/// What the thread works on.
struct Asker(Arc<Shared>);

impl Work for Asker {
    fn run(&self) {
        let users = &self.0.users;
        loop {
            users.due.store(false, Ordering::Release);
            while let Some(file) = users.next() {
                file.attend();
            }
            if should_stop() {
                return;
            }
            // Each way the wait ends there is another look to take.
            let _ = users.queue.wait(Sleep::Idle, None, || {
                users.due.load(Ordering::Acquire) || should_stop()
            });
        }
    }
}

/// The device, as long as this lives. Dropped before the [`crate::Bus`], with no file open.
pub struct StoreDevice {
    // Dropped in this order, after `drop`.
    device: Option<Device<UserFile>>,
    _thread: Thread<Asker>,
    shared: Arc<Shared>,
}

impl StoreDevice {
    /// Shows /dev/xen/xenbus. Processes may have it open from then on.
    ///
    /// # Errors
    /// `EEXIST` when there is one, `ENOMEM`, `ENODEV` without the bus.
    pub fn show() -> Result<Self> {
        let shared = shared()?;
        let thread = Thread::spawn(c"xenpv-user", Arc::new(Asker(shared.clone()), GFP_KERNEL)?)?;
        Ok(Self {
            device: Some(Device::register(c"xen/xenbus")?),
            _thread: thread,
            shared,
        })
    }
}

impl Drop for StoreDevice {
    fn drop(&mut self) {
        self.device = None;
        // What closed files still have at the store is ended with all else, when the bus goes.
        self.shared.leaving.store(true, Ordering::Relaxed);
        self.shared.changed.wake_all();
    }
}

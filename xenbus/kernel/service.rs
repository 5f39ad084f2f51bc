// SPDX-License-Identifier: GPL-2.0-only
//! What the threads share, and how the whole begins and ends.

use crate::device::Device;
use crate::link::Io;
use crate::reader::Reader;
use crate::user::Users;
use crate::watches::{book, Book};
use crate::worker::Worker;
use crate::DeviceRef;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use kernel::sync::{global_lock, new_mutex, new_spinlock, Arc, Mutex, SpinLock};
use kernel::{bindings, prelude::*};
use linux::thread::{now_ms, NoIo, Sleep, Thread, WaitQueue};
use xenbus::hold::Hold;
use xenbus::transaction::Scope;
use xenbus::wire::Operation;

/// How long an unload waits for the store, in milliseconds.
const FAREWELL: u64 = 5_000;

/// The state of the connection to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Link {
    /// There is none yet.
    Down = 0,
    /// There is one, but nobody has answered yet.
    Opening = 1,
    /// It works.
    Up = 2,
    /// The stream makes no sense any more.
    Lost = 3,
    /// The bus goes.
    Stopped = 4,
}

/// What the threads share.
#[pin_data]
pub(crate) struct Shared {
    #[pin]
    pub(crate) io: Mutex<Io>,
    #[pin]
    pub(crate) book: Mutex<Book>,
    /// The devices that Linux knows.
    #[pin]
    pub(crate) devices: Mutex<KVec<DeviceRef>>,
    /// Where the reader waits.
    #[pin]
    pub(crate) reader: WaitQueue,
    /// Where the worker waits.
    #[pin]
    pub(crate) worker: WaitQueue,
    /// Where others wait for the link, for a free request, for the end of a callback.
    #[pin]
    pub(crate) changed: WaitQueue,
    /// The processes that have the store open.
    #[pin]
    pub(crate) users: Users,
    /// Whether requests wait for the end of a suspend.
    #[pin]
    pub(crate) hold: SpinLock<Hold>,
    link: AtomicU32,
    worker_task: AtomicPtr<bindings::task_struct>,
    /// The store has signalled: the reader is to look.
    pub(crate) incoming: AtomicBool,
    /// A watch has an event: the worker is to run callbacks.
    pub(crate) due: AtomicBool,
    /// A device wants the worker.
    pub(crate) attention: AtomicBool,
    /// The devices of the store have been taken up once.
    pub(crate) scanned: AtomicBool,
    /// The last request was not answered in time.
    pub(crate) silent: AtomicBool,
    /// The worker is to make no round.
    pub(crate) pausing: AtomicBool,
    /// It makes none.
    pub(crate) paused: AtomicBool,
    /// The bus goes: what it asks now need not be told piece by piece, nor waited for as long as usual.
    pub(crate) leaving: AtomicBool,
    /// Replies so far, as a clock for those who wait for a free request.
    pub(crate) replies: AtomicU32,
    /// Callbacks so far, as a clock for those who wait for the end of one.
    pub(crate) callbacks: AtomicU32,
    /// Events for no watch.
    pub(crate) strays: AtomicU64,
    /// Events that were folded into others.
    pub(crate) folded: AtomicU64,
    /// Connections lost.
    pub(crate) losses: AtomicU64,
}

impl Shared {
    fn new() -> Result<Arc<Self>> {
        let io = Io::new()?;
        let book = book()?;
        Arc::pin_init(
            pin_init!(Self {
                io <- new_mutex!(io),
                book <- new_mutex!(book),
                devices <- new_mutex!(KVec::new()),
                reader <- WaitQueue::new(),
                worker <- WaitQueue::new(),
                changed <- WaitQueue::new(),
                users <- Users::new(),
                hold <- new_spinlock!(Hold::new()),
                link: AtomicU32::new(Link::Down as u32),
                worker_task: AtomicPtr::new(null_mut()),
                incoming: AtomicBool::new(false),
                due: AtomicBool::new(false),
                attention: AtomicBool::new(false),
                scanned: AtomicBool::new(false),
                silent: AtomicBool::new(false),
                pausing: AtomicBool::new(false),
                paused: AtomicBool::new(false),
                leaving: AtomicBool::new(false),
                replies: AtomicU32::new(0),
                callbacks: AtomicU32::new(0),
                strays: AtomicU64::new(0),
                folded: AtomicU64::new(0),
                losses: AtomicU64::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// The state of the link.
    pub(crate) fn link(&self) -> Link {
        match self.link.load(Ordering::Acquire) {
            0 => Link::Down,
            1 => Link::Opening,
            2 => Link::Up,
            3 => Link::Lost,
            _ => Link::Stopped,
        }
    }

    /// Changes the state of the link and tells all who wait for it. A stopped link stays so.
    pub(crate) fn set_link(&self, link: Link) {
        let stopped = Link::Stopped as u32;
        let keep = |old| (old != stopped).then_some(link as u32);
        let _ = self
            .link
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, keep);
        self.changed.wake_all();
        self.reader.wake_all();
        self.call_worker();
    }

    /// Has the worker make a round. Any context.
    pub(crate) fn call_worker(&self) {
        self.attention.store(true, Ordering::Release);
        self.worker.wake_all();
    }

    /// The stream makes no sense: ends every request. The worker tries to begin anew.
    pub(crate) fn lose(&self, why: &'static str) {
        let first = matches!(self.link(), Link::Up | Link::Opening);
        self.set_link(Link::Lost);
        let mut io = self.io.lock();
        io.reset(EIO);
        let told = io
            .connection
            .as_ref()
            .and_then(|connection| connection.error());
        drop(io);
        if first {
            self.losses.fetch_add(1, Ordering::Relaxed);
            pr_err!(
                "the connection to xenstored is lost: {why} (its own word: {})\n",
                told.unwrap_or(0)
            );
        }
    }

    /// Makes the calling thread the worker.
    pub(crate) fn become_worker(&self) {
        self.worker_task
            .store(kernel::task::Task::current_raw(), Ordering::Relaxed);
    }

    /// Whether the caller is the worker.
    pub(crate) fn is_worker(&self) -> bool {
        self.worker_task.load(Ordering::Relaxed) == kernel::task::Task::current_raw()
    }

    /// The devices at this moment, without those that have vanished.
    pub(crate) fn snapshot(&self) -> Result<KVec<DeviceRef>> {
        let devices = self.devices.lock();
        let mut copy = KVec::with_capacity(devices.len(), GFP_KERNEL)?;
        let there = |device: &&DeviceRef| !device.leaving.load(Ordering::Acquire);
        for device in devices.iter().filter(there) {
            copy.push_within_capacity(device.clone())
                .map_err(|_| ENOMEM)?;
        }
        Ok(copy)
    }

    /// Ends the connection, leaving the store with no watch of ours and the rings between two messages.
    fn say_farewell(&self) {
        let deadline = now_ms().saturating_add(FAREWELL);
        let mut clean = true;
        if self.link() == Link::Up {
            clean = self
                .exchange(Operation::ResetWatches, Scope::Free, &[b"\0"], deadline)
                .is_ok();
        }
        self.set_link(Link::Stopped);
        self.io
            .lock()
            .client
            .end_all(|waiter| waiter.complete(Err(ENODEV)));
        while clean && !self.io.lock().is_at_rest() {
            let seen = self.replies.load(Ordering::Acquire);
            clean = now_ms() < deadline;
            // The time is short, and what it waits for is looked at again.
            let _ = self.changed.wait(Sleep::Idle, Some(50), || {
                self.replies.load(Ordering::Acquire) != seen
            });
        }
        if !clean {
            pr_warn!("xenstored does not answer: its rings are left as they are\n");
        }
    }
}

global_lock! {
    // SAFETY: Initialised in `start`, and everything else in this crate begins there.
    unsafe(uninit) static SHARED: Mutex<Option<Arc<Shared>>> = None;
}

/// What the threads share, while the bus is there.
///
/// # Errors
/// `ENODEV` when it is not.
pub(crate) fn shared() -> Result<Arc<Shared>> {
    SHARED.lock().clone().ok_or(ENODEV)
}

/// Takes what the threads share away from everybody on drop.
struct Published(Arc<Shared>);

impl Published {
    fn new(shared: Arc<Shared>) -> Self {
        *SHARED.lock() = Some(shared.clone());
        Self(shared)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        *SHARED.lock() = None;
        let connection = self.0.io.lock().connection.take();
        drop(connection);
    }
}

/// Xenstore and the bus, as long as this lives. Dropped when no driver is registered any more.
pub struct Bus {
    // Dropped in this order, after `drop`.
    worker: Option<Thread<Worker>>,
    reader: Option<Thread<Reader>>,
    published: Published,
    _bus: Arc<linux::bus::Bus<Device>>,
}

/// Registers the bus and starts its threads. The store may come later: nothing here waits for it.
///
/// Once in a module's life.
///
/// # Errors
/// `ENOMEM`, `EEXIST` when there is a bus of this name.
pub fn start() -> Result<Bus> {
    // SAFETY: Once in the module's life, before anything can lock it.
    unsafe { SHARED.init() };
    let shared = Shared::new()?;
    let bus = Arc::new(linux::bus::Bus::register()?, GFP_KERNEL)?;
    let published = Published::new(shared.clone());
    let reader = Arc::new(Reader(shared.clone()), GFP_KERNEL)?;
    let reader = Thread::spawn(c"xenpv-store", reader)?;
    let worker = Worker::new(shared, bus.clone())?;
    let worker = Thread::spawn(c"xenpv-bus", worker)?;
    Ok(Bus {
        worker: Some(worker),
        reader: Some(reader),
        published,
        _bus: bus,
    })
}

/// Another kernel is about to take this one's place and its memory: closes every device, so that no backend uses any of it
/// any more, and leaves them to that kernel. Whoever has requests waits for ever. Process context.
pub fn retire() {
    let devices = match shared().and_then(|shared| shared.snapshot()) {
        Ok(devices) => devices,
        Err(error) => {
            pr_err!("the devices stay open, and their backends may write to the next kernel's memory: {error:?}\n");
            return;
        }
    };
    // Memory must not be waited for that is written to one of these disks.
    let _no_io = NoIo::new();
    // All at once, since each may have to be waited for.
    devices.iter().for_each(|device| device.begin_retire());
    devices.iter().for_each(|device| device.retire());
}

impl Bus {
    /// The bus is about to be dropped: no callback runs and no device comes or goes after this. Whoever goes before the
    /// bus and still has a word for the store says it quickly.
    pub fn leave(&mut self) {
        let shared = &self.published.0;
        shared.leaving.store(true, Ordering::Relaxed);
        shared.changed.wake_all();
        self.worker = None;
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.leave();
        let shared = self.published.0.clone();
        let devices = core::mem::replace(&mut *shared.devices.lock(), KVec::new());
        devices.iter().for_each(|device| device.unregister());
        drop(devices);
        shared.say_farewell();
        self.reader = None;
    }
}

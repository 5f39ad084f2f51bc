// SPDX-License-Identifier: GPL-2.0-only
//! A disk and its ties to a backend that may go and come back.
//!
//! ```text
//!            connect                close, backend stays online
//!   NoDisk ----------> Up --------------------------------------> Held
//!     ^                 ^ \                 connect                / |
//!     |                 |  `--------------------<-----------------´  | no backend in time
//!     |                 `-----------.                                v or
//!     `---- forget -----------------+-- close, disk taken away --> Dead
//! ```
//! *Held*: the queues are quiesced. What the backend did not answer waits in the block layer, and is issued once more,
//! exactly once, to the next backend. *Dead*: everything waiting and to come ends with an error; the disk is only
//! there still because somebody may have it open, and makes room for a new one when a backend comes back.

use kernel::{
    prelude::*,
    str::CString,
    sync::{
        lock::{mutex::MutexBackend, Guard},
        new_condvar, new_mutex, Arc, CondVar, Mutex,
    },
    time::{msecs_to_jiffies, Instant, Monotonic},
};
use linux::{thread::NoIo, workqueue::WorkQueue};
use linux_block::{Counter, Disk, DiskConfig, Operations, QueueSetup, Request, Status};
use vbd_core::{Flush, Patience, Placement, Properties, XENVBD_MAJOR};
use xen_bus::DeviceRef;
use xen_sys::{blkif::SECTOR_SIZE, PAGE_SIZE};

use crate::{
    params,
    pool::Pool,
    queue::{Queue, Queues},
    ring_page::Published,
};

/// How long a disk waits at least for its backend in a new domain, in milliseconds.
const RESUME_PATIENCE_MS: u64 = 60_000;

/// How a disk stands with its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    NoDisk,
    Up,
    Held,
    /// On the way to `Dead`, without the lock for a while.
    Dying,
    Dead,
}

type StateGuard<'a> = Guard<'a, State, MutexBackend>;

/// What changes.
struct State {
    link: Link,
    published: Option<Published>,
    disk: Option<Arc<Disk<Queues>>>,
    properties: Option<Properties>,
    /// The disk could not be shown.
    add_failed: bool,
    /// The disk is being shown by a work item, which reads the partition table.
    adding: bool,
    /// Up, but with the queues quiesced: the domain is about to be suspended.
    suspended: bool,
    /// A work item waits for the end of `patience`.
    watched: bool,
    /// Until when a disk may be held, in milliseconds since `born`.
    patience: Patience,
}

/// A vbd.
#[pin_data]
pub(crate) struct Attachment {
    #[pin]
    state: Mutex<State>,
    #[pin]
    changed: CondVar,
    device: DeviceRef,
    placement: Placement,
    handle: u16,
    queues: Arc<Queues>,
    born: Instant<Monotonic>,
}

impl Attachment {
    /// A vbd without a disk.
    pub(crate) fn new(device: &DeviceRef, placement: Placement, handle: u16) -> Result<Arc<Self>> {
        let queues = Arc::new(Queues::new(device, 1)?, GFP_KERNEL)?;
        let device = device.clone();
        let state = State {
            link: Link::NoDisk,
            published: None,
            disk: None,
            properties: None,
            add_failed: false,
            adding: false,
            suspended: false,
            watched: false,
            patience: Patience::default(),
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state),
                changed <- new_condvar!(),
                device,
                placement,
                handle,
                queues,
                born: Instant::now(),
            }),
            GFP_KERNEL,
        )
    }

    /// The name of the disk in `/dev`.
    pub(crate) fn name(&self) -> &str {
        self.placement.name.as_str()
    }

    /// The state, when no kill is half done.
    fn lock(&self) -> StateGuard<'_> {
        let mut state = self.state.lock();
        while state.link == Link::Dying {
            self.changed.wait(&mut state);
        }
        state
    }

    fn queue(&self) -> Result<&Arc<Queue>> {
        self.queues.iter().next().ok_or(ENODEV)
    }

    /// Makes a ring and a channel and lets `announce` write them to xenstore.
    pub(crate) fn publish(&self, announce: impl FnOnce(&Published) -> Result) -> Result {
        // A held disk may be the one that memory would be written to.
        let _no_io = NoIo::new();
        let mut state = self.lock();
        self.forget_dead(&mut state);
        let name = CString::try_from_fmt(fmt!("xen-vbd {}", self.name()))?;
        let published = Published::new(self.queue()?, &self.device, self.handle, &name)?;
        announce(&published)?;
        state.published = Some(published);
        Ok(())
    }

    /// Goes live with the ring that was published, to a backend with these properties.
    pub(crate) fn connect(self: &Arc<Self>, properties: &Properties, works: &WorkQueue) -> Result {
        let _no_io = NoIo::new();
        let mut state = self.lock();
        if state.link == Link::Up {
            return Err(EBUSY);
        }
        let same = |old: Properties| old.is_same_disk(properties);
        if state.link == Link::Held && !state.properties.is_some_and(same) {
            pr_warn!("{}: the backend came back with another disk\n", self.name());
            self.kill(&mut state);
        }
        self.forget_dead(&mut state);
        let mut published = state.published.take().ok_or(EINVAL)?;
        if let Some(flush) = properties.flush {
            published.ring.core.set_flush(flush);
        }
        let (depth, device) = (published.depth(), self.device.clone());
        // First the pages without which there is no disk.
        let mut pool = Pool::new(depth, device.clone(), properties.persistent)?;
        let properties = &published.ring.offer_indirect(&device, properties);
        pool.allow(properties.segments);
        let disk = match &state.disk {
            Some(disk) => disk.clone(),
            None => Arc::new(self.make_disk(properties, depth)?, GFP_KERNEL)?,
        };
        // SAFETY: neither up nor dying nor dead: the disk is new or held, so it is quiesced and its queue closed. The
        // state's lock orders the calls.
        unsafe { self.queue()?.open(published, pool) };
        let is_new = state.disk.replace(disk.clone()).is_none();
        state.properties = Some(*properties);
        state.link = Link::Up;
        disk.unquiesce();
        self.changed.notify_all();
        self.log_connected(properties);
        if is_new {
            return self.add_later(&mut state, disk, works);
        }
        disk.set_capacity(properties.sectors);
        disk.kick();
        Ok(())
    }

    /// Takes over a new capacity, if the disk is up.
    pub(crate) fn resize(&self, capacity: impl FnOnce(u32) -> Result<u64>) {
        let mut state = self.state.lock();
        let (Link::Up, Some(properties), Some(disk)) =
            (state.link, state.properties, state.disk.clone())
        else {
            return;
        };
        let Ok(sectors) = capacity(properties.logical_block) else {
            return;
        };
        if sectors != properties.sectors {
            disk.set_capacity(sectors);
            state.properties = Some(Properties {
                sectors,
                ..properties
            });
            pr_info!(
                "{}: now {sectors} sectors of {SECTOR_SIZE} bytes\n",
                self.name()
            );
        }
    }

    /// Breaks with the backend. With `hold` the disk waits for another one, else it is dead.
    pub(crate) fn close(self: &Arc<Self>, hold: bool, works: &WorkQueue) {
        let _no_io = NoIo::new();
        let mut state = self.lock();
        state.published = None;
        let hold = hold && !state.add_failed && params::reconnect_timeout_ms() != 0;
        self.disconnect(&mut state, hold);
        if !hold {
            self.kill(&mut state);
        } else if !self.watch(&mut state, works) {
            self.lose_patience(&mut state);
        }
    }

    /// Lets no request through to the backend.
    pub(crate) fn suspend(&self) {
        let mut state = self.lock();
        if let (Link::Up, false, Some(disk)) = (state.link, state.suspended, &state.disk) {
            disk.quiesce();
            state.suspended = true;
        }
    }

    /// Lets requests through again.
    pub(crate) fn resume(&self) {
        let mut state = self.lock();
        if core::mem::take(&mut state.suspended) {
            state.disk.iter().for_each(|disk| disk.unquiesce());
        }
    }

    /// The backend, and all that was shared with it, were left behind in another domain: the disk waits for the next one,
    /// with the requests that were not answered.
    pub(crate) fn lost(self: &Arc<Self>, works: &WorkQueue) {
        let _no_io = NoIo::new();
        let mut state = self.lock();
        state.published = None;
        let keep = !state.add_failed;
        self.disconnect(&mut state, keep);
        let all = u64::from(params::reconnect_timeout_ms()).max(RESUME_PATIENCE_MS);
        let (now, answers) = (self.now(), self.answers());
        state.patience.lost_blamelessly(now, answers, all);
        if !keep {
            self.kill(&mut state);
        } else if !self.watch(&mut state, works) {
            self.lose_patience(&mut state);
        }
    }

    /// The device is gone: so is the disk when this returns.
    pub(crate) fn remove(&self) {
        let mut state = self.lock();
        state.published = None;
        self.disconnect(&mut state, false);
        self.kill(&mut state);
        self.forget_dead(&mut state);
        while state.watched {
            self.changed.wait(&mut state);
        }
    }

    /// From up to held. With `keep` the requests that the backend did not answer wait for another one, else they end
    /// with an error.
    fn disconnect(&self, state: &mut StateGuard<'_>, keep: bool) {
        if state.link != Link::Up {
            return;
        }
        let Some(disk) = state.disk.clone() else {
            return;
        };
        if !core::mem::take(&mut state.suspended) {
            disk.quiesce();
        }
        let mut unanswered = 0usize;
        for queue in self.queues.iter() {
            let each = |request: Request| {
                unanswered = unanswered.saturating_add(1);
                match keep {
                    true => request.requeue(),
                    false => request.end(Status::IoError),
                }
            };
            // SAFETY: the disk was just quiesced; the state's lock orders the calls.
            unsafe { queue.close(&disk, each) };
        }
        let all = u64::from(params::reconnect_timeout_ms());
        let (now, answers) = (self.now(), self.answers());
        state.patience.lost(now, answers, unanswered, all);
        state.link = Link::Held;
    }

    /// From held to dead: whatever waits ends with an error, and whoever uses the disk is told.
    fn kill(&self, state: &mut StateGuard<'_>) {
        if state.link != Link::Held {
            return;
        }
        let Some(disk) = state.disk.clone() else {
            return;
        };
        state.link = Link::Dying;
        // The queues are closed, so every request that comes now fails.
        disk.unquiesce();
        disk.kick();
        // The partition scan fails too; a disk is told of its death when it is complete.
        while state.adding {
            self.changed.wait(state);
        }
        disk.mark_dead();
        state.link = Link::Dead;
        self.changed.notify_all();
    }

    /// No backend came in time.
    fn lose_patience(&self, state: &mut StateGuard<'_>) {
        pr_err!(
            "{}: no working backend came in time (see reconnect_timeout), all I/O fails from now on\n",
            self.name()
        );
        self.kill(state);
    }

    /// Takes a dead disk out of the kernel.
    fn forget_dead(&self, state: &mut StateGuard<'_>) {
        if state.link == Link::Dead {
            state.link = Link::NoDisk;
            state.disk = None;
            state.add_failed = false;
        }
    }

    fn make_disk(&self, properties: &Properties, depth: usize) -> Result<Disk<Queues>> {
        let setup = QueueSetup {
            queues: 1,
            depth: u32::try_from(depth)?,
            timeout_ms: params::timeout_ms(),
        };
        let config = DiskConfig {
            name: self.placement.name.as_bytes(),
            major: XENVBD_MAJOR,
            first_minor: self.placement.minors.first,
            minors: self.placement.minors.count,
            sectors: properties.sectors,
            logical_block: properties.logical_block,
            physical_block: properties.physical_block,
            // For the disk's life: of larger requests than a later backend takes only a part goes at a time.
            max_sectors: (max_bytes(properties) / SECTOR_SIZE as usize) as u32,
            write_cache: properties.flush.is_some(),
            read_only: properties.read_only,
            removable: properties.removable,
            partitions: !self.placement.is_partition,
        };
        Disk::new(self.queues.clone(), &setup, &config)
    }

    /// Shows the disk from a work item: that reads the partition table, for which the backend may take its time, and
    /// the bus must not wait for it.
    fn add_later(
        self: &Arc<Self>,
        state: &mut StateGuard<'_>,
        disk: Arc<Disk<Queues>>,
        works: &WorkQueue,
    ) -> Result {
        let this = self.clone();
        state.adding = true;
        let spawned = works.try_spawn(GFP_KERNEL, move || {
            // The bus waits for `adding`, and brings disks back: this one, or that which memory would be written to.
            let _no_io = NoIo::new();
            // SAFETY: `remove`, which the bus calls before it unregisters the device, waits for `adding` to end and
            // drops the disk.
            let added = unsafe { disk.add(this.device.as_device()) };
            drop(disk);
            {
                let mut state = this.state.lock();
                state.adding = false;
                state.add_failed = added.is_err();
            }
            this.changed.notify_all();
            if let Err(error) = added {
                this.device.fail(
                    error,
                    format_args!("the disk {} cannot be added", this.name()),
                );
            }
        });
        if spawned.is_err() {
            state.adding = false;
            state.add_failed = true;
        }
        Ok(spawned?)
    }

    /// Sees to it that a held disk is not held for ever. False when that cannot be, or it has been for too long.
    fn watch(self: &Arc<Self>, state: &mut StateGuard<'_>, works: &WorkQueue) -> bool {
        if state.link != Link::Held || state.watched {
            return true;
        }
        if state.patience.left(self.now()) == 0 {
            return false;
        }
        let this = self.clone();
        state.watched = works
            .try_spawn(GFP_KERNEL, move || this.wait_for_backend())
            .is_ok();
        state.watched
    }

    /// Waits until the disk is not held any more, or for too long.
    fn wait_for_backend(&self) {
        // The bus waits for the lock, which is held in all of `lose_patience`.
        let _no_io = NoIo::new();
        let mut state = self.state.lock();
        while state.link == Link::Held {
            let left = state.patience.left(self.now());
            if left == 0 {
                self.lose_patience(&mut state);
                break;
            }
            // One more, since a wait may end a tick early.
            let ticks = msecs_to_jiffies(left as u32).wrapping_add(1);
            let _ = self.changed.wait_interruptible_timeout(&mut state, ticks);
        }
        state.watched = false;
        self.changed.notify_all();
    }

    /// Milliseconds since the vbd was found.
    fn now(&self) -> u64 {
        self.born.elapsed().as_millis().unsigned_abs()
    }

    /// Answers from all backends so far.
    fn answers(&self) -> u64 {
        let of = |queue: &Arc<Queue>| Queues::counter(queue, Counter::Responses);
        self.queues.iter().map(of).fold(0, u64::wrapping_add)
    }

    fn log_connected(&self, properties: &Properties) {
        pr_info!(
            "{}: {} sectors, blocks of {} bytes, {} KiB a request, {}{}{}write cache{}\n",
            self.name(),
            properties.sectors,
            properties.logical_block,
            max_bytes(properties) / 1024,
            when(properties.read_only, "read-only, "),
            when(properties.removable, "removable, "),
            match properties.flush {
                Some(Flush::Cache) => "",
                Some(Flush::Barrier) => "barriers for the ",
                None => "no ",
            },
            when(properties.persistent, ", persistent grants"),
        );
    }
}

/// Bytes in the largest request.
fn max_bytes(properties: &Properties) -> usize {
    properties.segments.saturating_mul(PAGE_SIZE)
}

/// The text if it holds.
fn when(holds: bool, text: &'static str) -> &'static str {
    if holds {
        text
    } else {
        ""
    }
}

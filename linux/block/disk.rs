// SPDX-License-Identifier: GPL-2.0-only
//! A disk of the block layer: tag set, queue and gendisk (`struct gendisk`).

use core::{
    ffi::c_uint,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    bindings,
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::Arc,
    time::{delay::fsleep, Delta},
    types::Opaque,
};

use crate::{
    ffi,
    operations::{Operations, QueueSetup, Table},
    request::{Request, PDU_SIZE},
};

/// What a disk looks like.
#[derive(Clone, Copy, Debug)]
pub struct DiskConfig<'a> {
    /// Name in `/dev`.
    pub name: &'a [u8],
    /// Major number, registered by the caller.
    pub major: u32,
    /// The disk's own minor number.
    pub first_minor: u32,
    /// Minor numbers of the disk and its partitions, at least 1.
    pub minors: u32,
    /// Capacity in sectors of 512 bytes, at most `i64::MAX / 512`.
    pub sectors: u64,
    /// Logical block in bytes: a power of two from 512 to a page.
    pub logical_block: u32,
    /// Physical block in bytes: a power of two, at least the logical block.
    pub physical_block: u32,
    /// Most sectors of 512 bytes in a request; at least a page of them.
    pub max_sectors: u32,
    /// The device has a write cache that flushes empty.
    pub write_cache: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// The medium can be taken out.
    pub removable: bool,
    /// Look for partitions.
    pub partitions: bool,
}

/// A driver's counters of one queue, shown in `/sys/block/NAME/xenpv/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Requests given to the device.
    Requests,
    /// Of these, such whose segments lie in a page of their own.
    IndirectRequests,
    /// Of these, such that moved only the first part of what the block layer asked for; the rest was another request.
    PartialRequests,
    /// Answers from the device.
    Responses,
    /// Notifications sent to the device.
    NotifiesSent,
    /// Requests that needed none.
    NotifiesSaved,
    /// Events from the device for which there was no answer.
    SpuriousEvents,
    /// Answers that were errors.
    Errors,
    /// Answers that broke the protocol.
    Violations,
    /// Pages of data that requests moved through memory which the device had already.
    PersistentHits,
    /// Pages of data that the device got for the time of a request.
    PagesGranted,
    /// Pages that the device may use at this moment.
    GrantsInUse,
    /// Pages that the device did not let go of when it was over with them.
    DeferredFrees,
}

impl Counter {
    /// The order of the files in `shim.c`.
    fn from_number(number: c_uint) -> Option<Self> {
        const ALL: [Counter; 13] = [
            Counter::Requests,
            Counter::IndirectRequests,
            Counter::PartialRequests,
            Counter::Responses,
            Counter::NotifiesSent,
            Counter::NotifiesSaved,
            Counter::SpuriousEvents,
            Counter::Errors,
            Counter::Violations,
            Counter::PersistentHits,
            Counter::PagesGranted,
            Counter::GrantsInUse,
            Counter::DeferredFrees,
        ];
        ALL.get(number as usize).copied()
    }
}

/// What the C side knows of a disk: the head is `struct xenpv_blk_owner`.
#[repr(C)]
struct Inner<T> {
    owner: ffi::Owner,
    set: Opaque<bindings::blk_mq_tag_set>,
    operations: Arc<T>,
}

/// A disk which `T` drives.
///
/// It is made in three steps: [`new`](Self::new) gives a disk that nobody can see, whose queues are *quiesced*, that is
/// take no requests; [`unquiesce`](Self::unquiesce) opens them; [`add`](Self::add) shows the disk and reads its
/// partition table, which is the first I/O. Dropping removes it again; for that the queues must not be quiesced.
pub struct Disk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    inner: Pin<KBox<Inner<T>>>,
    added: AtomicBool,
}

// SAFETY: the functions of the block layer used here lock for themselves; `T` is Send and Sync.
unsafe impl<T: Operations> Send for Disk<T> {}
// SAFETY: as above.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    /// Makes a disk, not yet visible, with quiesced queues.
    pub fn new(operations: Arc<T>, queues: &QueueSetup, config: &DiskConfig<'_>) -> Result<Self> {
        let inner = KBox::pin_init(Inner::new(operations, queues), GFP_KERNEL)?;
        let raw = raw_config(config)?;
        let set = inner.set.get();
        // SAFETY: the set is zeroed but for the parameters, as the block layer wants it.
        to_result(unsafe { bindings::blk_mq_alloc_tag_set(set) })?;
        let owner = core::ptr::from_ref(&*inner).cast_mut().cast::<ffi::Owner>();
        // SAFETY: the set was just made; the owner lives in `inner`, which outlives the disk.
        let disk = from_err_ptr(unsafe { ffi::xenpv_blk_alloc_disk(set, &raw, owner) })
            .and_then(|disk| NonNull::new(disk).ok_or(ENOMEM))
            .inspect_err(|_| {
                // SAFETY: made above, and no disk uses it.
                unsafe { bindings::blk_mq_free_tag_set(set) };
            })?;
        let disk = Self {
            disk,
            inner,
            added: AtomicBool::new(false),
        };
        disk.quiesce();
        Ok(disk)
    }

    /// Shows the disk below the device `parent` and reads its partition table, which waits for I/O. Once only.
    ///
    /// # Safety
    /// `parent` must be a registered device, and stay one until the disk is dropped.
    pub unsafe fn add(&self, parent: *mut bindings::device) -> Result {
        // SAFETY: the disk was made by `new` and not added before; `parent` is as the caller promises.
        to_result(unsafe { ffi::xenpv_blk_add_disk(parent, self.disk.as_ptr()) })?;
        self.added.store(true, Ordering::Release);
        Ok(())
    }

    fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: the disk is alive, and its queue is set once when it is made.
        unsafe { (*self.disk.as_ptr()).queue }
    }

    /// Closes the queues: when this returns, no call of [`Operations::queue_rq`] runs, and none comes until
    /// [`unquiesce`](Self::unquiesce). Calls must come in pairs. Sleeps.
    pub fn quiesce(&self) {
        // SAFETY: the queue lives as long as the disk.
        unsafe { bindings::blk_mq_quiesce_queue(self.queue()) };
    }

    /// Opens the queues again.
    pub fn unquiesce(&self) {
        // SAFETY: the queue lives as long as the disk.
        unsafe { bindings::blk_mq_unquiesce_queue(self.queue()) };
    }

    /// Issues the requests anew that were given back with [`Request::requeue`](crate::Request::requeue).
    pub fn kick(&self) {
        // SAFETY: the queue lives as long as the disk.
        unsafe { bindings::blk_mq_kick_requeue_list(self.queue()) };
    }

    /// Waits until [`Operations::finish`] is over for every request that was handed to
    /// [`CompletedList::complete`](crate::CompletedList::complete), on whatever CPU. Sleeps.
    ///
    /// Not `blk_mq_tagset_wait_completed_request`: for that a write whose data is there, but whose flush is still to
    /// come (`REQ_FUA`), is not over, and on quiesced queues it never will be.
    pub fn wait_for_completions(&self) {
        while self.has_unfinished() {
            fsleep(Delta::from_millis(1));
        }
    }

    fn has_unfinished(&self) -> bool {
        let mut found = false;
        // SAFETY: the set lives as long as the disk, and its requests are this driver's. The block layer passes started
        // ones, to which it has a reference, and the address of `found`, one at a time.
        unsafe {
            bindings::blk_mq_tagset_busy_iter(
                self.inner.set.get(),
                Some(Request::note_answered),
                (&raw mut found).cast(),
            );
        }
        found
    }

    /// Tells everybody who has it open that the disk is gone for good; new I/O fails.
    pub fn mark_dead(&self) {
        if self.added.load(Ordering::Acquire) {
            // SAFETY: the disk is alive, and was added.
            unsafe { bindings::blk_mark_disk_dead(self.disk.as_ptr()) };
        }
    }

    /// Sets the capacity in sectors of 512 bytes and tells user space; true when that was news.
    pub fn set_capacity(&self, sectors: u64) -> bool {
        // SAFETY: the disk is alive.
        unsafe { bindings::set_capacity_and_notify(self.disk.as_ptr(), sectors) }
    }

    /// What drives the disk.
    pub fn operations(&self) -> &Arc<T> {
        &self.inner.operations
    }
}

impl<T: Operations> Drop for Disk<T> {
    fn drop(&mut self) {
        let disk = self.disk.as_ptr();
        if self.added.load(Ordering::Acquire) {
            // SAFETY: the disk was added and is removed once, here.
            unsafe { bindings::del_gendisk(disk) };
        }
        // SAFETY: the reference that `new` got; whoever has the disk open has their own. Without disk the set is
        // not used any more.
        unsafe {
            bindings::put_disk(disk);
            bindings::blk_mq_free_tag_set(self.inner.set.get());
        }
    }
}

impl<T: Operations> Inner<T> {
    fn new(operations: Arc<T>, queues: &QueueSetup) -> impl PinInit<Self, Error> {
        let queues = *queues;
        // SAFETY: the closure initialises every field of the slot and cannot fail half-way.
        unsafe {
            pin_init::pin_init_from_closure(move |slot: *mut Self| {
                (&raw mut (*slot).owner).write(ffi::Owner {
                    read: Self::read_counter,
                });
                let set = Opaque::cast_into(&raw const (*slot).set);
                set.write_bytes(0, 1);
                (*set).ops = &Table::<T>::OPS;
                (*set).nr_hw_queues = queues.queues;
                (*set).queue_depth = queues.depth;
                (*set).numa_node = bindings::NUMA_NO_NODE;
                (*set).cmd_size = PDU_SIZE;
                // Whoever has the real disk sorts the requests; to do it here as well only costs time.
                (*set).flags = bindings::BLK_MQ_F_NO_SCHED_BY_DEFAULT;
                (*set).timeout = bindings::__msecs_to_jiffies(queues.timeout_ms) as u32;
                (*set).driver_data = Arc::as_ptr(&operations).cast_mut().cast();
                (&raw mut (*slot).operations).write(operations);
                Ok(())
            })
        }
    }

    /// The C side's way to a counter.
    ///
    /// # Safety
    /// `owner` must be an `Inner<T>`, `value` writable.
    unsafe extern "C" fn read_counter(
        owner: *const ffi::Owner,
        queue: c_uint,
        counter: c_uint,
        value: *mut u64,
    ) -> bool {
        // SAFETY: by this function's contract.
        let inner = unsafe { &*owner.cast::<Self>() };
        match (
            inner.operations.queue(queue as usize),
            Counter::from_number(counter),
        ) {
            (Some(queue), Some(counter)) => {
                // SAFETY: by this function's contract.
                unsafe { value.write(T::counter(queue, counter)) };
                true
            }
            _ => false,
        }
    }
}

/// The C form of `config`. `EINVAL` for a name that is too long.
fn raw_config(config: &DiskConfig<'_>) -> Result<ffi::Config> {
    let mut name = [0; ffi::DISK_NAME_LEN];
    // One byte less than there is: a NUL ends the name.
    let room = name
        .get_mut(..config.name.len())
        .filter(|room| room.len() < ffi::DISK_NAME_LEN);
    room.ok_or(EINVAL)?.copy_from_slice(config.name);
    Ok(ffi::Config {
        name,
        sectors: config.sectors,
        major: config.major,
        first_minor: config.first_minor,
        minors: config.minors,
        logical_block: config.logical_block,
        physical_block: config.physical_block,
        max_sectors: config.max_sectors,
        write_cache: config.write_cache,
        read_only: config.read_only,
        removable: config.removable,
        partitions: config.partitions,
    })
}

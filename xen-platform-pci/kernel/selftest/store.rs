// SPDX-License-Identifier: GPL-2.0-only
//! Xenstore: errors, many threads at once, transactions that meet, directories longer than a message, watches.
//!
//! All nodes are below `data/selftest`, which a guest may write.

use crate::{ensure, Case, Failure};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use kernel::fmt;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::time::{delay::fsleep, Delta};
use linux::memremap::Mapping;
use linux::thread::{now_ms, Thread, Work};
use xen_bus::store::{self, Event, Watch, WatchHandler};
use xen_hypercall::{to_error, Xen};
use xen_sys::hvm::PARAM_STORE_PFN;
use xen_sys::{Hypervisor, PAGE_SIZE};

pub(crate) const CASES: &[Case] = &[
    ("store: what the store refuses is an errno", refusals),
    ("store: each of many threads gets its own replies", threads),
    ("store: transactions that meet lose no write", transactions),
    ("store: a failed transaction leaves nothing", abandoned),
    ("store: a directory longer than a message", long_directory),
    ("store: a watch fires, and not after its removal", watch),
    (
        "store: a callback removes its own watch",
        watch_removes_itself,
    ),
    ("store: a flood of events is folded", flood),
    ("store: watches come and go beside traffic", watch_churn),
];

/// Leaves no connection behind: for a module that is removed next.
pub(crate) const LAST: &[Case] = &[(
    "store: a ring that makes no sense ends every request",
    mad_store,
)];

/// Where the store's index of its replies is in its page.
const RSP_PROD: usize = xen_sys::xenstore::interface::RSP_PROD;

const ROOT: &[u8] = b"data/selftest";

/// Nodes of the long directory: their names fill more than one message, and more than two.
const LONG: usize = 400;

/// How long anything may take that needs no more than a few replies, in milliseconds.
const PATIENCE: u64 = 30_000;

/// What a failed call says.
fn call<T, E: Into<Error>>(result: Result<T, E>, what: &'static str) -> Result<T, Failure> {
    result.map_err(|error| {
        let error = error.into();
        pr_err!("{what}: {error:?}\n");
        Failure::new(what)
    })
}

fn path(args: fmt::Arguments<'_>) -> Result<CString, Failure> {
    call(CString::try_from_fmt(args), "memory")
}

fn clean() {
    // It may not be there.
    let _ = store::rm(ROOT);
}

/// Waits until `condition` holds.
fn until(condition: impl Fn() -> bool) -> bool {
    let deadline = now_ms() + PATIENCE;
    while !condition() {
        if now_ms() > deadline {
            return false;
        }
        fsleep(Delta::from_millis(1));
    }
    true
}

fn refusals() -> Result<(), Failure> {
    clean();
    let missing = store::read(b"data/selftest/nothing");
    ensure(
        missing.err() == Some(ENOENT),
        "a missing node is not ENOENT",
    )?;
    let foreign = store::write(b"/local/domain/0/name", b"x");
    ensure(
        foreign == Err(EACCES),
        "another domain's node is not EACCES",
    )?;
    for bad in [&b""[..], b"a//b", b"a/", b"a b", b"a\0b"] {
        ensure(
            store::write(bad, b"x") == Err(EINVAL),
            "a bad path is not EINVAL",
        )?;
    }
    let long: KVec<u8> = call(KVec::from_elem(b'x', 4096, GFP_KERNEL), "memory")?;
    let refused = store::write(b"data/selftest/long", &long);
    ensure(refused == Err(E2BIG), "a long value is not E2BIG")?;
    call(store::write(b"data/selftest/empty", b""), "write nothing")?;
    let empty = call(store::read(b"data/selftest/empty"), "read nothing")?;
    ensure(empty.is_empty(), "nothing came back as something")?;
    call(
        store::write(b"data/selftest/bytes", &long[..2000]),
        "write much",
    )?;
    let bytes = call(store::read(b"data/selftest/bytes"), "read much")?;
    ensure(*bytes == long[..2000], "2000 bytes came back as others")?;
    clean();
    Ok(())
}

/// One of several threads.
struct Job {
    number: usize,
    work: fn(usize) -> Result<(), Failure>,
    done: AtomicBool,
    failure: AtomicBool,
}

impl Work for Job {
    fn run(&self) {
        if let Err(failure) = (self.work)(self.number) {
            pr_err!(
                "thread {}: {} (line {})\n",
                self.number,
                failure.what,
                failure.line
            );
            self.failure.store(true, SeqCst);
        }
        self.done.store(true, SeqCst);
    }
}

/// Runs `count` threads side by side until all are done.
fn side_by_side(count: usize, work: fn(usize) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut jobs = KVec::new();
    for number in 0..count {
        let (done, failure) = (AtomicBool::new(false), AtomicBool::new(false));
        let job = Job {
            number,
            work,
            done,
            failure,
        };
        let job = call(Arc::new(job, GFP_KERNEL), "memory")?;
        let thread = call(Thread::spawn(c"selftest", job.clone()), "thread")?;
        call(
            jobs.push((job, thread), GFP_KERNEL).map_err(Error::from),
            "memory",
        )?;
    }
    let done = until(|| jobs.iter().all(|(job, _)| job.done.load(SeqCst)));
    ensure(done, "the threads do not come to their end")?;
    let failed = jobs.iter().any(|(job, _)| job.failure.load(SeqCst));
    ensure(!failed, "a thread has failed")
}

fn threads() -> Result<(), Failure> {
    clean();
    side_by_side(12, |number| {
        for round in 0..25 {
            let node = path(fmt!("data/selftest/thread{number}/{round}"))?;
            let value = path(fmt!("{}", number * 1000 + round))?;
            call(store::write(node.to_bytes(), value.to_bytes()), "write")?;
            let back = call(store::read(node.to_bytes()), "read")?;
            ensure(*back == *value.to_bytes(), "another's value came back")?;
        }
        let directory = path(fmt!("data/selftest/thread{number}"))?;
        let names = call(store::directory(directory.to_bytes()), "directory")?;
        ensure(
            names.iter().count() == 25,
            "not the 25 nodes that were written",
        )
    })?;
    ensure(xen_bus::counters().bad_replies == 0, "bad replies")?;
    clean();
    Ok(())
}

fn transactions() -> Result<(), Failure> {
    clean();
    call(store::write(b"data/selftest/count", b"0"), "write")?;
    side_by_side(4, |_| {
        for _ in 0..10 {
            let added = store::transaction(|transaction| {
                let count = transaction.read(b"data/selftest/count")?;
                let count = count.parse_u64().ok_or(EINVAL)?;
                transaction.write_fmt(b"data/selftest/count", fmt!("{}", count + 1))
            });
            call(added, "add one")?;
        }
        Ok(())
    })?;
    let count = call(store::read(b"data/selftest/count"), "read")?;
    ensure(count.parse_u64() == Some(40), "40 additions do not make 40")?;
    clean();
    Ok(())
}

fn abandoned() -> Result<(), Failure> {
    clean();
    let result: Result = store::transaction(|transaction| {
        transaction.mkdir(b"data/selftest/ghost")?;
        transaction.directory(b"data/selftest/ghost")?;
        Err(EDOM)
    });
    ensure(
        result == Err(EDOM),
        "the body's error is not the transaction's",
    )?;
    let ghost = call(store::exists(b"data/selftest/ghost"), "exists")?;
    ensure(!ghost, "an abandoned transaction has left a node")
}

/// Only dom0 may make a directory as long: it has [`LONG`] nodes ready.
fn long_directory() -> Result<(), Failure> {
    let names = call(store::directory(b"data/long"), "dom0 has made no data/long")?;
    ensure(names.iter().count() == LONG, "not all children are listed")?;
    for number in 0..LONG {
        let name = path(fmt!("a-node-with-a-long-name-{number}"))?;
        let same = names.iter().filter(|child| *child == name.to_bytes());
        ensure(same.count() == 1, "a child is listed not at all, or twice")?;
    }
    Ok(())
}

/// Counts the calls of a watch.
#[pin_data]
struct Counting {
    calls: AtomicU32,
    rescans: AtomicU32,
    /// The last path had this one's length.
    length: AtomicU32,
    /// A call waits until this is false.
    hold: AtomicBool,
    /// The watch is gone: no call may come.
    gone: AtomicBool,
    late: AtomicBool,
    /// A watch for the callback to drop.
    #[pin]
    own: Mutex<Option<Watch>>,
}

impl Counting {
    fn new() -> Result<Arc<Self>, Failure> {
        let counting = pin_init!(Self {
            calls: AtomicU32::new(0),
            rescans: AtomicU32::new(0),
            length: AtomicU32::new(0),
            hold: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            late: AtomicBool::new(false),
            own <- new_mutex!(None),
        });
        call(Arc::pin_init(counting, GFP_KERNEL), "memory")
    }

    fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }
}

impl WatchHandler for Counting {
    fn changed(&self, event: Event<'_>) {
        if self.gone.load(SeqCst) {
            self.late.store(true, SeqCst);
        }
        match event {
            Event::Changed(path) => self.length.store(path.len() as u32, SeqCst),
            Event::Rescan => {
                self.rescans.fetch_add(1, SeqCst);
            }
        }
        // A callback may ask the store; and it may drop its own watch.
        let _ = store::read(b"name");
        let own = self.own.lock().take();
        drop(own);
        self.calls.fetch_add(1, SeqCst);
        until(|| !self.hold.load(SeqCst));
    }
}

fn watched(counting: &Arc<Counting>) -> Result<Watch, Failure> {
    let before = counting.calls();
    let watch = call(store::watch(ROOT, counting.clone()), "watch")?;
    ensure(
        until(|| counting.calls() > before),
        "a new watch does not fire",
    )?;
    Ok(watch)
}

fn watch() -> Result<(), Failure> {
    clean();
    let watches = xen_bus::counters().watches;
    let counting = Counting::new()?;
    let watch = watched(&counting)?;
    call(store::write(b"data/selftest/deep/down", b"1"), "write")?;
    let length = b"data/selftest/deep/down".len() as u32;
    let seen = until(|| counting.length.load(SeqCst) == length);
    ensure(seen, "a change below the watched node is not seen")?;
    drop(watch);
    counting.gone.store(true, SeqCst);
    ensure(xen_bus::counters().watches == watches, "a watch is left")?;
    call(store::write(b"data/selftest/deep/down", b"2"), "write")?;
    // Another watch's event comes after any that the removed one would have had.
    drop(watched(&Counting::new()?)?);
    ensure(!counting.late.load(SeqCst), "a removed watch fires")?;
    clean();
    Ok(())
}

fn watch_removes_itself() -> Result<(), Failure> {
    clean();
    let watches = xen_bus::counters().watches;
    let counting = Counting::new()?;
    let watch = watched(&counting)?;
    *counting.own.lock() = Some(watch);
    let calls = counting.calls();
    call(store::write(b"data/selftest/x", b"1"), "write")?;
    ensure(until(|| counting.calls() > calls), "no call")?;
    let gone = until(|| xen_bus::counters().watches == watches);
    ensure(gone, "the watch is still there")?;
    clean();
    Ok(())
}

fn flood() -> Result<(), Failure> {
    const WRITES: u32 = 200;
    clean();
    let counting = Counting::new()?;
    let watch = watched(&counting)?;
    counting.hold.store(true, SeqCst);
    let calls = counting.calls();
    for number in 0..WRITES {
        let node = path(fmt!("data/selftest/flood{number}"))?;
        call(store::write(node.to_bytes(), b"x"), "write")?;
    }
    counting.hold.store(false, SeqCst);
    ensure(
        until(|| counting.rescans.load(SeqCst) > 0),
        "no rescan after a flood",
    )?;
    drop(watch);
    ensure(
        counting.calls() - calls < WRITES / 4,
        "the events of a flood were kept one by one",
    )?;
    clean();
    Ok(())
}

fn watch_churn() -> Result<(), Failure> {
    clean();
    let watches = xen_bus::counters().watches;
    side_by_side(6, |number| {
        for round in 0..15 {
            let counting = Counting::new()?;
            let watch = call(store::watch(ROOT, counting.clone()), "watch")?;
            let node = path(fmt!("data/selftest/churn{number}"))?;
            call(store::write_fmt(node.to_bytes(), fmt!("{round}")), "write")?;
            drop(watch);
            counting.gone.store(true, SeqCst);
            ensure(!counting.late.load(SeqCst), "a removed watch fires")?;
        }
        Ok(())
    })?;
    ensure(xen_bus::counters().watches == watches, "a watch is left")?;
    ensure(xen_bus::counters().requests == 0, "a request is left")?;
    clean();
    Ok(())
}

/// Sets the store's index where it cannot be, as a mad store would, and back again.
fn mad_store() -> Result<(), Failure> {
    let losses = xen_bus::counters().losses;
    let counting = Counting::new()?;
    let watch = watched(&counting)?;
    move_index(0x5000)?;
    let lost = until(|| {
        // What is asked meanwhile ends, well or not.
        let _ = store::read(b"name");
        xen_bus::counters().losses > losses
    });
    move_index(0x5000_u32.wrapping_neg())?;
    ensure(lost, "nonsense in the ring is not noticed")?;
    let before = now_ms();
    let refused = store::read(b"name");
    ensure(refused.err() == Some(EIO), "a lost connection is not EIO")?;
    drop(watch);
    ensure(now_ms() - before < 1000, "a lost connection is waited for")?;
    ensure(xen_bus::counters().requests == 0, "a request is left")
}

fn move_index(by: u32) -> Result<(), Failure> {
    let gfn = Xen.hvm_get_param(PARAM_STORE_PFN).map_err(to_error);
    let page = call(gfn, "no page of the store")? * PAGE_SIZE as u64;
    let mapping = call(Mapping::new(page, PAGE_SIZE), "the store's page")?;
    // SAFETY: The index lies in the page, which stays mapped, and is accessed by atomics on our side.
    let index = unsafe { AtomicU32::from_ptr(mapping.as_ptr().as_ptr().add(RSP_PROD).cast()) };
    index.fetch_add(by, SeqCst);
    Ok(())
}

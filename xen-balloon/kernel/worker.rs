// SPDX-License-Identifier: GPL-2.0-only
//! The balloon's state, and the work that changes it.

use balloon_core::{Balloon, Ended, Step, Target, BATCH, PAGE_KIB};
use kernel::{
    prelude::*,
    sync::global_lock,
    time::{Instant, Monotonic},
};
use linux::delayed_work::DelayedWork;
use linux_memory::{available, present, relax, Batch, OutList};
use xen_hypercall::Xen;
use xen_sys::{Gfn, Hypervisor};

/// Everything that the lock guards.
pub(crate) struct State {
    pub(crate) balloon: Balloon,
    pub(crate) scrub: bool,
    out: OutList,
    batch: Batch,
    /// Room for the frame numbers of a batch.
    frames: KVec<u64>,
    gfns: KVec<Gfn>,
    /// The origin of the balloon's time.
    loaded: Instant<Monotonic>,
}

global_lock! {
    // SAFETY: Initialised in `Worker::start`, before anything can lock it.
    unsafe(uninit) static STATE: Mutex<Option<State>> = None;
}

static WORK: DelayedWork = DelayedWork::new(work);

/// Runs `f` on the state; `None` while the module comes or goes.
pub(crate) fn with_state<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    STATE.lock().as_mut().map(f)
}

/// The balloon has another target, or another schedule: looks at it at once.
pub(crate) fn kick() {
    WORK.queue_now();
}

/// The worker, as long as the module is loaded.
pub(crate) struct Worker;

impl Worker {
    /// Takes over the pages that an earlier load left, and begins to work when it is kicked.
    ///
    /// # Safety
    ///
    /// Called once in the module's life, before anything else here.
    pub(crate) unsafe fn start(scrub: bool) -> Result<Self> {
        let state = State::new(scrub)?;
        if state.out.count() != 0 {
            pr_info!(
                "{} KiB were given to Xen before\n",
                state.out.count().saturating_mul(PAGE_KIB)
            );
        }
        // SAFETY: As the caller promises.
        unsafe { STATE.init() };
        *STATE.lock() = Some(state);
        // SAFETY: As the caller promises; the item is not queued before this.
        unsafe { WORK.start() };
        Ok(Self)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        WORK.cancel();
        let state = STATE.lock().take();
        if let Some(mut state) = state {
            state.get_all_back();
        }
    }
}

/// Does what is to be done now, a batch at a time, then sleeps as long as the balloon says.
fn work() {
    loop {
        match with_state(State::step) {
            Some(Progress::Again) => relax(),
            Some(Progress::Later(ms)) => return WORK.queue(ms),
            Some(Progress::Done) | None => return,
        }
    }
}

enum Progress {
    Again,
    Later(u32),
    Done,
}

impl State {
    fn new(scrub: bool) -> Result<Self> {
        let room = BATCH as usize;
        let mut frames = KVec::with_capacity(room, GFP_KERNEL)?;
        frames.resize(room, 0, GFP_KERNEL)?;
        let out = OutList::adopt()?;
        Ok(Self {
            balloon: Balloon::new(Target::new(present(), None), out.count()),
            scrub,
            out,
            batch: Batch::new(room)?,
            frames,
            gfns: KVec::with_capacity(room, GFP_KERNEL)?,
            loaded: Instant::now(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.loaded.elapsed().as_millis()).unwrap_or(0)
    }

    fn step(&mut self) -> Progress {
        let now = self.now();
        match self.balloon.next(now, available()) {
            Step::Idle => return Progress::Done,
            Step::Wait(ms) => return Progress::Later(ms),
            Step::Inflate(pages) => {
                let done = self.inflate(pages);
                self.balloon.ended(now, pages, Ended::Inflated(done));
            }
            Step::Deflate(pages) => {
                let done = self.deflate(pages);
                self.balloon.ended(now, pages, Ended::Deflated(done));
            }
        }
        Progress::Again
    }

    /// Gives `pages` pages of the guest to Xen; returns how many it took.
    fn inflate(&mut self, pages: u64) -> u64 {
        let scrub = self.scrub && self.is_populated();
        self.batch.fill(pages as usize, scrub);
        let gfns = &mut self.gfns;
        let give = |frames: &[u64]| {
            as_gfns(gfns, frames);
            Xen.decrease_reservation(gfns).unwrap_or(0)
        };
        // SAFETY: Xen says for how many frames, from the first on, it took the memory.
        unsafe { self.out.put_out(&mut self.batch, give) }
    }

    /// Whether each page that the guest believes to have has memory. If it was started with less than its maximum (populate
    /// on demand), pages get their memory when they are first touched, and there is not enough for all: wiping pages
    /// that are on their way to Xen would use it up, and Xen would end the guest.
    fn is_populated(&self) -> bool {
        Xen.current_reservation()
            .map_or(true, |pages| pages >= self.balloon.current())
    }

    /// Gets memory for `pages` pages that are out; returns for how many there was some.
    fn deflate(&mut self, pages: u64) -> u64 {
        let gfns = &mut self.gfns;
        let get = |frames: &[u64]| {
            as_gfns(gfns, frames);
            Xen.populate_physmap(gfns).unwrap_or(0)
        };
        let Some(frames) = self.frames.get_mut(..pages as usize) else {
            return 0;
        };
        // SAFETY: Xen says for how many frames, from the first on, there is memory now.
        unsafe { self.out.take_back(frames, get) }
    }

    /// The module goes: gets back what Xen lets the guest have.
    fn get_all_back(&mut self) {
        while self.out.count() != 0 {
            if self.deflate(BATCH.min(self.out.count())) == 0 {
                let kib = self.out.count().saturating_mul(PAGE_KIB);
                pr_info!("{kib} KiB stay with Xen, which has no memory for them now; load xen-balloon again to use them later\n");
                return;
            }
            relax();
        }
    }
}

/// The same numbers as guest frames. There is room for a batch of them.
fn as_gfns(gfns: &mut KVec<Gfn>, frames: &[u64]) {
    gfns.clear();
    for frame in frames {
        if gfns.push_within_capacity(Gfn(*frame)).is_err() {
            break;
        }
    }
}

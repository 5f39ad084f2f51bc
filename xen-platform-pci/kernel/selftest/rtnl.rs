// SPDX-License-Identifier: GPL-2.0-only
//! Somebody who holds RTNL, the lock of Linux's network configuration, for as long as a test likes.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;
use linux::thread::{should_stop, Sleep, Thread, WaitQueue, Work};

extern "C" {
    // net/core/rtnetlink.c
    fn rtnl_lock();
    fn rtnl_unlock();
}

/// A thread that holds RTNL as long as this lives.
pub(crate) struct Holder {
    _thread: Thread<Hold>,
}

#[pin_data]
struct Hold {
    held: AtomicBool,
    #[pin]
    moved: WaitQueue,
}

impl Work for Hold {
    fn run(&self) {
        // SAFETY: A thread of ours that holds no lock; it releases this one before it ends.
        unsafe { rtnl_lock() };
        self.held.store(true, Ordering::Release);
        self.moved.wake_all();
        // Nobody but `kthread_stop` wakes it; an idle wait is not interrupted.
        let _ = self.moved.wait(Sleep::Idle, None, should_stop);
        // SAFETY: Taken above, by this thread.
        unsafe { rtnl_unlock() };
    }
}

impl Holder {
    /// Waits until RTNL is held.
    pub(crate) fn new() -> Result<Self> {
        let hold = Arc::pin_init(
            pin_init!(Hold {
                held: AtomicBool::new(false),
                moved <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )?;
        let thread = Thread::spawn(c"selftest-rtnl", hold.clone())?;
        hold.moved
            .wait(Sleep::Killable, None, || hold.held.load(Ordering::Acquire))?;
        Ok(Self { _thread: thread })
    }
}

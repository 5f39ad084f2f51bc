// SPDX-License-Identifier: GPL-2.0-only
//! The bus over a suspend of the domain.
//!
//! Stopped in this order, and set going again in the reverse one:
//!
//! 1. The worker, between two rounds: no callback of a watch runs, no device comes or goes.
//! 2. The devices: their drivers leave the backends alone.
//! 3. The store: who is at it comes to the end, nobody begins, and both streams stand between two messages.
//!
//! When the guest goes on in another domain, the connection to the store is dropped first, then what each driver had
//! with its backend; only then is anything made anew, by the worker, as after the module was loaded.

use crate::link::{Io, REQUEST_LIMIT};
use crate::service::{shared, Link, Shared};
use crate::DeviceRef;
use core::ops::Deref;
use core::sync::atomic::Ordering;
use kernel::prelude::*;
use kernel::sync::MutexGuard;
use linux::thread::{now_ms, Sleep};
use xen_sys::Suspended;
use xenbus::Millis;

/// Pause between two looks at the streams.
const LOOK: Millis = 20;

/// Brings the bus to rest, calls `stop`, and sets it going again: as it was, or, when `stop` says so, in a new domain. Not
/// from a callback of the bus.
///
/// # Errors
/// `ETIMEDOUT` when the bus has not come to rest when the clock ([`now_ms`]) says `until`, `EBUSY` when it is at rest for
/// somebody else already, `ENODEV` without bus, or what `stop` said; all goes on as it was then.
pub fn suspend(until: Millis, stop: impl FnOnce() -> Result<Suspended>) -> Result<Suspended> {
    let shared = shared()?;
    let paused = Paused::new(&shared, until)?;
    let devices = shared.snapshot()?;
    let stopped = Devices::stop(&devices);
    let quiet = Quiet::new(&shared, until)?;
    let outcome = stop();
    if outcome == Ok(Suspended::Resumed) {
        quiet.lose();
        stopped.lose();
        shared.set_link(Link::Down);
    } else {
        drop(quiet);
        drop(stopped);
    }
    drop(paused);
    outcome
}

/// The worker makes no round as long as this lives.
struct Paused<'a>(&'a Shared);

impl<'a> Paused<'a> {
    fn new(shared: &'a Shared, until: Millis) -> Result<Self> {
        if shared.pausing.swap(true, Ordering::AcqRel) {
            return Err(EBUSY);
        }
        let this = Self(shared);
        shared.worker.wake_all();
        let paused = || shared.paused.load(Ordering::Acquire);
        let leaving = || shared.leaving.load(Ordering::Relaxed);
        let limit = Some(until.saturating_sub(now_ms()));
        let waited = shared
            .changed
            .wait(Sleep::Idle, limit, || paused() || leaving())?;
        match (paused(), waited) {
            (true, _) => Ok(this),
            (false, true) => Err(ENODEV),
            (false, false) => Err(ETIMEDOUT),
        }
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.pausing.store(false, Ordering::Release);
        self.0.call_worker();
    }
}

/// Devices whose drivers leave the backends alone; they go on on drop.
struct Devices<'a>(&'a [DeviceRef]);

impl<'a> Devices<'a> {
    fn stop(devices: &'a [DeviceRef]) -> Self {
        devices.iter().for_each(|device| device.suspend());
        Self(devices)
    }

    fn lose(self) {
        let devices = core::mem::take(&mut { self }.0);
        devices.iter().for_each(|device| device.lose());
    }
}

impl Drop for Devices<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|device| device.resume());
    }
}

/// Nobody is at the store, and the streams stand between two messages.
struct Quiet<'a> {
    io: MutexGuard<'a, Io>,
    _held: Held<'a>,
}

impl<'a> Quiet<'a> {
    fn new(shared: &'a Shared, until: Millis) -> Result<Self> {
        let held = Held::new(shared)?;
        loop {
            if now_ms() >= until {
                return Err(ETIMEDOUT);
            }
            let quiet = shared.hold.lock().is_quiet();
            let io = shared.io.lock();
            if quiet && io.is_at_rest() {
                return Ok(Self { io, _held: held });
            }
            drop(io);
            // The time is short, and what it waits for is looked at again.
            let _ = shared.changed.wait(Sleep::Idle, Some(LOOK), || false);
        }
    }

    /// The store is another one.
    fn lose(mut self) {
        let shared = self._held.0;
        let connection = self.io.connection.take();
        self.io.reset(EIO);
        // Whoever waits for the store gets an error at once, until it is looked for again.
        shared.set_link(Link::Lost);
        drop(self);
        drop(connection);
    }
}

/// Nobody begins a request as long as this lives.
struct Held<'a>(&'a Shared);

impl<'a> Held<'a> {
    fn new(shared: &'a Shared) -> Result<Self> {
        match shared.hold.lock().hold() {
            true => Ok(Self(shared)),
            false => Err(EBUSY),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.hold.lock().release();
        self.0.changed.wake_all();
    }
}

/// Somebody is at the store: a request outside of transactions, or a whole transaction.
pub(crate) struct Pass<T: Deref<Target = Shared>>(T);

impl<T: Deref<Target = Shared>> Pass<T> {
    /// Waits until requests may begin.
    ///
    /// # Errors
    /// `ETIMEDOUT` when that takes too long, `ERESTARTSYS` when the caller is killed.
    pub(crate) fn new(shared: T) -> Result<Self> {
        loop {
            if shared.hold.lock().enter() {
                return Ok(Self(shared));
            }
            let released = || !shared.hold.lock().is_held();
            let limit = Some(REQUEST_LIMIT);
            if !shared.changed.wait(Sleep::Killable, limit, released)? {
                return Err(ETIMEDOUT);
            }
        }
    }
}

impl<T: Deref<Target = Shared>> Drop for Pass<T> {
    fn drop(&mut self) {
        if self.0.hold.lock().leave() {
            self.0.changed.wake_all();
        }
    }
}

impl Shared {
    /// Stays here as long as the bus is to rest; from the worker, between two rounds.
    pub(crate) fn pause_here(&self) {
        let pausing = || self.pausing.load(Ordering::Acquire);
        if !pausing() {
            return;
        }
        self.paused.store(true, Ordering::Release);
        self.changed.wake_all();
        // Without a limit, and whether or not this thread is to end: a suspend comes to its own end. An idle wait is not
        // interrupted.
        let _ = self.worker.wait(Sleep::Idle, None, || !pausing());
        self.paused.store(false, Ordering::Release);
    }
}

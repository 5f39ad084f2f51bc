// SPDX-License-Identifier: GPL-2.0-only
//! The thread that brings the connection up, runs callbacks, and moves the devices.

use crate::connection::Connection;
use crate::device::Device;
use crate::enumerate::Enumerator;
use crate::service::{Link, Shared};
use crate::store::Watch;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use linux::bus::Bus;
use linux::thread::{now_ms, should_stop, Sleep, Work};
use xenbus::transaction::Scope;
use xenbus::watch::registration::Registration;
use xenbus::wire::Operation;

/// How long the store may take for its first answer, or to begin the streams anew, in milliseconds.
const OPENING_LIMIT: u64 = 5_000;
/// Pause before the first further attempt to connect; each one doubles it.
const PAUSE_MIN: u64 = 500;
/// Longest pause between two attempts.
const PAUSE_MAX: u64 = 5_000;
/// Callbacks in a row before the devices are looked at.
const CALLBACKS: u32 = 64;
/// Pause before another look at the devices, when one failed.
const SCAN_PAUSE: u64 = 1_000;

/// What the thread works on.
#[pin_data]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    enumerator: Arc<Enumerator>,
    /// The watch for devices.
    #[pin]
    root: Mutex<Option<Watch>>,
    /// When to try to connect again.
    attempt_at: AtomicU64,
    /// How long to pause after that.
    pause: AtomicU64,
    /// People know that there is no connection.
    told: AtomicBool,
    /// Watches that the store does not know of.
    #[pin]
    registration: Mutex<Registration>,
}

impl Work for Worker {
    fn run(&self) {
        self.shared.become_worker();
        match self
            .shared
            .watch(xenbus::device::ROOT, self.enumerator.clone())
        {
            Ok(watch) => *self.root.lock() = Some(watch),
            Err(error) => {
                pr_err!(
                    "no device can be found: they cannot be watched for ({:?})\n",
                    error
                );
            }
        }
        while !should_stop() {
            self.shared.pause_here();
            let limit = self.round();
            // Each way the wait ends there is another round to make.
            let _ = self.shared.worker.wait(Sleep::Idle, limit, || {
                should_stop()
                    || self.shared.due.load(Ordering::Acquire)
                    || self.shared.attention.load(Ordering::Acquire)
                    || self.shared.pausing.load(Ordering::Acquire)
            });
        }
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, bus: Arc<Bus<Device>>) -> Result<Arc<Self>> {
        let enumerator = Enumerator::new(shared.clone(), bus)?;
        Arc::pin_init(
            pin_init!(Self {
                shared,
                enumerator,
                root <- new_mutex!(None),
                attempt_at: AtomicU64::new(0),
                pause: AtomicU64::new(PAUSE_MIN),
                told: AtomicBool::new(false),
                registration <- new_mutex!(Registration::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Does all that is due, and says how many milliseconds there may be nothing to do; `None` for any number.
    fn round(&self) -> Option<u64> {
        let shared = &self.shared;
        shared.attention.store(false, Ordering::Release);
        shared.due.store(false, Ordering::Release);
        self.keep_connected();
        let watches_due = {
            let mut registration = self.registration.lock();
            shared.register_due(&mut registration);
            registration.due()
        };
        let mut callbacks = 0..CALLBACKS;
        while !should_stop() && shared.run_callback() {
            if callbacks.next().is_none() {
                // A flood of events: the devices have their turn, too.
                shared.due.store(true, Ordering::Release);
                break;
            }
        }
        let mut next = match shared.link() {
            Link::Up => watches_due.unwrap_or(u64::MAX),
            Link::Stopped => u64::MAX,
            Link::Down | Link::Opening | Link::Lost => self.attempt_at.load(Ordering::Relaxed),
        };
        if self.enumerator.retry() {
            next = next.min(now_ms().saturating_add(SCAN_PAUSE));
        }
        match shared.snapshot() {
            Ok(devices) => {
                for device in devices.iter() {
                    device.attend();
                    next = next.min(device.tick().unwrap_or(u64::MAX));
                }
            }
            Err(_) => {
                shared.attention.store(true, Ordering::Release);
                next = next.min(now_ms().saturating_add(SCAN_PAUSE));
            }
        }
        (next != u64::MAX).then(|| next.saturating_sub(now_ms()))
    }

    /// Connects to the store, if it is time to try.
    fn keep_connected(&self) {
        let link = self.shared.link();
        let now = now_ms();
        if matches!(link, Link::Up | Link::Stopped) || now < self.attempt_at.load(Ordering::Relaxed)
        {
            return;
        }
        let result = match link {
            Link::Down => self.open(),
            Link::Lost => self.reopen(),
            _ => Ok(()),
        };
        match result.and_then(|()| self.greet()) {
            Ok(()) => {
                self.pause.store(PAUSE_MIN, Ordering::Relaxed);
                // A store that greets well and then talks nonsense is not met, and complained about, without end.
                self.attempt_at
                    .store(now_ms().saturating_add(PAUSE_MIN), Ordering::Relaxed);
                if self.told.swap(false, Ordering::Relaxed) {
                    pr_info!("connected to xenstored\n");
                }
                self.registration.lock().begin(now_ms());
            }
            Err(error) => {
                let pause = self.pause.load(Ordering::Relaxed);
                self.attempt_at
                    .store(now_ms().saturating_add(pause), Ordering::Relaxed);
                self.pause
                    .store(pause.saturating_mul(2).min(PAUSE_MAX), Ordering::Relaxed);
                self.tell(error);
            }
        }
    }

    fn tell(&self, error: Error) {
        if self.told.swap(true, Ordering::Relaxed) || should_stop() {
            return;
        }
        match error {
            error if error == ENOTCONN => {
                pr_info!("xenstored is not there yet: devices come when it is\n");
            }
            error if error == ENOSYS => pr_err!(
                "this xenstored cannot begin a connection anew: restart the guest to have its devices back\n"
            ),
            error if error == ETIMEDOUT => {
                pr_warn!("xenstored does not answer: devices come when it does\n");
            }
            error => pr_err!("cannot connect to xenstored ({:?}); trying on\n", error),
        }
    }

    /// Maps the ring and joins its streams.
    fn open(&self) -> Result {
        let mut connection = Connection::open(&self.shared)?.ok_or(ENOTCONN)?;
        if !connection.is_quiet() {
            if connection.can_reconnect() {
                Self::reconnect(&mut connection)?;
            } else {
                // Whole messages, if the former owner left in good order. Their ids are none of ours.
                connection.discard_replies()?;
            }
        }
        self.shared.io.lock().connection = Some(connection);
        self.shared.set_link(Link::Opening);
        Ok(())
    }

    /// Begins the streams anew after one made no sense.
    fn reopen(&self) -> Result {
        let taken = self.shared.io.lock().connection.take();
        let Some(mut connection) = taken else {
            self.shared.set_link(Link::Down);
            return Err(EAGAIN);
        };
        let result = if connection.can_reconnect() {
            Self::reconnect(&mut connection)
        } else {
            Err(ENOSYS)
        };
        let mut io = self.shared.io.lock();
        io.connection = Some(connection);
        io.reset(EIO);
        drop(io);
        if result.is_ok() {
            self.shared.set_link(Link::Opening);
        }
        result
    }

    /// Has the store begin the streams anew.
    fn reconnect(connection: &mut Connection) -> Result {
        let deadline = now_ms().saturating_add(OPENING_LIMIT);
        connection.reconnect();
        while !connection.is_reconnected() {
            if now_ms() >= deadline || should_stop() {
                return Err(ETIMEDOUT);
            }
            kernel::time::delay::fsleep(kernel::time::Delta::from_millis(10));
        }
        Ok(())
    }

    /// Asks the store to forget what it knows of us; any answer shows that it is there.
    fn greet(&self) -> Result {
        let deadline = now_ms().saturating_add(OPENING_LIMIT);
        let answer = self
            .shared
            .exchange(Operation::ResetWatches, Scope::Free, &[b"\0"], deadline);
        match answer {
            Err(error) if [ETIMEDOUT, EIO, ENOMEM, ENODEV, EBUSY, ERESTARTSYS].contains(&error) => {
                Err(error)
            }
            // An old store does not know the request, and has no watches of a former owner then.
            _ => {
                self.shared.set_link(Link::Up);
                Ok(())
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A device between its driver and its backend: carrying out what the state machine says.

use crate::device::{Device, Otherend, WANTS_BEGIN, WANTS_FAULT};
use crate::driver::{Frontend, Vtable};
use crate::store::{self, Event, Watch, WatchHandler};
use crate::DeviceRef;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::{Arc, MutexGuard};
use linux::bus::BusDevice;
use linux::thread::{now_ms, NoIo, Sleep};
use xen_grants::TooManyKept;
use xen_sys::XenbusState;
use xenbus::frontend::{Action, Backend, Input, Machine, PeerState};
use xenbus::{path, text, Millis};

/// Pause before what the store did not do is tried again, in milliseconds.
const RETRY_PAUSE: Millis = 1_000;

/// What a driver makes of a device. While it is locked no other call into the driver begins.
pub(crate) struct Core {
    bound: Option<Bound>,
}

/// A device that a driver has.
struct Bound {
    driver: &'static Vtable,
    machine: Machine,
    /// Until the driver has no more part in the device.
    frontend: Option<Arc<dyn Frontend>>,
    /// The watch of the backend's state.
    watch: Option<Watch>,
    /// People know that there is no backend.
    complained: bool,
}

impl Core {
    pub(crate) fn new() -> Self {
        Self { bound: None }
    }

    fn frontend(&self) -> Option<&Arc<dyn Frontend>> {
        self.bound.as_ref()?.frontend.as_ref()
    }
}

/// Tells the device when its backend's state changes.
struct BackendWatch(DeviceRef);

impl WatchHandler for BackendWatch {
    fn changed(&self, _event: Event<'_>) {
        self.0.read_backend_state();
    }
}

/// Whether a moment, 0 for never, has come.
fn is_due(time: &AtomicU64) -> bool {
    let time = time.load(Ordering::Acquire);
    time != 0 && now_ms() >= time
}

impl Device {
    /// Gives the device to a driver. The worker does the rest.
    pub(crate) fn bind(device: &BusDevice<Self>, driver: &'static Vtable) -> Result {
        // Whoever binds holds locks that the worker waits for, and the worker brings disks back.
        let _no_io = NoIo::new();
        let frontend = (driver.probe)(&device.into())?;
        device.connecting.store(true, Ordering::Release);
        device.refresh_state();
        device.core.lock().bound = Some(Bound {
            driver,
            machine: Machine::following(device.shown()),
            frontend: Some(frontend),
            watch: None,
            complained: false,
        });
        device.want(WANTS_BEGIN);
        Ok(())
    }

    /// Takes the device away from its driver: closes it, waiting for the backend within limits.
    pub(crate) fn unbind(&self) {
        // As in `bind`.
        let _no_io = NoIo::new();
        self.leave(Input::Unbind);
        let bound = self.core.lock().bound.take();
        *self.otherend.lock() = None;
        self.deadline.store(0, Ordering::Release);
        self.retry_at.store(0, Ordering::Release);
        self.unwritten.store(false, Ordering::Release);
        // Not under the lock: it waits for the watch's callback, which takes it.
        drop(bound);
    }

    /// Begins to make room for another kernel. [`Self::retire`] follows.
    pub(crate) fn begin_retire(&self) {
        self.step(&mut self.core.lock(), Input::Retire);
    }

    /// Closes the device for the next kernel, waiting for the backend within limits. Requests wait from now on.
    pub(crate) fn retire(&self) {
        self.leave(Input::Retire);
    }

    /// Goes on until the driver has no more part in the device.
    fn leave(&self, mut input: Input) {
        loop {
            let mut core = self.core.lock();
            self.step(&mut core, input);
            let gone = core
                .bound
                .as_ref()
                .is_none_or(|bound| bound.machine.is_gone());
            if gone {
                break;
            }
            let seen = self.steps.load(Ordering::Acquire);
            drop(core);
            let limit = self
                .deadline
                .load(Ordering::Acquire)
                .saturating_sub(now_ms())
                .max(1);
            // An idle wait is not interrupted; it ends with a step of the worker's or at the machine's time.
            let _ = self.moved.wait(Sleep::Idle, Some(limit), || {
                self.steps.load(Ordering::Acquire) != seen
            });
            input = Input::Tick;
        }
    }

    /// Begins to take the device away from `driver`, if it has it. [`Self::unbind`] follows.
    pub(crate) fn begin_unbind(&self, driver: &'static Vtable) {
        let mut core = self.core.lock();
        if core
            .bound
            .as_ref()
            .is_some_and(|bound| core::ptr::eq(bound.driver, driver))
        {
            self.step(&mut core, Input::Unbind);
        }
    }

    /// The device's nodes are gone or are another device's. [`Self::unbind`] follows.
    pub(crate) fn vanish(&self) {
        self.step(&mut self.core.lock(), Input::Vanish);
    }

    /// Does what the device asked the worker for.
    pub(crate) fn attend(&self) {
        let wants = self.wants.swap(0, Ordering::AcqRel);
        if wants & WANTS_BEGIN != 0 {
            self.begin();
        }
        if wants & WANTS_FAULT != 0 {
            self.step(&mut self.core.lock(), Input::Fault);
        }
    }

    /// Does what is due by now, and says when something will be next; `None` for never.
    pub(crate) fn tick(&self) -> Option<Millis> {
        if is_due(&self.retry_at) {
            self.retry_at.store(0, Ordering::Release);
            self.begin();
            if self.unwritten.swap(false, Ordering::AcqRel) {
                let _core = self.core.lock();
                self.write_state(self.shown());
            }
            self.read_backend_state();
        }
        if is_due(&self.deadline) {
            self.step(&mut self.core.lock(), Input::Tick);
        }
        let times = [&self.retry_at, &self.deadline];
        let next = times.map(|time| time.load(Ordering::Acquire));
        next.into_iter().filter(|time| *time != 0).min()
    }

    /// The store did not do what it should: has the worker try again, later.
    fn retry_later(&self) {
        let at = now_ms().saturating_add(RETRY_PAUSE);
        self.retry_at.store(at, Ordering::Release);
        self.shared.call_worker();
    }

    /// Finds the backend and begins to watch it, if a driver waits for that.
    pub(crate) fn begin(&self) {
        let mut core = self.core.lock();
        let Some(bound) = core.bound.as_mut().filter(|bound| bound.watch.is_none()) else {
            return;
        };
        match self.watch_backend() {
            Ok(watch) => bound.watch = Some(watch),
            Err(error) => {
                if !core::mem::replace(&mut bound.complained, true) {
                    let name = self.name();
                    pr_warn!("{name}: no usable backend in xenstore ({error:?})\n");
                }
                if error != ENOENT && error != EINVAL {
                    self.retry_later();
                }
                // Else it is looked for again when its nodes change.
                self.connecting.store(false, Ordering::Release);
                self.moved.wake_all();
            }
        }
    }

    fn watch_backend(&self) -> Result<Watch> {
        let otherend = self.find_otherend()?;
        let state = store::join(&[otherend.path(), b"state"])?;
        *self.otherend.lock() = Some(Arc::new(otherend, GFP_KERNEL)?);
        // SAFETY: A `Device` is only ever made by `BusDevice::add`, in `enumerate`.
        let device = unsafe { BusDevice::carrying(self) };
        store::watch(&state, Arc::new(BackendWatch(device.into()), GFP_KERNEL)?)
    }

    /// Where the store says that the backend is.
    fn find_otherend(&self) -> Result<Otherend> {
        let value = self.read(b"backend")?;
        let absolute = value.first() == Some(&b'/');
        if !absolute || path::check(&value).is_err() {
            return Err(EINVAL);
        }
        let mut place = KVec::new();
        place.extend_from_slice(&value, GFP_KERNEL)?;
        let domid = text::parse_domid(&self.read(b"backend-id")?).ok_or(EINVAL)?;
        Ok(Otherend::new(place, domid))
    }

    /// Whether the device's nodes belong to another device than the one that was taken up: it has another backend, or
    /// the toolstack made it anew. What the store did not take of ours yet says nothing.
    pub(crate) fn is_replaced(&self) -> bool {
        // With the lock, so that our own writes of the state are not in between.
        let core = self.core.lock();
        let Some(known) = self.otherend() else {
            self.refresh_state();
            return false;
        };
        let now = self.find_otherend();
        if now.is_ok_and(|now| now.path() != known.path() || now.domid() != known.domid()) {
            return true;
        }
        let state = self.read(b"state").map(|value| text::parse_state(&value));
        let shown = self.shown();
        let unwritten = self.unwritten.load(Ordering::Acquire);
        drop(core);
        !unwritten
            && state == Ok(Some(XenbusState::Initialising))
            && shown != XenbusState::Initialising
    }

    /// Without a driver, the device shows what the store says.
    fn refresh_state(&self) {
        let read = self.read(b"state").map(|value| text::parse_state(&value));
        if let Ok(Some(state)) = read {
            self.state.store(state.number(), Ordering::Relaxed);
        }
    }

    /// Reads what the backend shows and tells the state machine.
    fn read_backend_state(&self) {
        let state = match self.read_backend(b"state") {
            Ok(value) => PeerState::parse(Some(&value)),
            Err(error) if error == ENOENT || error == EACCES => PeerState::Missing,
            // No driver has the device any more.
            Err(error) if error == ENODEV => return,
            Err(_) => return self.retry_later(),
        };
        // Taken for online, a backend that is told to go would be connected anew.
        let offline = match self.read_backend(b"online") {
            Ok(value) => &*value == b"0",
            Err(error) if error == ENOENT || error == EACCES => false,
            Err(error) if error == ENODEV => return,
            Err(_) => return self.retry_later(),
        };
        let online = state != PeerState::Missing && !offline;
        self.step(
            &mut self.core.lock(),
            Input::Backend(Backend { state, online }),
        );
    }

    /// Tells the state machine and carries out what it says.
    fn step(&self, core: &mut MutexGuard<'_, Core>, input: Input) {
        let Some(bound) = core.bound.as_mut() else {
            return;
        };
        bound.machine.handle(input, now_ms());
        while let Some(action) = bound.machine.next_action() {
            if let Some(outcome) = self.carry_out(bound, action) {
                bound.machine.handle(outcome, now_ms());
            }
        }
        self.stepped(&bound.machine);
    }

    /// Lets everybody know that the state machine may have moved.
    fn stepped(&self, machine: &Machine) {
        self.connecting
            .store(machine.is_connecting(), Ordering::Release);
        self.deadline
            .store(machine.deadline().unwrap_or(0), Ordering::Release);
        self.steps.fetch_add(1, Ordering::AcqRel);
        self.moved.wake_all();
        if !self.shared.is_worker() {
            // It may have to wake up earlier now.
            self.shared.call_worker();
        }
    }

    /// Has the driver leave the backend alone.
    pub(crate) fn suspend(&self) {
        if let Some(frontend) = self.core.lock().frontend() {
            frontend.suspend(self);
        }
    }

    /// Has the driver go on with the backend.
    pub(crate) fn resume(&self) {
        if let Some(frontend) = self.core.lock().frontend() {
            frontend.resume(self);
        }
    }

    /// The domain is another one: has the driver drop what it had with the old one's backend, and begins anew. While the
    /// worker makes no round and the link is not up.
    pub(crate) fn lose(&self) {
        let mut core = self.core.lock();
        let Some(bound) = core.bound.as_mut() else {
            return;
        };
        if let Some(frontend) = &bound.frontend {
            frontend.lost(self);
        }
        self.wants.fetch_and(!WANTS_FAULT, Ordering::AcqRel);
        self.retry_at.store(0, Ordering::Release);
        self.unwritten.store(false, Ordering::Release);
        *self.otherend.lock() = None;
        bound.complained = false;
        bound.machine.handle(Input::Resume, now_ms());
        while let Some(action) = bound.machine.next_action() {
            match action {
                // The driver has closed just now.
                Action::Close => {}
                // The toolstack has written that: the device's nodes are new ones.
                Action::WriteState(state) => self.state.store(state.number(), Ordering::Relaxed),
                other => drop(self.carry_out(bound, other)),
            }
        }
        self.stepped(&bound.machine);
        let watch = bound.watch.take();
        drop(core);
        drop(watch);
        self.want(WANTS_BEGIN);
    }

    fn carry_out(&self, bound: &mut Bound, action: Action) -> Option<Input> {
        let frontend = bound.frontend.as_ref()?;
        match action {
            Action::Publish => {
                let state = self.may_publish().and_then(|()| frontend.publish(self));
                self.report("set up", state.as_ref().err());
                return Some(Input::Published(state.ok()));
            }
            Action::Connect => {
                let result = frontend.connect(self);
                self.report("connect", result.as_ref().err());
                return Some(Input::Connected(result.is_ok()));
            }
            Action::Changed => frontend.changed(self),
            Action::Close => {
                frontend.closing(self);
                // What was wrong with the rings went with them.
                self.wants.fetch_and(!WANTS_FAULT, Ordering::AcqRel);
            }
            Action::WriteState(state) => self.write_state(state),
            Action::ReportStall => pr_warn!(
                "{}: the backend does not connect; look at its messages in domain {}\n",
                self.name(),
                self.otherend_id().0
            ),
            Action::Remove => {
                frontend.removed(self);
                bound.frontend = None;
            }
        }
        None
    }

    /// Whether the backend's domain has let go of what it had before.
    fn may_publish(&self) -> Result {
        let backend = self.otherend_id();
        if xen_grants::may_share_with(backend).is_ok() {
            return Ok(());
        }
        // What is left of an orderly end, in which backends let go a little later than we.
        let _ = xen_grants::settle(0);
        let Err(kept) = xen_grants::may_share_with(backend) else {
            return Ok(());
        };
        let name = self.name();
        match kept {
            TooManyKept::ByDomain(pages) => pr_warn!("{name}: {pages} pages are still mapped by domain {}, whose backends have closed: restart it\n", backend.0),
            TooManyKept::ByAll(pages) => pr_warn!("{name}: {pages} pages are still mapped by backends that have closed: restart the domains that have them\n"),
        }
        Err(EBUSY)
    }

    fn report(&self, what: &str, error: Option<&Error>) {
        if let Some(error) = error {
            pr_warn!(
                "{}: cannot {} the device ({:?}); trying again later\n",
                self.name(),
                what,
                error
            );
        }
    }

    /// Writes the `state` node, unless the toolstack has removed it: writing would make it anew.
    fn write_state(&self, state: XenbusState) {
        self.state.store(state.number(), Ordering::Relaxed);
        let written = self.transaction(|transaction| {
            transaction.read(b"state")?;
            transaction.write(b"state", fmt!("{}", state.number()))
        });
        match written {
            // The toolstack took the nodes away, or is about to.
            Ok(()) => {}
            Err(error) if error == ENOENT || error == EACCES => {}
            Err(error) => {
                let (name, state) = (self.name(), state.name());
                pr_warn!("{name}: cannot write the state {state} ({error:?}); trying again\n");
                self.unwritten.store(true, Ordering::Release);
                self.retry_later();
            }
        }
    }
}

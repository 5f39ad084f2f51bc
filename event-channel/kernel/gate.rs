// SPDX-License-Identifier: GPL-2.0-only
//! Between a port's interrupt and its driver's handler: closes the port for a time when its events bring no work
//! ([`event_channel::Throttle`]).
//!
//! A port is closed by its mask bit, without a hypercall, on the CPU that has just served it. An event that comes meanwhile
//! waits; a timer opens the port again.

use crate::slot::Slot;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use event_channel::{Handled, MaskReason, SharedPorts, Throttle, ThrottleCounters};
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::{prelude::*, time::msecs_to_jiffies};
use linux::irq::Handler;
use linux::timer::{Expired, HardTimer};

const NANOSECONDS: u64 = 1_000_000_000;

/// What a channel calls for its events.
pub trait EventHandler: Send + Sync + 'static {
    /// An event has come, or it seems so. Hard interrupt context, never on two CPUs at a time. Whoever answers
    /// [`Handled::Later`] calls [`EventChannel::judged`](crate::EventChannel::judged) once he knows.
    fn handle(&self) -> Handled;
}

/// The event channels of one device: what they have seen together, and how patient they are.
#[pin_data]
pub struct DeviceEvents {
    throttle: ThrottleCounters,
    /// Events of channels that are closed.
    past: AtomicU64,
    #[pin]
    slots: Mutex<KVec<&'static Slot>>,
}

impl DeviceEvents {
    /// A device without channels.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            throttle: ThrottleCounters::new(),
            past: AtomicU64::new(0),
            slots <- new_mutex!(KVec::new()),
        })
    }

    /// Channels that are open. Process context, as all of these.
    pub fn event_channels(&self) -> u64 {
        self.slots.lock().len() as u64
    }

    /// Events that were handled.
    pub fn events(&self) -> u64 {
        let slots = self.slots.lock();
        let now: u64 = slots.iter().map(|slot| slot.state().events()).sum();
        self.past.load(Relaxed).wrapping_add(now)
    }

    /// Events without work.
    pub fn spurious_events(&self) -> u64 {
        self.throttle.spurious()
    }

    /// Jiffies for which channels were closed because of them.
    pub fn jiffies_eoi_delayed(&self) -> u64 {
        self.throttle.ticks()
    }

    /// So many in a row close no channel.
    pub fn spurious_threshold(&self) -> u32 {
        self.throttle.threshold()
    }

    /// Changes that.
    pub fn set_spurious_threshold(&self, threshold: u32) {
        self.throttle.set_threshold(threshold);
    }
}

/// A port's way to be closed for a time.
///
/// # Invariants
///
/// Always in an `Arc`, and `device.slots` has the slot as long as this lives.
pub(crate) struct Gate {
    /// Dropped first: it may be about to open the port.
    timer: HardTimer,
    throttle: Throttle,
    device: Arc<DeviceEvents>,
    slot: &'static Slot,
    ports: SharedPorts<'static>,
    /// Jiffies of a second.
    second: u32,
}

impl Gate {
    /// The gate of a slot that is bound and not yet open.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new(
        slot: &'static Slot,
        ports: SharedPorts<'static>,
        device: Arc<DeviceEvents>,
    ) -> Result<Arc<Self>> {
        device.slots.lock().push(slot, GFP_KERNEL)?;
        let timer = HardTimer::new().inspect_err(|_| forget(&device, slot))?;
        // INVARIANT: It was pushed above; if there is no memory, dropping the gate takes it out.
        let gate = Self {
            timer,
            throttle: Throttle::new(),
            device,
            slot,
            ports,
            second: msecs_to_jiffies(1000).max(1) as u32,
        };
        Ok(Arc::new(gate, GFP_KERNEL)?)
    }

    /// The handler has run.
    #[inline]
    fn handled(&self, handled: Handled) {
        let counters = &self.device.throttle;
        if let Some(jiffies) = self.throttle.handled(handled, counters, self.second) {
            self.close(jiffies);
        }
    }

    /// Who was left to find out whether there was work has looked.
    #[inline]
    pub(crate) fn judged(&self, work: bool) {
        let counters = &self.device.throttle;
        if let Some(jiffies) = self.throttle.judged(work, counters, self.second) {
            self.close(jiffies);
        }
    }

    /// Lets no event through for so many jiffies. Any context, with preemption off.
    #[cold]
    fn close(&self, jiffies: u32) {
        self.slot.mask(self.ports, MaskReason::Throttle);
        let jiffy = NANOSECONDS / u64::from(self.second);
        // SAFETY: The timer is part of this gate and dropped before the rest of it, and the gate is in an `Arc`, where it
        // does not move. There is no other target.
        unsafe { self.timer.start(jiffy.wrapping_mul(jiffies.into()), self) };
    }
}

impl Expired for Gate {
    fn expired(&self) {
        self.slot.unmask(self.ports, MaskReason::Throttle);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        forget(&self.device, self.slot);
    }
}

/// Takes a slot off its device.
fn forget(device: &DeviceEvents, slot: &Slot) {
    let mut slots = device.slots.lock();
    device.past.fetch_add(slot.state().events(), Relaxed);
    slots.retain(|other| !core::ptr::eq(*other, slot));
}

/// The handler of a port's interrupt.
pub(crate) struct Gated<H> {
    handler: Arc<H>,
    gate: Arc<Gate>,
}

impl<H: EventHandler> Gated<H> {
    /// Lets events to `handler` through `gate`.
    pub(crate) fn new(handler: Arc<H>, gate: &Arc<Gate>) -> Self {
        Self {
            handler,
            gate: gate.clone(),
        }
    }
}

impl<H: EventHandler> Handler for Gated<H> {
    #[inline]
    fn handle(&self) {
        self.gate.handled(self.handler.handle());
    }
}

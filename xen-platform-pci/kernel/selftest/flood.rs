// SPDX-License-Identifier: GPL-2.0-only
//! A port that is flooded with events which bring no work, while a game of ping-pong goes on elsewhere.

use crate::events::{ok, send, FarEnd, Game};
use crate::{ensure, Failure};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::cpu::CpuId;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::time::{delay::fsleep, Delta};
use xen_events::{DeviceEvents, EventChannel, EventHandler, Handled};
use xen_hypercall::Xen;
use xen_sys::{Domid, Hypervisor};

/// Events that are sent: one every half millisecond.
const EVENTS: u32 = 2000;

/// Counts its events and always gives the same answer.
struct Flooded {
    answer: Handled,
    seen: AtomicU32,
}

impl EventHandler for Flooded {
    fn handle(&self) -> Handled {
        self.seen.fetch_add(1, Relaxed);
        self.answer
    }
}

/// Finds out that a channel's events brought no work.
struct Judge(Arc<EventChannel>);

impl EventHandler for Judge {
    fn handle(&self) -> Handled {
        self.0.judged(false);
        Handled::Work
    }
}

/// A channel to be flooded.
struct Flood {
    channel: Arc<EventChannel>,
    handler: Arc<Flooded>,
    far: FarEnd,
}

impl Flood {
    fn new(device: &Arc<DeviceEvents>, answer: Handled) -> Result<Self> {
        let seen = AtomicU32::new(0);
        let handler = Arc::new(Flooded { answer, seen }, GFP_KERNEL)?;
        let name = c"selftest-flood";
        let channel = EventChannel::alloc_unbound_of(device, Domid::SELF, name, handler.clone())?;
        let far = Xen.evtchn_bind_interdomain(Domid::SELF, channel.port());
        Ok(Self {
            channel: Arc::new(channel, GFP_KERNEL)?,
            handler,
            far: FarEnd(far.map_err(xen_hypercall::to_error)?),
        })
    }

    /// A channel whose events make a judge look.
    fn judge(&self) -> Result<EventChannel> {
        let judge = Arc::new(Judge(self.channel.clone()), GFP_KERNEL)?;
        let cpu = CpuId::from_u32(0).ok_or(EINVAL)?;
        EventChannel::bind_ipi(cpu, c"selftest-judge", judge)
    }
}

/// The handler says at once that there was nothing.
pub(crate) fn at_once() -> Result<(), Failure> {
    run(Handled::Spurious)
}

/// Somebody else says it, in his own time.
pub(crate) fn later() -> Result<(), Failure> {
    run(Handled::Later)
}

fn run(answer: Handled) -> Result<(), Failure> {
    let device = ok(Arc::pin_init(DeviceEvents::new(), GFP_KERNEL), "no memory")?;
    let flood = ok(Flood::new(&device, answer), "no channel")?;
    let channels = device.event_channels();
    ensure(channels == 1, "the device does not know its channel")?;
    let judge = match answer {
        Handled::Later => Some(ok(flood.judge(), "no judge")?),
        _ => None,
    };
    let game = Game::make()?;
    game.begin(500);
    for _ in 0..EVENTS {
        send(flood.far.0 .0);
        if let Some(judge) = &judge {
            judge.notify();
        }
        fsleep(Delta::from_micros(500));
    }
    game.end()?;
    check(&device, flood.handler.seen.load(Relaxed))?;
    drop(judge);
    let events = device.events();
    drop(flood);
    ensure(device.events() == events, "the device forgets its events")?;
    ensure(device.event_channels() == 0, "the device keeps its channel")
}

/// What came through, and what was counted.
fn check(device: &DeviceEvents, seen: u32) -> Result<(), Failure> {
    let (jiffies, spurious) = (device.jiffies_eoi_delayed(), device.spurious_events());
    pr_info!(
        "flood: {seen} of {EVENTS} events seen, {spurious} spurious, {jiffies} jiffies closed\n"
    );
    ensure(seen >= 3, "no event comes through")?;
    ensure(seen < EVENTS / 10, "the flood goes through")?;
    ensure(jiffies > 100, "the port did not wait")?;
    ensure(spurious >= 3, "spurious events were not counted")?;
    ensure(spurious <= u64::from(seen), "more were counted than came")
}

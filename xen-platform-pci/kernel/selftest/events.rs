// SPDX-License-Identifier: GPL-2.0-only
//! Event channels: delivery, masking, affinity, and traffic that goes on while ports move, close and CPUs go.
//!
//! The peer is this domain itself: two of its ports bound to each other. Most cases play ping-pong between them, each
//! handler sending the next event. One lost event ends the game for ever, and that is seen.

use crate::{ensure, flood, Case, Failure};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel::bindings;
use kernel::cpu::{nr_cpu_ids, CpuId};
use kernel::error::code::EEXIST;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_uint};
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::time::{delay::fsleep, Delta};
use xen_events::{EventChannel, EventHandler, Handled};
use xen_hypercall::Xen;
use xen_sys::{Domid, Hypervisor, Port};

pub(crate) const CASES: &[Case] = &[
    ("events: an event reaches its handler", delivery),
    ("events: a masked channel keeps its event", masking),
    ("events: a disabled interrupt keeps its event", disabling),
    (
        "events: a channel is served by the CPU it was given",
        affinity,
    ),
    ("events: a game of ping-pong comes to its end", ping_pong),
    ("events: none is lost while ports change their CPU", moves),
    (
        "events: none is lost while a driver masks and unmasks",
        mask_storm,
    ),
    ("events: channels open and close beside traffic", closing),
    ("events: none is lost while CPUs go and come", hotplug),
    (
        "events: a port that is flooded without work waits, others do not",
        flood::at_once,
    ),
    ("events: and so when that is found out later", flood::later),
    ("events: an IPI reaches its CPU, which may go and come", ipi),
    (
        "events: a virtual interrupt is bound once on each CPU",
        virq,
    ),
];

extern "C" {
    // Exported by the kernel; no header of theirs is among the bindings.
    fn add_cpu(cpu: c_uint) -> c_int;
    fn remove_cpu(cpu: c_uint) -> c_int;
}

/// One side of a game.
struct Side {
    /// The port to send to after each event; 0 to send nothing.
    next: AtomicU32,
    events: AtomicU32,
    /// Events after which to send no more.
    limit: AtomicU32,
    /// The CPU that ran the handler last, plus 1.
    cpu: AtomicU32,
}

impl EventHandler for Side {
    fn handle(&self) -> Handled {
        self.cpu.store(CpuId::current().as_u32() + 1, Relaxed);
        let events = self.events.load(Relaxed) + 1;
        self.events.store(events, Relaxed);
        if events < self.limit.load(Relaxed) {
            send(self.next.load(Relaxed));
        }
        Handled::Work
    }
}

pub(crate) fn send(port: u32) {
    if port != 0 {
        let _ = Xen.evtchn_send(Port(port));
    }
}

/// A port that is bound to one of our channels, closed on drop.
pub(crate) struct FarEnd(pub(crate) Port);

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = Xen.evtchn_close(self.0);
    }
}

/// Two channels, the far end of each being the other.
pub(crate) struct Game {
    ping: EventChannel,
    pong: EventChannel,
    sides: [Arc<Side>; 2],
    _far_end: FarEnd,
}

fn side() -> Result<Arc<Side>> {
    let zero = || AtomicU32::new(0);
    let side = Side {
        next: zero(),
        events: zero(),
        limit: zero(),
        cpu: zero(),
    };
    Ok(Arc::new(side, GFP_KERNEL)?)
}

impl Game {
    fn new() -> Result<Self> {
        let sides = [side()?, side()?];
        let [first, second] = sides.clone();
        let ping = EventChannel::alloc_unbound(Domid::SELF, c"selftest-ping", first)?;
        let far = Xen.evtchn_bind_interdomain(Domid::SELF, ping.port());
        let far = FarEnd(far.map_err(xen_hypercall::to_error)?);
        let pong = EventChannel::bind_store_port(far.0, c"selftest-pong", second)?;
        let [first, second] = &sides;
        // The port to send on is one's own: the event comes out at the far end.
        first.next.store(ping.port().0, Relaxed);
        second.next.store(far.0 .0, Relaxed);
        Ok(Self {
            ping,
            pong,
            sides,
            _far_end: far,
        })
    }

    pub(crate) fn make() -> Result<Self, Failure> {
        Self::new().map_err(|_| Failure::new("no pair of channels"))
    }

    fn events(&self) -> u32 {
        let [first, second] = &self.sides;
        first.events.load(Relaxed) + second.events.load(Relaxed)
    }

    /// Begins a game of `rounds` events on each side.
    pub(crate) fn begin(&self, rounds: u32) {
        for side in &self.sides {
            side.limit
                .store(side.events.load(Relaxed) + rounds, Relaxed);
        }
        self.ping.notify();
    }

    /// Waits until one side has seen all of its events.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        let over = || {
            let over = |side: &Arc<Side>| side.events.load(Relaxed) >= side.limit.load(Relaxed);
            self.sides.iter().any(over)
        };
        wait(over, "the game stopped: an event was lost")
    }
}

/// Waits up to 30 s.
#[track_caller]
fn wait(until: impl Fn() -> bool, what: &'static str) -> Result<(), Failure> {
    for _ in 0..30_000 {
        if until() {
            return Ok(());
        }
        fsleep(Delta::from_millis(1));
    }
    Err(Failure::new(what))
}

pub(crate) fn ok<T>(result: Result<T>, what: &'static str) -> Result<T, Failure> {
    result.map_err(|_| Failure::new(what))
}

fn delivery() -> Result<(), Failure> {
    let game = Game::make()?;
    // Binding the two ends to each other may have sent events.
    fsleep(Delta::from_millis(20));
    for _ in 0..20 {
        let before = game.events();
        game.ping.notify();
        wait(|| game.events() != before, "no event")?;
        ensure(game.events() == before + 1, "one event came twice")?;
    }
    ensure(
        game.pong.counters().events >= 20,
        "the channel has not counted its events",
    )
}

fn masking() -> Result<(), Failure> {
    let game = Game::make()?;
    fsleep(Delta::from_millis(20));
    let before = game.events();
    game.pong.mask();
    for _ in 0..3 {
        game.ping.notify();
    }
    fsleep(Delta::from_millis(50));
    ensure(game.events() == before, "an event came while masked")?;
    game.pong.unmask();
    wait(|| game.events() != before, "the event was forgotten")?;
    fsleep(Delta::from_millis(20));
    ensure(game.events() == before + 1, "more events than pending bits")
}

/// As masking, but by the interrupt core: it takes the event, and asks for it again when the interrupt is enabled.
fn disabling() -> Result<(), Failure> {
    let game = Game::make()?;
    fsleep(Delta::from_millis(20));
    let before = game.events();
    // SAFETY: The interrupt belongs to a channel that is open.
    unsafe { bindings::disable_irq(game.pong.irq()) };
    game.ping.notify();
    fsleep(Delta::from_millis(50));
    let while_disabled = game.events();
    // SAFETY: As above, and it was disabled once.
    unsafe { bindings::enable_irq(game.pong.irq()) };
    ensure(while_disabled == before, "an event came while disabled")?;
    wait(|| game.events() != before, "the event was forgotten")
}

fn affinity() -> Result<(), Failure> {
    let game = Game::make()?;
    for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
        if game.pong.set_affinity(cpu).is_err() || game.pong.cpu() != Some(cpu) {
            // It is offline, or one CPU serves all events.
            continue;
        }
        let [_, side] = &game.sides;
        let before = side.events.load(Relaxed);
        game.ping.notify();
        wait(|| side.events.load(Relaxed) != before, "no event")?;
        let served = side.cpu.load(Relaxed);
        ensure(served == cpu.as_u32() + 1, "another CPU ran the handler")?;
    }
    Ok(())
}

fn ping_pong() -> Result<(), Failure> {
    let game = Game::make()?;
    game.begin(500);
    game.end()
}

fn moves() -> Result<(), Failure> {
    let game = Game::make()?;
    game.begin(500);
    for turn in 0..100u32 {
        let cpu = |n: u32| CpuId::from_u32(n % nr_cpu_ids());
        for (channel, cpu) in [(&game.ping, cpu(turn)), (&game.pong, cpu(turn / 3))] {
            // An error means that the CPU is offline.
            let _ = cpu.map(|cpu| channel.set_affinity(cpu));
        }
        fsleep(Delta::from_micros(500));
    }
    game.end()
}

fn mask_storm() -> Result<(), Failure> {
    let game = Game::make()?;
    game.begin(500);
    for _ in 0..200 {
        game.ping.mask();
        game.pong.mask();
        game.pong.unmask();
        game.ping.unmask();
        fsleep(Delta::from_micros(200));
    }
    game.end()
}

fn closing() -> Result<(), Failure> {
    let game = Game::make()?;
    game.begin(500);
    for _ in 0..20 {
        let other = Game::make()?;
        other.begin(1_000_000);
        fsleep(Delta::from_micros(300));
        drop(other);
    }
    game.end()
}

fn hotplug() -> Result<(), Failure> {
    let game = Game::make()?;
    for cpu in (1..nr_cpu_ids()).filter_map(CpuId::from_u32) {
        for _ in 0..2 {
            if game.pong.set_affinity(cpu).is_err() {
                continue;
            }
            game.begin(200);
            // SAFETY: Both functions check that the CPU exists and can do it, and take the locks they need.
            let (gone, back) = unsafe {
                let gone = to_result(remove_cpu(cpu.as_u32()));
                (gone, to_result(add_cpu(cpu.as_u32())))
            };
            ok(gone, "the CPU does not go offline")?;
            ok(back, "the CPU does not come online again")?;
            game.end()?;
            let served = game.pong.cpu();
            let only_one = served.is_some_and(|cpu| cpu.as_u32() == 0);
            ensure(
                served == Some(cpu) || only_one,
                "the channel did not come back to its CPU",
            )?;
        }
    }
    Ok(())
}

/// The CPUs that events can be bound to.
fn ipis() -> impl Iterator<Item = (CpuId, Arc<Side>, EventChannel)> {
    (0..nr_cpu_ids()).filter_map(|cpu| {
        let (cpu, side) = (CpuId::from_u32(cpu)?, side().ok()?);
        let channel = EventChannel::bind_ipi(cpu, c"selftest-ipi", side.clone()).ok()?;
        Some((cpu, side, channel))
    })
}

/// An IPI channel's handler runs on its CPU.
fn arrives(cpu: CpuId, side: &Side, channel: &EventChannel) -> Result<(), Failure> {
    let before = side.events.load(Relaxed);
    channel.notify();
    wait(|| side.events.load(Relaxed) != before, "no IPI")?;
    let served = side.cpu.load(Relaxed);
    ensure(served == cpu.as_u32() + 1, "another CPU ran the handler")
}

fn ipi() -> Result<(), Failure> {
    let mut channels = 0;
    for (cpu, side, channel) in ipis() {
        channels += 1;
        arrives(cpu, &side, &channel)?;
        let other = CpuId::from_u32(cpu.as_u32() ^ 1).filter(|cpu| cpu.as_u32() < nr_cpu_ids());
        let moved = other.is_some_and(|cpu| channel.set_affinity(cpu).is_ok());
        ensure(!moved && channel.cpu() == Some(cpu), "an IPI has moved")?;
        if cpu.as_u32() == 0 {
            continue;
        }
        let before = side.events.load(Relaxed);
        // SAFETY: The function checks that the CPU exists and can do it, and takes the locks it needs.
        let gone = unsafe { to_result(remove_cpu(cpu.as_u32())) };
        channel.notify();
        fsleep(Delta::from_millis(20));
        let while_gone = side.events.load(Relaxed);
        // SAFETY: As above.
        let back = unsafe { to_result(add_cpu(cpu.as_u32())) };
        ok(gone.and(back), "the CPU does not go and come")?;
        ensure(while_gone == before, "an IPI was served without its CPU")?;
        wait(
            || side.events.load(Relaxed) != before,
            "the IPI was forgotten",
        )?;
        arrives(cpu, &side, &channel)?;
    }
    ensure(channels >= 1, "no IPI can be bound")
}

fn virq() -> Result<(), Failure> {
    let debug = xen_sys::generated::VIRQ_DEBUG;
    let bind = |cpu| {
        EventChannel::bind_virq(debug, cpu, c"selftest-virq", ok(side(), "no memory")?).map_err(
            |error| {
                Failure::new(if error == EEXIST {
                    "EEXIST"
                } else {
                    "no channel"
                })
            },
        )
    };
    for (cpu, ..) in ipis() {
        let channel = bind(cpu)?;
        ensure(channel.cpu() == Some(cpu), "it is bound to another CPU")?;
        let again = bind(cpu).err().map(|failure| failure.what);
        ensure(again == Some("EEXIST"), "it was bound twice")?;
        drop(channel);
        drop(bind(cpu)?);
    }
    // On the CPU that serves events whatever way upcalls come.
    let first = CpuId::from_u32(0).ok_or(Failure::new("no CPU"))?;
    let side = ok(side(), "no memory")?;
    let unknown = EventChannel::bind_virq(1000, first, c"selftest-virq", side);
    ensure(matches!(unknown, Err(EINVAL)), "there is no such interrupt")
}

/// Binds VIRQ_DEBUG, which Xen's debug key `q` raises on each vCPU, on each CPU.
pub(crate) fn debug_virqs() -> Result<KVec<EventChannel>> {
    let mut channels = KVec::new();
    for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
        let virq = xen_sys::generated::VIRQ_DEBUG;
        let channel = EventChannel::bind_virq(virq, cpu, c"selftest-debug", side()?)?;
        channels.push(channel, GFP_KERNEL)?;
    }
    Ok(channels)
}

/// Games at the same time.
const GAMES: u32 = 100;

/// Opens ports until all up to `ports` are taken, and plays with channels past those, all at the same time.
pub(crate) fn past(ports: u32) -> Result<(), Failure> {
    let mut taken = KVec::new();
    loop {
        let port = Xen.evtchn_alloc_unbound(Domid::SELF);
        let port = port.map_err(|_| Failure::new("Xen gives no more ports"))?;
        let enough = port.0 >= ports;
        ok(
            taken.push(FarEnd(port), GFP_KERNEL).map_err(Error::from),
            "no memory",
        )?;
        if enough {
            break;
        }
    }
    let mut games = KVec::new();
    for _ in 0..GAMES {
        let game = Game::make()?;
        ensure(game.ping.port().0 > ports, "a port has come back")?;
        ok(
            games.push(game, GFP_KERNEL).map_err(Error::from),
            "no memory",
        )?;
    }
    games.iter().for_each(|game| game.begin(20));
    for game in &games {
        game.end()?;
    }
    if let Some(game) = games.last() {
        let port = game.pong.port().0;
        pr_info!("the last of {GAMES} games was played with port {port}\n");
    }
    Ok(())
}

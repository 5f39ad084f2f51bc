// SPDX-License-Identifier: GPL-2.0-only
//! Xen's side of the 2-level ABI for the tests: what `evtchn_2l_set_pending`,
//! `evtchn_2l_unmask` and `evtchn_bind_vcpu` of `xen/common/event_*.c` do to the
//! shared words, step by step, and the guest glue that makes the hypercalls.
use crate::sync::{store_before_load, AtomicU32, AtomicU64, AtomicU8, Ordering::SeqCst};
use crate::{
    lost_events, MaskReason, Move, PortIndex, PortState, PortWords, Raise, SharedPorts, Upcall,
    VcpuEvents, VcpuInfo,
};
use xen_sys::Port;

/// vCPUs of the test's domain.
pub(crate) const CPUS: usize = 2;
/// The ports it uses: two in one word, one in another, and the last one.
pub(crate) const TEST_PORTS: [u32; 4] = [1, 2, 100, 4095];

struct Vcpu {
    upcall_pending: AtomicU8,
    selector: AtomicU64,
    /// The interrupt waits at the virtual APIC.
    interrupt: AtomicU32,
    events: VcpuEvents,
}

/// What the test keeps of one port.
struct Channel {
    state: PortState,
    notify_vcpu: AtomicU32,
    /// Events that the peer has produced, before it sends.
    produced: AtomicU32,
    /// What the handler found produced the last time it ran.
    consumed: AtomicU32,
    deliveries: AtomicU32,
}

pub(crate) struct Domain {
    pending: PortWords,
    mask: PortWords,
    vcpus: [Vcpu; CPUS],
    channels: [Channel; TEST_PORTS.len()],
}

pub(crate) fn index(channel: usize) -> PortIndex {
    PortIndex::new(Port(TEST_PORTS[channel])).unwrap()
}

impl Domain {
    pub(crate) fn new() -> Self {
        let words = || core::array::from_fn(|_| AtomicU64::new(0));
        let domain = Self {
            pending: words(),
            mask: words(),
            vcpus: core::array::from_fn(|_| Vcpu {
                upcall_pending: AtomicU8::new(1),
                selector: AtomicU64::new(u64::MAX),
                interrupt: AtomicU32::new(0),
                events: VcpuEvents::new(),
            }),
            channels: core::array::from_fn(|_| Channel {
                state: PortState::new(),
                notify_vcpu: AtomicU32::new(0),
                produced: AtomicU32::new(0),
                consumed: AtomicU32::new(0),
                deliveries: AtomicU32::new(0),
            }),
        };
        domain.ports().mask_all();
        for cpu in 0..CPUS {
            domain.info(cpu).reset();
        }
        domain
    }

    pub(crate) fn ports(&self) -> SharedPorts<'_> {
        SharedPorts::new(&self.pending, &self.mask)
    }

    fn info(&self, cpu: usize) -> VcpuInfo<'_> {
        let vcpu = &self.vcpus[cpu];
        VcpuInfo::new(&vcpu.upcall_pending, &vcpu.selector)
    }

    pub(crate) fn state(&self, channel: usize) -> &PortState {
        &self.channels[channel].state
    }

    pub(crate) fn events(&self, cpu: usize) -> &VcpuEvents {
        &self.vcpus[cpu].events
    }

    pub(crate) fn deliveries(&self, channel: usize) -> u32 {
        self.channels[channel].deliveries.load(SeqCst)
    }

    /// Whether the handler has seen everything that was produced.
    pub(crate) fn is_served(&self, channel: usize) -> bool {
        let channel = &self.channels[channel];
        channel.consumed.load(SeqCst) == channel.produced.load(SeqCst)
    }

    // Xen's side.

    fn announce(&self, cpu: usize, port: PortIndex) {
        let vcpu = &self.vcpus[cpu];
        let word = 1 << port.word();
        if vcpu.selector.fetch_or(word, SeqCst) & word != 0 {
            return;
        }
        store_before_load();
        if vcpu.upcall_pending.swap(1, SeqCst) == 0 {
            vcpu.interrupt.swap(1, SeqCst);
        }
    }

    fn notify_vcpu(&self, channel: usize) -> usize {
        self.channels[channel].notify_vcpu.load(SeqCst) as usize
    }

    /// The peer produces something and sends its event.
    pub(crate) fn send(&self, channel: usize) {
        self.channels[channel].produced.fetch_add(1, SeqCst);
        let (cpu, port) = (self.notify_vcpu(channel), index(channel));
        let (pending, bit) = port.of(&self.pending);
        if pending.fetch_or(bit, SeqCst) & bit != 0 {
            return;
        }
        store_before_load();
        if !self.ports().is_masked(port) {
            self.announce(cpu, port);
        }
    }

    fn evtchnop_unmask(&self, channel: usize) {
        let port = index(channel);
        let (mask, bit) = port.of(&self.mask);
        if mask.fetch_and(!bit, SeqCst) & bit == 0 {
            return;
        }
        store_before_load();
        if self.ports().is_pending(port) {
            self.announce(self.notify_vcpu(channel), port);
        }
    }

    // The guest's side.

    fn see_to(&self, channel: usize, mut raise: Raise) {
        while raise == Raise::Needed {
            self.evtchnop_unmask(channel);
            raise = self.state(channel).raised(self.ports(), index(channel));
        }
    }

    pub(crate) fn bind(&self, channel: usize, cpu: usize) {
        let (port, vcpu) = (index(channel), &self.channels[channel].notify_vcpu);
        vcpu.store(cpu as u32, SeqCst);
        let bound = self.state(channel).bind(self.ports(), port, cpu as u32);
        bound.unwrap();
        self.events(cpu).add(port);
        self.unmask(channel, MaskReason::Interrupt);
    }

    #[cfg(not(loom))]
    pub(crate) fn close(&self, channel: usize) {
        let (state, port) = (self.state(channel), index(channel));
        let cpu = state.begin_close(self.ports(), port).unwrap();
        self.events(cpu as usize).remove(port);
        state.finish_close();
        let (pending, bit) = port.of(&self.pending);
        pending.fetch_and(!bit, SeqCst);
        let channel = &self.channels[channel];
        channel
            .consumed
            .store(channel.produced.load(SeqCst), SeqCst);
    }

    pub(crate) fn mask(&self, channel: usize, reason: MaskReason) {
        let state = self.state(channel);
        state.mask(self.ports(), index(channel), reason);
    }

    pub(crate) fn unmask(&self, channel: usize, reason: MaskReason) {
        let state = self.state(channel);
        let raise = state.unmask(self.ports(), index(channel), reason);
        self.see_to(channel, raise);
    }

    pub(crate) fn move_to(&self, channel: usize, cpu: usize, refused: bool) {
        let (state, port) = (self.state(channel), index(channel));
        let moving = Move::begin(state, self.ports(), port).unwrap();
        let raise = if refused {
            moving.abandon()
        } else {
            let vcpu = &self.channels[channel].notify_vcpu;
            vcpu.store(cpu as u32, SeqCst);
            store_before_load();
            let old = self.events(moving.origin() as usize);
            moving.finish(old, self.events(cpu), cpu as u32)
        };
        self.see_to(channel, raise);
    }

    /// What the guest does some time after the last move.
    pub(crate) fn find_lost(&self) {
        for port in lost_events(self.ports()) {
            let channel = (0..TEST_PORTS.len()).find(|&channel| index(channel) == port);
            if let Some(channel) = channel {
                let raise = self.state(channel).raise_again(self.ports(), port);
                self.see_to(channel, raise);
            }
        }
    }

    fn deliver(&self, port: PortIndex) {
        let channel = (0..TEST_PORTS.len()).find(|&channel| index(channel) == port);
        let channel = &self.channels[channel.unwrap()];
        channel.deliveries.fetch_add(1, SeqCst);
        channel.state.count_event();
        let produced = channel.produced.load(SeqCst);
        channel.consumed.store(produced, SeqCst);
    }

    /// Takes the interrupt of `cpu` if one waits. `then` runs after each delivery.
    pub(crate) fn interrupt(&self, cpu: usize, mut then: impl FnMut(PortIndex)) -> bool {
        if self.vcpus[cpu].interrupt.swap(0, SeqCst) == 0 {
            return false;
        }
        let _: Upcall = self.upcall(cpu, &mut then);
        true
    }

    /// Takes the interrupt of `cpu` if one waits, and puts the upcall off.
    pub(crate) fn postpone(&self, cpu: usize) {
        if self.vcpus[cpu].interrupt.swap(0, SeqCst) != 0 {
            self.events(cpu).postpone(self.info(cpu));
        }
    }

    /// Serves what was put off.
    pub(crate) fn catch_up(&self, cpu: usize, mut then: impl FnMut(PortIndex)) {
        self.events(cpu)
            .catch_up(self.info(cpu), self.ports(), |port| {
                self.deliver(port);
                then(port);
            });
    }

    /// An upcall, whether Xen asked for one or not.
    pub(crate) fn upcall(&self, cpu: usize, mut then: impl FnMut(PortIndex)) -> Upcall {
        self.events(cpu)
            .upcall(self.info(cpu), self.ports(), |port| {
                self.deliver(port);
                then(port);
            })
    }

    /// Takes interrupts until none waits.
    pub(crate) fn settle(&self) {
        while (0..CPUS).any(|cpu| self.interrupt(cpu, |_| {})) {}
    }
}

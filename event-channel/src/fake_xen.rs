// SPDX-License-Identifier: GPL-2.0-only
//! Xen for the tests, with either ABI: what `evtchn_2l_set_pending`,
//! `evtchn_2l_unmask` and `evtchn_bind_vcpu` of `xen/common/event_*.c` do to the
//! 2-level ABI's shared words, step by step, and the guest glue that makes the hypercalls. The FIFO ABI's side is in
//! `fake_fifo`.
use crate::fake_fifo::FifoXen;
use crate::sync::{store_before_load, AtomicU32, AtomicU64, AtomicU8, Ordering::SeqCst};
use crate::{
    lost_events, MaskReason, Move, PortIndex, PortState, PortWords, Raise, SharedPorts, Upcall,
    VcpuEvents, VcpuInfo,
};
use xen_sys::Port;

/// vCPUs of the test's domain.
pub(crate) const CPUS: usize = 2;
/// The ports it uses: two in one word, one in another, and the last one.
pub(crate) const TEST_PORTS: [u32; 4] = [1, 2, 100, if cfg!(loom) { 127 } else { 4095 }];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    TwoLevel,
    Fifo,
}

pub(crate) const ABIS: [Abi; 2] = [Abi::TwoLevel, Abi::Fifo];

struct Vcpu {
    upcall_pending: AtomicU8,
    selector: AtomicU64,
    /// The interrupt waits at the virtual APIC.
    interrupt: AtomicU32,
    /// The last upcall ended with events left.
    unfinished: AtomicU32,
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
    /// The FIFO ABI's side, if the domain has that.
    pub(crate) fifo: Option<FifoXen>,
}

pub(crate) fn index(channel: usize) -> PortIndex {
    PortIndex::new(Port(TEST_PORTS[channel])).unwrap()
}

impl Domain {
    pub(crate) fn new(abi: Abi) -> Self {
        let words = || core::array::from_fn(|_| AtomicU64::new(0));
        let domain = Self {
            pending: words(),
            mask: words(),
            vcpus: core::array::from_fn(|_| Vcpu {
                upcall_pending: AtomicU8::new(1),
                selector: AtomicU64::new(u64::MAX),
                interrupt: AtomicU32::new(0),
                unfinished: AtomicU32::new(0),
                events: VcpuEvents::new(),
            }),
            channels: core::array::from_fn(|_| Channel {
                state: PortState::new(),
                notify_vcpu: AtomicU32::new(0),
                produced: AtomicU32::new(0),
                consumed: AtomicU32::new(0),
                deliveries: AtomicU32::new(0),
            }),
            fifo: (abi == Abi::Fifo).then(FifoXen::new),
        };
        domain.ports().mask_all();
        for cpu in 0..CPUS {
            domain.info(cpu).reset();
        }
        domain
    }

    pub(crate) fn ports(&self) -> SharedPorts<'_> {
        match &self.fifo {
            None => SharedPorts::new(&self.pending, &self.mask),
            Some(fifo) => fifo.ports(),
        }
    }

    fn info(&self, cpu: usize) -> VcpuInfo<'_> {
        let vcpu = &self.vcpus[cpu];
        match &self.fifo {
            None => VcpuInfo::new(&vcpu.upcall_pending, &vcpu.selector),
            Some(fifo) => VcpuInfo::fifo(&vcpu.upcall_pending, fifo.block(cpu)),
        }
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
        self.raise(cpu);
    }

    fn raise(&self, cpu: usize) {
        let vcpu = &self.vcpus[cpu];
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
        if let Some(fifo) = &self.fifo {
            if fifo.set_pending(channel, cpu) {
                self.raise(cpu);
            }
            return;
        }
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
        if let Some(fifo) = &self.fifo {
            let cpu = self.notify_vcpu(channel);
            if fifo.unmask(channel, cpu) {
                self.raise(cpu);
            }
            return;
        }
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
        match &self.fifo {
            None => {
                let (pending, bit) = port.of(&self.pending);
                pending.fetch_and(!bit, SeqCst);
            }
            Some(fifo) => fifo.close(channel),
        }
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
        let upcall = self
            .events(cpu)
            .catch_up(self.info(cpu), self.ports(), |port| {
                self.deliver(port);
                then(port);
            });
        self.note(cpu, upcall);
    }

    fn note(&self, cpu: usize, upcall: Upcall) {
        let unfinished = matches!(upcall, Upcall::Unfinished(_));
        let vcpu = &self.vcpus[cpu];
        vcpu.unfinished.store(unfinished.into(), SeqCst);
    }

    /// `cpu` goes, with no upcall at work, and comes back with its ports.
    pub(crate) fn restart(&self, cpu: usize) {
        if self.fifo.is_none() {
            return;
        }
        self.vcpus[cpu].interrupt.store(0, SeqCst);
        self.info(cpu).reset();
        self.events(cpu).drain(self.info(cpu), self.ports(), |_| {});
        // As Xen does for a new vector.
        self.vcpus[cpu].interrupt.store(1, SeqCst);
        self.find_lost();
    }

    /// An upcall, whether Xen asked for one or not.
    pub(crate) fn upcall(&self, cpu: usize, mut then: impl FnMut(PortIndex)) -> Upcall {
        let upcall = self
            .events(cpu)
            .upcall(self.info(cpu), self.ports(), |port| {
                self.deliver(port);
                then(port);
            });
        if upcall != Upcall::Idle {
            self.note(cpu, upcall);
        }
        upcall
    }

    /// Goes on where an upcall ended with events left.
    fn finish(&self, cpu: usize) -> bool {
        let unfinished = self.vcpus[cpu].unfinished.swap(0, SeqCst) != 0;
        if unfinished {
            self.catch_up(cpu, |_| {});
        }
        unfinished
    }

    /// Takes interrupts until none waits.
    pub(crate) fn settle(&self) {
        while (0..CPUS).any(|cpu| self.interrupt(cpu, |_| {}) || self.finish(cpu)) {}
    }
}

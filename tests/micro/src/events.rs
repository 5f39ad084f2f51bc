// SPDX-License-Identifier: GPL-2.0-only
//! The upcall: from pending bits to calls.
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering::Relaxed};

use event_channel::{PortIndex, PortWords, SharedPorts, Upcall, VcpuEvents, VcpuInfo, WORDS};
use xen_sys::Port;

use crate::c::{handle_event, CEvents};
use crate::Case;

/// What Xen shares with a guest of one vCPU.
pub struct Events {
    pending: PortWords,
    mask: PortWords,
    upcall_pending: AtomicU8,
    selector: AtomicU64,
    vcpu: VcpuEvents,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// No port bound.
    pub fn new() -> Self {
        Self {
            pending: std::array::from_fn(|_| AtomicU64::new(0)),
            mask: std::array::from_fn(|_| AtomicU64::new(u64::MAX)),
            upcall_pending: AtomicU8::new(0),
            selector: AtomicU64::new(0),
            vcpu: VcpuEvents::new(),
        }
    }

    /// Lets the vCPU serve `port`.
    pub fn bind(&mut self, port: u32) {
        let index = PortIndex::new(Port(port)).expect("a port");
        self.vcpu.add(index);
        self.mask[index.word()].fetch_and(!(1 << index.bit()), Relaxed);
    }

    /// Sets `bits` in each selected word, and tells the vCPU.
    #[inline]
    pub fn send(&self, selected: u64, bits: u64) {
        let mut left = selected;
        while left != 0 {
            self.pending[left.trailing_zeros() as usize % WORDS].store(bits, Relaxed);
            left &= left.wrapping_sub(1);
        }
        self.selector.store(selected, Relaxed);
        self.upcall_pending.store(1, Relaxed);
    }

    /// An upcall; says how many events were delivered.
    #[inline(never)]
    pub fn upcall(&self, sum: &mut u64) -> u32 {
        let vcpu = VcpuInfo::new(&self.upcall_pending, &self.selector);
        let ports = SharedPorts::new(&self.pending, &self.mask);
        let deliver = |port: PortIndex| handle_event(sum, port.port().0);
        match self.vcpu.upcall(vcpu, ports, deliver) {
            Upcall::Idle => 0,
            Upcall::Delivered(count) | Upcall::Unfinished(count) => count,
        }
    }

    fn rounds(&self, selected: u64, bits: u64, rounds: u64) -> u64 {
        let mut sum = 0u64;
        for _ in 0..rounds {
            self.send(selected, bits);
            let delivered = self.upcall(&mut sum);
            sum = sum.wrapping_add(delivered.into());
        }
        sum
    }
}

/// A case in which `bits` of every selected word have an event at each upcall.
fn case(name: &'static str, selected: u64, bits: u64) -> Case {
    let (mut rust, mut c) = (Events::new(), CEvents::new());
    for word in (0..64).filter(|word| selected >> word & 1 != 0) {
        for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
            rust.bind(word * 64 + bit);
            c.bind(word * 64 + bit);
        }
    }
    Case {
        name,
        items: selected.count_ones() * bits.count_ones(),
        rust: Box::new(move |rounds| rust.rounds(selected, bits, rounds)),
        c: Box::new(move |rounds| c.rounds(selected, bits, rounds)),
    }
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("events, 1 port", 1, 1 << 9),
        case("events, 8 ports in 1 word", 1, 0x00ff_0000),
        case(
            "events, 16 ports in 16 words",
            0x1111_1111_1111_1111,
            1 << 9,
        ),
        case("events, 252 ports in 4 words", 0x0303, !0 << 1),
    ]
}

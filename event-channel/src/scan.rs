// SPDX-License-Identifier: GPL-2.0-only
//! The upcall: from bits to calls.
use crate::fifo::Queues;
use crate::shared::{PortIndex, PortWords, SharedPorts, VcpuInfo, PORTS, WORDS};
use crate::sync::{
    count, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use crate::two_level::Bitmaps;

/// What one upcall did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upcall {
    /// Xen had announced nothing: the interrupt was not ours, or came for
    /// what an earlier upcall has served already.
    Idle,
    /// So many events were delivered; none when all of them belonged to other
    /// vCPUs or were masked in the meantime.
    Delivered(u32),
    /// The same, but with events left: [`VcpuEvents::catch_up`] must be called before long, for Xen will not tell.
    Unfinished(u32),
}

/// What a vCPU's upcalls have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpcallCounters {
    /// Upcalls in all.
    pub upcalls: u64,
    /// Upcalls that delivered nothing.
    pub spurious: u64,
    /// Upcalls that were put off in a storm ([`crate::StormGuard`]).
    pub postponed: u64,
    /// Events delivered.
    pub events: u64,
    /// Links in queues that led to no port.
    pub strays: u64,
}

/// One vCPU's share of the ports, and where its last scan ended.
///
/// The upcalls of one vCPU must not overlap (an interrupt line never overlaps
/// itself); everything else may run at any time on any CPU.
#[derive(Debug)]
pub struct VcpuEvents {
    /// Ports that this vCPU serves.
    load: AtomicU32,
    /// Which ones, of the 2-level ABI's. Words are shared between vCPUs, so the
    /// selector alone would make each one serve the others' ports.
    owned: PortWords,
    /// The port after the last one delivered, where the next scan begins.
    next: AtomicU32,
    /// The FIFO ABI's, where each vCPU has ports to itself.
    queues: Queues,
    upcalls: AtomicU64,
    spurious: AtomicU64,
    postponed: AtomicU64,
    events: AtomicU64,
}

impl Default for VcpuEvents {
    fn default() -> Self {
        Self::new()
    }
}

impl VcpuEvents {
    /// A vCPU without ports.
    pub fn new() -> Self {
        Self {
            load: AtomicU32::new(0),
            owned: core::array::from_fn(|_| AtomicU64::new(0)),
            next: AtomicU32::new(0),
            queues: Queues::new(),
            upcalls: AtomicU64::new(0),
            spurious: AtomicU64::new(0),
            postponed: AtomicU64::new(0),
            events: AtomicU64::new(0),
        }
    }

    /// Lets this vCPU serve `port`, from its next upcall on.
    pub fn add(&self, port: PortIndex) {
        self.load.fetch_add(1, Relaxed);
        if port.port().0 < PORTS {
            let (word, bit) = port.of(&self.owned);
            word.fetch_or(bit, SeqCst);
            crate::sync::store_before_load();
        }
    }

    /// Takes `port` from this vCPU, which has it. An upcall running now may deliver it once more, and with the FIFO ABI
    /// so may a later one, whose queue has it already.
    pub fn remove(&self, port: PortIndex) {
        self.load.fetch_sub(1, Relaxed);
        if port.port().0 < PORTS {
            let (word, bit) = port.of(&self.owned);
            word.fetch_and(!bit, SeqCst);
            crate::sync::store_before_load();
        }
    }

    /// How many ports this vCPU serves.
    pub fn load(&self) -> u32 {
        self.load.load(Relaxed)
    }

    /// Links in queues that led to no port.
    #[inline]
    pub fn strays(&self) -> u64 {
        self.queues.strays()
    }

    /// The counters. Each is right; together they may be some events apart.
    pub fn counters(&self) -> UpcallCounters {
        UpcallCounters {
            upcalls: self.upcalls.load(Relaxed),
            spurious: self.spurious.load(Relaxed),
            postponed: self.postponed.load(Relaxed),
            events: self.events.load(Relaxed),
            strays: self.strays(),
        }
    }

    /// Serves one upcall of this vCPU: calls `deliver` once for each of its ports
    /// which has an event and is not masked, and clears those events first.
    ///
    /// Fair and bounded: with the 2-level ABI the scan begins after the port delivered last, goes once
    /// around, and visits no port twice. Whoever sends faster than we serve gets
    /// one delivery an upcall, between those of all others. Events that come
    /// during the scan are left to the upcall which Xen raises for them. With the
    /// FIFO ABI they are served in the order in which they came, but never more
    /// than so many ([`Upcall::Unfinished`]).
    ///
    /// Costs two locked instructions, and one more for each word with events
    /// (64 ports), or for each event with the FIFO ABI.
    #[inline]
    pub fn upcall(
        &self,
        vcpu: VcpuInfo<'_>,
        ports: SharedPorts<'_>,
        deliver: impl FnMut(PortIndex),
    ) -> Upcall {
        count(&self.upcalls, 1);
        let Some(bits) = vcpu.take() else {
            count(&self.spurious, 1);
            return Upcall::Idle;
        };
        let served = self.serve(bits, vcpu, ports, deliver);
        if served == Upcall::Delivered(0) {
            count(&self.spurious, 1);
        }
        served
    }

    /// Takes note of an upcall without serving it. What it announces stays in the
    /// selector, where it keeps Xen from announcing the same words again, until
    /// [`Self::catch_up`]; with the FIFO ABI, in the queues.
    pub fn postpone(&self, vcpu: VcpuInfo<'_>) {
        count(&self.upcalls, 1);
        count(&self.postponed, 1);
        vcpu.acknowledge();
    }

    /// Serves what was put off or left.
    pub fn catch_up(
        &self,
        vcpu: VcpuInfo<'_>,
        ports: SharedPorts<'_>,
        deliver: impl FnMut(PortIndex),
    ) -> Upcall {
        vcpu.acknowledge();
        self.serve(vcpu.take_bits(), vcpu, ports, deliver)
    }

    /// Empties the FIFO ABI's queues of a vCPU that takes no upcalls, before its first one or after its last, without
    /// taking the events in them. Calls `found` for the ports that are open: Xen says no more of their events, but
    /// [`crate::PortState::raise_again`] lets it. Nothing happens with the 2-level ABI.
    pub fn drain(&self, vcpu: VcpuInfo<'_>, ports: SharedPorts<'_>, found: impl FnMut(PortIndex)) {
        if let SharedPorts::Fifo(array) = ports {
            self.queues.drain(vcpu, array, found);
        }
    }

    #[inline]
    fn serve(
        &self,
        bits: u64,
        vcpu: VcpuInfo<'_>,
        ports: SharedPorts<'_>,
        deliver: impl FnMut(PortIndex),
    ) -> Upcall {
        let (delivered, unfinished) = match ports {
            SharedPorts::TwoLevel(bitmaps) => (self.scan(bits, bitmaps, deliver), false),
            SharedPorts::Fifo(array) => {
                let walk = self.queues.walk(bits as u32, vcpu, array, deliver);
                (walk.delivered, walk.unfinished)
            }
        };
        count(&self.events, u64::from(delivered));
        if unfinished {
            return Upcall::Unfinished(delivered);
        }
        Upcall::Delivered(delivered)
    }

    /// Delivers the events in the words of `selector`, and says how many.
    #[inline]
    fn scan(&self, selector: u64, ports: Bitmaps<'_>, mut deliver: impl FnMut(PortIndex)) -> u32 {
        let start = self.next.load(Relaxed);
        let mut served = Served {
            next: start,
            delivered: 0,
        };
        if selector.is_power_of_two() {
            // One word, as nearly always: the part from the starting port on comes first.
            let word = selector.trailing_zeros() as usize;
            let start = PortIndex::at((start >> 6) as usize, start);
            let from = if start.word() == word { start.bit() } else { 0 };
            let claimed = self.claim(ports, word, u64::MAX);
            served.deliver(word, claimed, from as u32, &mut deliver);
        } else {
            self.scan_words(selector, start, ports, &mut served, &mut deliver);
        }
        self.next.store(served.next, Relaxed);
        served.delivered
    }

    #[inline(never)]
    fn scan_words(
        &self,
        selector: u64,
        start: u32,
        ports: Bitmaps<'_>,
        served: &mut Served,
        deliver: &mut impl FnMut(PortIndex),
    ) {
        for (word, part) in Circle::new(selector, start) {
            let claimed = self.claim(ports, word, part);
            served.deliver(word, claimed, 0, deliver);
        }
    }

    /// Takes the events of this vCPU in the bits `part` of word `word`: clears
    /// them and returns those which nobody else had taken. The locked instruction
    /// also orders the events before whatever the peer wrote ahead of them.
    #[inline]
    fn claim(&self, ports: Bitmaps<'_>, word: usize, part: u64) -> u64 {
        // PANIC: none, `word` is below WORDS, the length of the three arrays.
        let word = word % WORDS;
        let pending = &ports.pending[word];
        let owned = self.owned[word].load(SeqCst);
        let active = pending.load(SeqCst) & owned & !ports.mask[word].load(SeqCst) & part;
        if active == 0 {
            return 0;
        }
        let claimed = pending.fetch_and(!active, SeqCst) & active;
        crate::sync::store_before_load();
        claimed
    }
}

/// What a scan has done so far.
struct Served {
    /// The port after the last one delivered.
    next: u32,
    delivered: u32,
}

impl Served {
    /// Delivers the events `claimed` in word `word`, circularly from bit `from` on.
    #[inline]
    fn deliver(
        &mut self,
        word: usize,
        claimed: u64,
        from: u32,
        deliver: &mut impl FnMut(PortIndex),
    ) {
        let mut left = claimed.rotate_right(from);
        while left != 0 {
            let port = PortIndex::at(word, left.trailing_zeros().wrapping_add(from));
            left &= left.wrapping_sub(1);
            self.next = port.port().0.wrapping_add(1) % PORTS;
            self.delivered = self.delivered.wrapping_add(1);
            deliver(port);
        }
    }
}

/// The selected words in circular order from a starting port on. The word with
/// that port comes twice: its upper part first, its lower part last.
struct Circle {
    start: usize,
    /// The bits of the starting word from the starting port on.
    upper: u64,
    /// Selector bits still to visit, rotated so that the starting word is bit 0.
    left: u64,
    /// What the last visit is to cover; 0 when there is none.
    last: u64,
    first: bool,
}

impl Circle {
    #[inline]
    fn new(selector: u64, start: u32) -> Self {
        let start = PortIndex::at((start >> 6) as usize, start);
        let upper = u64::MAX << start.bit();
        let left = selector.rotate_right(start.word() as u32);
        let selected = left & 1 != 0;
        Self {
            start: start.word(),
            upper,
            left,
            last: if selected { !upper } else { 0 },
            first: selected,
        }
    }
}

impl Iterator for Circle {
    /// A word, and which of its bits to visit.
    type Item = (usize, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let last = core::mem::take(&mut self.last);
            return (last != 0).then_some((self.start, last));
        }
        let distance = self.left.trailing_zeros() as usize;
        self.left &= self.left.wrapping_sub(1);
        let part = if core::mem::take(&mut self.first) {
            self.upper
        } else {
            u64::MAX
        };
        Some(((self.start.wrapping_add(distance)) % WORDS, part))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_circle_visits_each_bit_of_the_selected_words_once_and_in_order() {
        for (selector, start) in [
            (0u64, 0u32),
            (1, 0),
            (1, 1),
            (1, 63),
            (u64::MAX, 0),
            (u64::MAX, 4095),
            (0x8000_0000_0000_0001, 64),
            (0x8000_0000_0000_0001, 4033),
            (2, 4095),
        ] {
            let mut seen = Vec::new();
            for (word, part) in Circle::new(selector, start) {
                for bit in (0..64u32).filter(|bit| part >> bit & 1 != 0) {
                    seen.push(word as u32 * 64 + bit);
                }
            }
            let expected: Vec<u32> = (0..4096)
                .map(|i| (start + i) % 4096)
                .filter(|port| selector >> (port / 64) & 1 != 0)
                .collect();
            assert_eq!(seen, expected, "selector {selector:#x} start {start}");
        }
    }
}

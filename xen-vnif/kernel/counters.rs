// SPDX-License-Identifier: GPL-2.0-only
//! What a queue has done so far.

use core::sync::atomic::{AtomicU64, Ordering};
use linux_net::{CounterList, CounterNames, Statistics};

/// A counter's number. Those of one group are changed under one lock.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Counter {
    // Under the transmit lock.
    TxPackets,
    TxBytes,
    TxErrors,
    TxDropped,
    TxNotifies,
    TxCopied,
    TxGrantedSlots,
    TxLinearized,
    TxStops,
    // Under the receive lock.
    RxPackets,
    RxBytes,
    RxErrors,
    RxDropped,
    RxNotifies,
    RxCopied,
    RxRefillFailures,
    // From anywhere.
    Events,
    Polls,
    Spurious,
    Violations,
    Count,
}

/// The names for `ethtool -S`, in the order of [`Counter`].
static NAMES: CounterNames<{ Counter::Count as usize }> = CounterNames::new([
    c"q0_tx_packets",
    c"q0_tx_bytes",
    c"q0_tx_errors",
    c"q0_tx_dropped",
    c"q0_tx_notifies_sent",
    c"q0_tx_copied_packets",
    c"q0_tx_granted_slots",
    c"q0_tx_linearized",
    c"q0_tx_queue_stops",
    c"q0_rx_packets",
    c"q0_rx_bytes",
    c"q0_rx_errors",
    c"q0_rx_dropped",
    c"q0_rx_notifies_sent",
    c"q0_rx_copied_packets",
    c"q0_rx_refill_failures",
    c"q0_events",
    c"q0_polls",
    c"q0_spurious_polls",
    c"q0_violations",
]);

/// The counters of one queue.
pub(crate) struct Counters([AtomicU64; Counter::Count as usize]);

impl Counters {
    pub(crate) const NAMES: CounterList = NAMES.as_slice();

    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Counter::Count as usize])
    }

    /// Adds under the lock that the counter belongs to: no other CPU does so meanwhile.
    #[inline]
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        if let Some(counter) = self.0.get(counter as usize) {
            let sum = counter.load(Ordering::Relaxed).wrapping_add(n);
            counter.store(sum, Ordering::Relaxed);
        }
    }

    /// Adds one from anywhere.
    #[inline]
    pub(crate) fn count(&self, counter: Counter) {
        if let Some(counter) = self.0.get(counter as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counter number `index` as of now.
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0
            .get(index)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// What `ip -s link` shows.
    pub(crate) fn statistics(&self) -> Statistics {
        let get = |counter: Counter| self.get(counter as usize);
        Statistics {
            rx_packets: get(Counter::RxPackets),
            rx_bytes: get(Counter::RxBytes),
            rx_errors: get(Counter::RxErrors),
            rx_dropped: get(Counter::RxDropped),
            tx_packets: get(Counter::TxPackets),
            tx_bytes: get(Counter::TxBytes),
            tx_errors: get(Counter::TxErrors),
            tx_dropped: get(Counter::TxDropped),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What a queue has done so far. `docs/counters.md` says what each counter means.

use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use linux_net::{CounterList, CounterNames, Statistics};
use vnif_core::RingCounters;

/// A counter. Those of one group are changed under one lock.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Counter {
    // Under the transmit lock.
    TxPackets,
    TxBytes,
    TxErrors,
    TxDropped,
    TxNotifies,
    TxGso,
    TxStops,
    TxDeferredFrees,
    /// Of earlier connections, as the next one; see [`Live`].
    TxRequests,
    TxResponses,
    // Under the receive lock.
    RxPackets,
    RxBytes,
    RxErrors,
    RxDropped,
    RxNotifies,
    RxGso,
    RxDeferredFrees,
    /// Of earlier connections, as the next one; see [`Live`].
    RxRequests,
    RxResponses,
    // By the event's handler, which runs on one CPU at a time.
    Events,
    // By the poll, which runs on one CPU at a time.
    Polls,
    Spurious,
    // From anywhere.
    Violations,
    /// How many there are.
    Count,
}

/// What is shown.
#[derive(Clone, Copy)]
enum Shown {
    /// A counter as it is, with what the present connection adds.
    Counted(Counter),
    /// The requests that needed no notification.
    TxNotifiesSaved,
    RxNotifiesSaved,
    /// Pages granted at this moment.
    TxGrants,
    RxGrants,
}

use Counter::*;
use Shown::*;

/// All that `ethtool -S` shows, in that order.
const SHOWN: [(&CStr, Shown); 27] = [
    (c"q0_tx_packets", Counted(TxPackets)),
    (c"q0_tx_bytes", Counted(TxBytes)),
    (c"q0_tx_errors", Counted(TxErrors)),
    (c"q0_tx_dropped", Counted(TxDropped)),
    (c"q0_tx_requests", Counted(TxRequests)),
    (c"q0_tx_responses", Counted(TxResponses)),
    (c"q0_tx_notifies_sent", Counted(TxNotifies)),
    (c"q0_tx_notifies_saved", TxNotifiesSaved),
    (c"q0_tx_gso_packets", Counted(TxGso)),
    (c"q0_tx_queue_stops", Counted(TxStops)),
    (c"q0_tx_grants_in_use", TxGrants),
    (c"q0_tx_deferred_frees", Counted(TxDeferredFrees)),
    (c"q0_rx_packets", Counted(RxPackets)),
    (c"q0_rx_bytes", Counted(RxBytes)),
    (c"q0_rx_errors", Counted(RxErrors)),
    (c"q0_rx_dropped", Counted(RxDropped)),
    (c"q0_rx_requests", Counted(RxRequests)),
    (c"q0_rx_responses", Counted(RxResponses)),
    (c"q0_rx_notifies_sent", Counted(RxNotifies)),
    (c"q0_rx_notifies_saved", RxNotifiesSaved),
    (c"q0_rx_gso_packets", Counted(RxGso)),
    (c"q0_rx_grants_in_use", RxGrants),
    (c"q0_rx_deferred_frees", Counted(RxDeferredFrees)),
    (c"q0_events", Counted(Events)),
    (c"q0_polls", Counted(Polls)),
    (c"q0_spurious_polls", Counted(Spurious)),
    (c"q0_violations", Counted(Violations)),
];

static NAMES: CounterNames<{ SHOWN.len() }> = CounterNames::new(names());

const fn names() -> [&'static CStr; SHOWN.len()] {
    let mut names = [c""; SHOWN.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = SHOWN[i].0;
        i += 1;
    }
    names
}

/// What the present connection keeps itself.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) tx: RingCounters,
    pub(crate) rx: RingCounters,
    pub(crate) tx_grants: u64,
    pub(crate) rx_grants: u64,
}

/// The counters of one queue.
pub(crate) struct Counters([AtomicU64; Counter::Count as usize]);

impl Counters {
    pub(crate) const NAMES: CounterList = NAMES.as_slice();

    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Counter::Count as usize])
    }

    /// Adds where no other CPU does so meanwhile: see [`Counter`].
    #[inline]
    pub(crate) fn add(&self, counter: Counter, n: u64) {
        if let Some(counter) = self.0.get(counter as usize) {
            let sum = counter.load(Ordering::Relaxed).wrapping_add(n);
            counter.store(sum, Ordering::Relaxed);
        }
    }

    /// Adds one from anywhere.
    #[cold]
    pub(crate) fn count(&self, counter: Counter) {
        if let Some(counter) = self.0.get(counter as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps the counts of a transmit ring that is going away.
    pub(crate) fn add_past_tx(&self, ring: RingCounters) {
        self.add(TxRequests, ring.requests);
        self.add(TxResponses, ring.responses);
    }

    /// Keeps the counts of a receive ring that is going away.
    pub(crate) fn add_past_rx(&self, ring: RingCounters) {
        self.add(RxRequests, ring.requests);
        self.add(RxResponses, ring.responses);
    }

    fn get(&self, counter: Counter) -> u64 {
        let counter = self.0.get(counter as usize);
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn total(&self, counter: Counter, live: &Live) -> u64 {
        let live = match counter {
            TxRequests => live.tx.requests,
            TxResponses => live.tx.responses,
            RxRequests => live.rx.requests,
            RxResponses => live.rx.responses,
            _ => 0,
        };
        self.get(counter).wrapping_add(live)
    }

    /// Number `index` of what is shown.
    pub(crate) fn number(&self, index: usize, live: &Live) -> u64 {
        let saved = |requests, sent| self.total(requests, live).saturating_sub(self.get(sent));
        match SHOWN.get(index).map(|(_, shown)| *shown) {
            Some(Counted(counter)) => self.total(counter, live),
            Some(TxNotifiesSaved) => saved(TxRequests, TxNotifies),
            Some(RxNotifiesSaved) => saved(RxRequests, RxNotifies),
            Some(TxGrants) => live.tx_grants,
            Some(RxGrants) => live.rx_grants,
            None => 0,
        }
    }

    /// What `ip -s link` shows.
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            rx_packets: self.get(RxPackets),
            rx_bytes: self.get(RxBytes),
            rx_errors: self.get(RxErrors),
            rx_dropped: self.get(RxDropped),
            tx_packets: self.get(TxPackets),
            tx_bytes: self.get(TxBytes),
            tx_errors: self.get(TxErrors),
            tx_dropped: self.get(TxDropped),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The interface: what the network stack calls.

use core::sync::atomic::{AtomicU64, Ordering};
use kernel::{new_spinlock, prelude::*, sync::SpinLock};
use linux::timer::now;
use linux_net::{BhDisabled, CounterList, Interface, Napi, Operations, Skb, Statistics};
use vnif_core::Violation;
use xen_bus::DeviceRef;

use crate::{
    counters::{Counter, Counters, Live},
    receive::Receive,
    transmit::Transmit,
};

/// How long the link of an interface stays up whose backend was left behind in another domain, in milliseconds.
const AWAIT_BACKEND_MS: u32 = 30_000;
const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// The two halves of a connection, present while there is one.
///
/// Softirqs take both locks; process context takes them with softirqs held off. The transmit lock nests in the stack's
/// own (`Interface::lock_queue`), and that in the receive lock when a received packet is answered at once.
#[pin_data]
pub(crate) struct Vif {
    device: DeviceRef,
    counters: Counters,
    /// When the link goes down unless there is a backend by then, in nanoseconds of the clock; 0 for never.
    given_up_at: AtomicU64,
    #[pin]
    tx: SpinLock<Option<Transmit>>,
    #[pin]
    rx: SpinLock<Option<Receive>>,
}

impl Vif {
    pub(crate) fn new(device: DeviceRef) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device,
            counters: Counters::new(),
            given_up_at: AtomicU64::new(0),
            tx <- new_spinlock!(None),
            rx <- new_spinlock!(None),
        })
    }

    /// Puts a new connection in place.
    pub(crate) fn install(&self, interface: &Interface, tx: Transmit, rx: Receive) {
        self.given_up_at.store(0, Ordering::Relaxed);
        let _bh = BhDisabled::new();
        *self.rx.lock() = Some(rx);
        let _sending = interface.lock_queue(true);
        *self.tx.lock() = Some(tx);
    }

    /// Takes the connection out of everybody's reach.
    pub(crate) fn take(&self, interface: &Interface) -> Option<(Transmit, Receive)> {
        let _bh = BhDisabled::new();
        let rx = self.rx.lock().take();
        let _sending = interface.lock_queue(true);
        // A poll may have let the stack go on since it was told to wait.
        interface.stop_queue();
        let tx = self.tx.lock().take();
        tx.zip(rx)
    }

    /// Gives back what a connection that was taken holds. In process context.
    pub(crate) fn end(&self, tx: Transmit, rx: Receive) {
        // The locks that these counters belong to guard nothing now, and the bus makes no new connection meanwhile.
        self.counters.add_past_tx(tx.counters());
        self.counters.add(Counter::TxDeferredFrees, tx.end());
        self.counters.add_past_rx(rx.counters());
        self.counters.add(Counter::RxDeferredFrees, rx.end());
    }

    /// What the present connection has to add to the counters.
    fn live(&self, interface: &Interface) -> Live {
        let _bh = BhDisabled::new();
        let mut live = Live::default();
        if let Some(rx) = &*self.rx.lock() {
            live.rx = rx.counters();
            live.rx_grants = rx.grants_in_use();
        }
        let _sending = interface.lock_queue(true);
        if let Some(tx) = &*self.tx.lock() {
            live.tx = tx.counters();
            live.tx_grants = tx.grants_in_use();
        }
        live
    }

    /// Lets a connection that is in place go on.
    pub(crate) fn go_on(&self, interface: &Interface) {
        {
            let _bh = BhDisabled::new();
            let _sending = interface.lock_queue(true);
            let mut tx = self.tx.lock();
            if let Some(tx) = &mut *tx {
                tx.continued(interface);
            }
        }
        interface.schedule_poll();
    }

    /// The backend was left behind in another domain: the link goes down unless the next one is there in time.
    pub(crate) fn await_backend(&self, interface: &Interface) {
        let patience = u64::from(AWAIT_BACKEND_MS).saturating_mul(NANOSECONDS_PER_MS);
        self.given_up_at
            .store(now().saturating_add(patience), Ordering::Relaxed);
        interface.schedule_poll_after(AWAIT_BACKEND_MS);
    }

    /// A poll found no connection.
    #[cold]
    fn unconnected(&self, interface: &Interface) {
        let given_up_at = self.given_up_at.load(Ordering::Relaxed);
        let left = given_up_at.saturating_sub(now());
        if given_up_at == 0 {
            return;
        }
        if left == 0 {
            // Not if another suspend has begun to wait meanwhile.
            let over = self.given_up_at.compare_exchange(
                given_up_at,
                0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if over.is_ok() {
                interface.set_carrier(false);
            }
        } else {
            // The timer is lost when the interface goes down.
            let ms = u32::try_from(left.div_ceil(NANOSECONDS_PER_MS)).unwrap_or(AWAIT_BACKEND_MS);
            interface.schedule_poll_after(ms);
        }
    }

    /// An event came.
    pub(crate) fn event(&self) {
        self.counters.add(Counter::Events, 1);
    }

    #[cold]
    fn violated(&self, violation: Violation) {
        self.counters.count(Counter::Violations);
        self.device.report_violation(violation.what());
    }

    /// Ends what was sent; true if there is more by now. With `arm` it asks for an event before it looks. A poll that has
    /// not `received` anything and finds nothing here tells the channel that its event was spurious.
    #[inline]
    fn reap(&self, interface: &Interface, budget: u32, received: u32, arm: bool) -> (u32, bool) {
        let Some(_sending) = interface.lock_queue(budget != 0) else {
            return (0, false);
        };
        let mut tx = self.tx.lock();
        let Some(tx) = &mut *tx else {
            return (0, false);
        };
        let reaped = tx.reap(budget, &self.counters).and_then(|slots| {
            tx.wake(interface);
            if budget != 0 {
                tx.judged(received != 0 || slots != 0);
                tx.look(interface);
            }
            Ok((slots, arm && tx.arm()?))
        });
        reaped.unwrap_or_else(|violation| {
            self.violated(violation);
            (0, false)
        })
    }

    #[inline]
    fn receive(&self, napi: &Napi, budget: u32) -> u32 {
        let mut rx = self.rx.lock();
        let Some(rx) = &mut *rx else {
            self.unconnected(napi.interface());
            return 0;
        };
        match rx.poll(napi, budget, &self.counters) {
            Ok(work) => work,
            Err(violation) => {
                self.violated(violation);
                0
            }
        }
    }

    /// Asks for an event for the next frame; true if there is one already.
    #[inline]
    fn arm_receive(&self) -> bool {
        let mut rx = self.rx.lock();
        match (*rx).as_mut().map(Receive::arm) {
            Some(Ok(there)) => there,
            Some(Err(violation)) => {
                self.violated(violation);
                false
            }
            None => false,
        }
    }
}

impl Operations for Vif {
    const DRIVER: &'static CStr = c"xen_vnif";
    const COUNTERS: CounterList = Counters::NAMES;

    #[inline]
    fn start_xmit(&self, interface: &Interface, skb: Skb) {
        let mut tx = self.tx.lock();
        match &mut *tx {
            Some(tx) => {
                if let Err(violation) = tx.send(interface, skb, &self.counters) {
                    self.violated(violation);
                }
            }
            None => self.counters.add(Counter::TxDropped, 1),
        }
    }

    fn poll(&self, napi: &Napi, budget: u32) -> u32 {
        let interface = napi.interface();
        if budget == 0 {
            self.reap(interface, 0, 0, false);
            return 0;
        }
        self.counters.add(Counter::Polls, 1);
        let work = self.receive(napi, budget);
        if work >= budget {
            self.reap(interface, budget, work, false);
            return work;
        }
        let completed = napi.complete(work);
        let (reaped, more_sent) = self.reap(interface, budget, work, completed);
        if work == 0 && reaped == 0 {
            self.counters.add(Counter::Spurious, 1);
        }
        if completed && (self.arm_receive() || more_sent) {
            napi.reschedule();
        }
        work
    }

    fn opened(&self, interface: &Interface) {
        {
            let _bh = BhDisabled::new();
            let _sending = interface.lock_queue(true);
            let mut tx = self.tx.lock();
            match &mut *tx {
                Some(tx) => tx.restarted(interface),
                // Whoever brings the next connection lets the stack go on.
                None => interface.stop_queue(),
            }
        }
        interface.schedule_poll();
    }

    fn closed(&self, interface: &Interface) {
        let _bh = BhDisabled::new();
        let _sending = interface.lock_queue(true);
        let mut tx = self.tx.lock();
        if let Some(tx) = &mut *tx {
            tx.let_go();
        }
    }

    fn statistics(&self) -> Statistics {
        self.counters.statistics()
    }

    fn read_counters(&self, interface: &Interface, values: &mut [u64]) {
        let live = self.live(interface);
        for (index, value) in values.iter_mut().enumerate() {
            *value = self.counters.number(index, &live);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The event channels' core on the fake hypervisor: binding, upcalls, masks, closing.
use std::collections::BTreeMap;
use std::sync::Arc;

use event_channel::{
    Handled, MaskReason, PortIndex, PortState, Raise, Throttle, ThrottleCounters, Upcall,
    VcpuEvents,
};
use fake_xen::{BackendPort, FakeXen, BACKEND};
use xen_sys::{Domid, Hypervisor, Port, PortBinding, VcpuId, XenError};

/// The guest's bookkeeping of its ports, on one vCPU.
struct Guest {
    xen: Arc<FakeXen>,
    events: VcpuEvents,
    ports: BTreeMap<u32, PortState>,
}

impl Guest {
    fn new() -> Self {
        let xen = FakeXen::new(2, 100);
        xen.ports().mask_all();
        xen.vcpu_info(0).reset();
        xen.set_evtchn_upcall_vector(VcpuId(0), 0xf3).unwrap();
        let guest = Self {
            xen,
            events: VcpuEvents::new(),
            ports: BTreeMap::new(),
        };
        assert_eq!(guest.upcall(), [], "the first one is Xen's own");
        guest
    }

    /// A port for the backend, and its end of it.
    fn channel(&mut self) -> (PortIndex, BackendPort) {
        let port = self.xen.evtchn_alloc_unbound(BACKEND).unwrap();
        let index = PortIndex::new(port).unwrap();
        let state = PortState::new();
        state.bind(self.xen.ports(), index, 0).unwrap();
        self.events.add(index);
        self.ports.insert(port.0, state);
        self.unmask(index);
        let backend = BackendPort::connect(&self.xen, port, BACKEND).unwrap();
        (index, backend)
    }

    fn unmask(&self, index: PortIndex) {
        self.change(index, MaskReason::Interrupt, false);
    }

    fn mask(&self, index: PortIndex) {
        self.change(index, MaskReason::Interrupt, true);
    }

    fn change(&self, index: PortIndex, reason: MaskReason, mask: bool) {
        let state = &self.ports[&index.port().0];
        if mask {
            state.mask(self.xen.ports(), index, reason);
            return;
        }
        let mut raise = state.unmask(self.xen.ports(), index, reason);
        while raise == Raise::Needed {
            self.xen.evtchn_unmask(index.port()).unwrap();
            raise = state.raised(self.xen.ports(), index);
        }
    }

    fn close(&mut self, index: PortIndex) {
        let state = self.ports.remove(&index.port().0).unwrap();
        state.begin_close(self.xen.ports(), index).unwrap();
        self.events.remove(index);
        self.xen.evtchn_close(index.port()).unwrap();
        state.finish_close();
    }

    /// The interrupts that wait, and the ports that they deliver.
    fn upcall(&self) -> Vec<u32> {
        let mut delivered = Vec::new();
        while self.xen.take_interrupt(0) {
            let upcall = self
                .events
                .upcall(self.xen.vcpu_info(0), self.xen.ports(), |port| {
                    delivered.push(port.port().0);
                });
            assert!(matches!(upcall, Upcall::Idle | Upcall::Delivered(_)));
        }
        delivered
    }
}

#[test]
fn events_go_both_ways() {
    let mut guest = Guest::new();
    let (index, backend) = guest.channel();
    backend.notify();
    backend.notify();
    assert_eq!(
        guest.upcall(),
        [index.port().0],
        "two before an upcall are one"
    );
    assert_eq!(guest.upcall(), []);
    assert_eq!(backend.take_events(), 0);
    guest.xen.evtchn_send(index.port()).unwrap();
    assert_eq!(backend.take_events(), 1);
}

#[test]
fn a_masked_event_waits() {
    let mut guest = Guest::new();
    let (index, backend) = guest.channel();
    guest.mask(index);
    backend.notify();
    assert_eq!(guest.upcall(), []);
    guest.unmask(index);
    assert_eq!(guest.upcall(), [index.port().0]);
}

#[test]
fn many_ports_are_all_served() {
    let mut guest = Guest::new();
    let channels: Vec<_> = (0..300).map(|_| guest.channel()).collect();
    for (_, backend) in &channels {
        backend.notify();
    }
    let mut delivered = guest.upcall();
    delivered.sort_unstable();
    let ports: Vec<u32> = channels.iter().map(|(index, _)| index.port().0).collect();
    assert_eq!(delivered, ports);
}

#[test]
fn a_closed_port_is_silent_and_can_be_used_again() {
    let mut guest = Guest::new();
    let (index, backend) = guest.channel();
    backend.notify();
    guest.close(index);
    assert_eq!(guest.upcall(), []);
    backend.notify();
    assert_eq!(guest.upcall(), []);
    drop(backend);
    let (again, backend) = guest.channel();
    assert_eq!(again, index, "the lowest free port");
    assert_eq!(guest.upcall(), [], "nothing left from before");
    backend.notify();
    assert_eq!(guest.upcall(), [index.port().0]);
}

#[test]
fn an_event_storm_does_not_keep_the_upcall() {
    let mut guest = Guest::new();
    let (index, backend) = guest.channel();
    let (other, quiet) = guest.channel();
    quiet.notify();
    backend.notify();
    let mut delivered = Vec::new();
    assert!(guest.xen.take_interrupt(0));
    let upcall = guest
        .events
        .upcall(guest.xen.vcpu_info(0), guest.xen.ports(), |port| {
            delivered.push(port.port());
            backend.notify();
        });
    assert_eq!(upcall, Upcall::Delivered(2));
    delivered.sort_unstable();
    assert_eq!(delivered, [index.port(), other.port()]);
}

#[test]
fn what_xen_refuses() {
    let guest = Guest::new();
    let xen = &guest.xen;
    for port in [0, 1, 4095, 5000] {
        assert_eq!(xen.evtchn_send(Port(port)), Err(XenError::EINVAL));
        assert_eq!(xen.evtchn_close(Port(port)), Err(XenError::EINVAL));
        assert_eq!(xen.evtchn_unmask(Port(port)), Err(XenError::EINVAL));
    }
    assert_eq!(xen.evtchn_bind_ipi(VcpuId(2)), Err(XenError::ENOENT));
    assert_eq!(
        xen.set_evtchn_upcall_vector(VcpuId(0), 0),
        Err(XenError::EINVAL),
        "a vector cannot be unset"
    );
    let ipi = xen.evtchn_bind_ipi(VcpuId(1)).unwrap();
    assert_eq!(xen.evtchn_bind_vcpu(ipi, VcpuId(0)), Err(XenError::EINVAL));
    assert_eq!(xen.evtchn_status(ipi).unwrap().binding, PortBinding::Ipi);
    let port = xen.evtchn_alloc_unbound(Domid(3)).unwrap();
    assert!(
        BackendPort::connect(xen, port, BACKEND).is_err(),
        "not for this domain"
    );
}

#[test]
fn ports_run_out() {
    let guest = Guest::new();
    for _ in 1..4096 {
        guest.xen.evtchn_alloc_unbound(BACKEND).unwrap();
    }
    assert_eq!(
        guest.xen.evtchn_alloc_unbound(BACKEND),
        Err(XenError::ENOSPC)
    );
}

/// Ticks in a second.
const SECOND: u32 = 250;

/// A port whose handler says what it found, in a guest that keeps the time in ticks.
struct Judged {
    index: PortIndex,
    throttle: Throttle,
    counters: ThrottleCounters,
    /// When the port opens again.
    open_at: Option<u32>,
    events: u32,
}

impl Judged {
    fn new(index: PortIndex) -> Self {
        Self {
            index,
            throttle: Throttle::new(),
            counters: ThrottleCounters::new(),
            open_at: None,
            events: 0,
        }
    }

    fn handle(&mut self, guest: &Guest, now: u32, handled: Handled) {
        self.events += 1;
        if let Some(ticks) = self.throttle.handled(handled, &self.counters, SECOND) {
            guest.change(self.index, MaskReason::Throttle, true);
            self.open_at = Some(now + ticks);
        }
    }

    fn tick(&mut self, guest: &Guest, now: u32) {
        if self.open_at.take_if(|open_at| *open_at <= now).is_some() {
            guest.change(self.index, MaskReason::Throttle, false);
        }
    }
}

#[test]
fn a_flood_without_work_slows_down_its_own_port_alone() {
    let mut guest = Guest::new();
    let (flooded, flooder) = guest.channel();
    let (quiet, worker) = guest.channel();
    let (mut bad, mut good) = (Judged::new(flooded), Judged::new(quiet));
    for now in 0..10 * SECOND {
        bad.tick(&guest, now);
        good.tick(&guest, now);
        worker.notify();
        for _ in 0..20 {
            flooder.notify();
            for port in guest.upcall() {
                if port == flooded.port().0 {
                    bad.handle(&guest, now, Handled::Spurious);
                } else {
                    good.handle(&guest, now, Handled::Work);
                }
            }
        }
    }
    assert_eq!(good.events, 10 * SECOND, "each event in its own tick");
    assert!(bad.events < 25, "{} of 50000 events", bad.events);
    assert_eq!(bad.counters.spurious(), u64::from(bad.events));
    assert!(bad.counters.ticks() > u64::from(9 * SECOND));
    assert_eq!((good.counters.spurious(), good.counters.ticks()), (0, 0));
}

#[test]
fn an_event_that_comes_while_the_port_waits_is_not_lost() {
    let mut guest = Guest::new();
    let (index, backend) = guest.channel();
    let mut port = Judged::new(index);
    for _ in 0..2 {
        backend.notify();
        assert_eq!(guest.upcall(), [index.port().0]);
        port.handle(&guest, 0, Handled::Spurious);
    }
    backend.notify();
    assert_eq!(guest.upcall(), [], "it is closed");
    port.tick(&guest, 1);
    assert_eq!(guest.upcall(), [index.port().0]);
    port.handle(&guest, 1, Handled::Work);
    backend.notify();
    assert_eq!(guest.upcall(), [index.port().0], "and open again");
}

// SPDX-License-Identifier: GPL-2.0-only
//! Random sequences of everything that can happen, against an oracle; and the
//! edges one by one.
use crate::fake_xen::{index, Abi, Domain, ABIS, CPUS, TEST_PORTS};
use crate::{Binding, MaskReason, PortInUse, PortIndex, Raise, Upcall, FIFO_PORTS, PORTS};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;
use xen_sys::Port;

#[derive(Clone, Copy, Debug)]
enum Op {
    Bind(usize, usize),
    Close(usize),
    Send(usize),
    Mask(usize, MaskReason),
    Unmask(usize, MaskReason),
    Move(usize, usize, bool),
    Interrupt(usize),
    Postpone(usize),
    CatchUp(usize),
    Restart(usize),
    FindLost,
}

fn op() -> impl Strategy<Value = Op> {
    let channel = 0..TEST_PORTS.len();
    let cpu = 0..CPUS;
    let reason = prop_oneof![
        Just(MaskReason::Interrupt),
        Just(MaskReason::Driver),
        Just(MaskReason::Throttle)
    ];
    prop_oneof![
        2 => (channel.clone(), cpu.clone()).prop_map(|(c, v)| Op::Bind(c, v)),
        1 => channel.clone().prop_map(Op::Close),
        6 => channel.clone().prop_map(Op::Send),
        2 => (channel.clone(), reason.clone()).prop_map(|(c, r)| Op::Mask(c, r)),
        2 => (channel.clone(), reason).prop_map(|(c, r)| Op::Unmask(c, r)),
        2 => (channel, cpu.clone(), any::<bool>()).prop_map(|(c, v, r)| Op::Move(c, v, r)),
        4 => cpu.clone().prop_map(Op::Interrupt),
        2 => cpu.clone().prop_map(Op::Postpone),
        1 => cpu.clone().prop_map(Op::CatchUp),
        1 => cpu.prop_map(Op::Restart),
        1 => Just(Op::FindLost),
    ]
}

/// What must be true of a port.
#[derive(Clone, Copy, Default)]
struct Expected {
    bound: Option<usize>,
    reasons: u32,
    /// An event was sent and no handler has run since.
    waiting: bool,
}

impl Expected {
    fn is_open(&self) -> bool {
        self.bound.is_some() && self.reasons == 0
    }
}

struct Harness {
    abi: Abi,
    domain: Domain,
    expected: [Expected; TEST_PORTS.len()],
}

impl Harness {
    fn new(abi: Abi) -> Self {
        Self {
            abi,
            domain: Domain::new(abi),
            expected: Default::default(),
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Bind(channel, cpu) if self.expected[channel].bound.is_none() => {
                self.domain.bind(channel, cpu);
                self.expected[channel] = Expected {
                    bound: Some(cpu),
                    ..Default::default()
                };
            }
            Op::Send(channel) if self.expected[channel].bound.is_some() => {
                self.domain.send(channel);
                self.expected[channel].waiting = true;
            }
            Op::Interrupt(cpu) => self.interrupt(cpu),
            Op::Postpone(cpu) => self.domain.postpone(cpu),
            Op::CatchUp(cpu) => self.catch_up(cpu),
            Op::Restart(cpu) => self.domain.restart(cpu),
            Op::FindLost => self.domain.find_lost(),
            Op::Close(channel) if self.expected[channel].bound.is_some() => {
                self.domain.close(channel);
                self.expected[channel] = Expected::default();
            }
            Op::Mask(channel, reason) if self.expected[channel].bound.is_some() => {
                self.domain.mask(channel, reason);
                self.expected[channel].reasons |= reason as u32;
            }
            Op::Unmask(channel, reason) if self.expected[channel].bound.is_some() => {
                self.domain.unmask(channel, reason);
                self.expected[channel].reasons &= !(reason as u32);
            }
            Op::Move(channel, cpu, refused) if self.expected[channel].bound.is_some() => {
                self.domain.move_to(channel, cpu, refused);
                if !refused {
                    self.expected[channel].bound = Some(cpu);
                }
            }
            _ => {}
        }
        self.check();
    }

    fn interrupt(&mut self, cpu: usize) {
        let mut seen = Vec::new();
        self.domain.interrupt(cpu, |port| seen.push(port));
        self.delivered(cpu, &seen);
    }

    fn catch_up(&mut self, cpu: usize) {
        let mut seen = Vec::new();
        self.domain.catch_up(cpu, |port| seen.push(port));
        self.delivered(cpu, &seen);
    }

    fn delivered(&mut self, cpu: usize, seen: &[PortIndex]) {
        for &port in seen {
            let channel = (0..TEST_PORTS.len()).find(|&channel| index(channel) == port);
            let expected = &mut self.expected[channel.unwrap()];
            // A queue keeps what has moved since it was linked.
            let right = expected.bound == Some(cpu) || self.abi == Abi::Fifo;
            assert!(right, "{port:?} on the wrong CPU");
            assert!(expected.is_open(), "{port:?} delivered while masked");
            assert!(expected.waiting, "{port:?} delivered without an event");
            expected.waiting = false;
        }
    }

    fn check(&self) {
        for (channel, expected) in self.expected.iter().enumerate() {
            let ports = self.domain.ports();
            assert_eq!(ports.is_masked(index(channel)), !expected.is_open());
            let binding = match expected.bound {
                Some(cpu) => Binding::Bound(cpu as u32),
                None => Binding::Free,
            };
            assert_eq!(self.domain.state(channel).binding(), binding);
            assert_eq!(self.domain.is_served(channel), !expected.waiting);
        }
        for cpu in 0..CPUS {
            let ports = self.expected.iter().filter(|e| e.bound == Some(cpu));
            assert_eq!(self.domain.events(cpu).load(), ports.count() as u32);
        }
    }

    /// Whatever is open is served by the interrupts that Xen has raised by itself,
    /// and by the ends of the pauses.
    fn settle(&mut self) {
        (0..CPUS).for_each(|cpu| self.catch_up(cpu));
        self.domain.settle();
        for (channel, expected) in self.expected.iter_mut().enumerate() {
            if expected.is_open() {
                assert!(self.domain.is_served(channel), "event lost on {channel}");
                expected.waiting = false;
            }
        }
        self.check();
    }
}

proptest! {
    #[test]
    fn no_event_is_lost_doubled_or_misplaced(ops in proptest::collection::vec(op(), 1..200)) {
        for abi in ABIS {
            let mut harness = Harness::new(abi);
            for op in &ops {
                harness.apply(*op);
            }
            harness.settle();
        }
    }
}

/// A handler whose peer sends again at once gets one call an upcall, and the
/// others get theirs in between.
#[test]
fn a_storm_takes_one_turn_in_each_upcall() {
    let domain = Domain::new(Abi::TwoLevel);
    for channel in 0..TEST_PORTS.len() {
        domain.bind(channel, 0);
    }
    domain.send(2);
    for _ in 0..100 {
        domain.send(0);
        domain.send(3);
        let mut order = Vec::new();
        assert!(domain.interrupt(0, |port| {
            order.push(port);
            domain.send(2);
        }));
        order.sort();
        assert_eq!(order, [index(0), index(2), index(3)]);
    }
}

#[test]
fn the_scan_goes_on_after_the_port_it_served_last() {
    let domain = Domain::new(Abi::TwoLevel);
    for channel in 0..TEST_PORTS.len() {
        domain.bind(channel, 0);
    }
    let serve = |send: &[usize]| {
        send.iter().for_each(|&channel| domain.send(channel));
        let mut order = Vec::new();
        domain.interrupt(0, |port| order.push(port.port().0));
        order
    };
    assert_eq!(serve(&[0, 1, 2, 3]), [1, 2, 100, 4095]);
    assert_eq!(serve(&[0]), [1]);
    assert_eq!(serve(&[0, 1, 2, 3]), [2, 100, 4095, 1]);
    assert_eq!(serve(&[1, 2]), [2, 100]);
    assert_eq!(serve(&[3, 0, 2]), [4095, 1, 100]);
    // Two ports of one word, after a port of that word, of another one, and of the last one.
    assert_eq!(serve(&[0]), [1]);
    assert_eq!(serve(&[0, 1]), [2, 1]);
    assert_eq!(serve(&[2]), [100]);
    assert_eq!(serve(&[0, 1]), [1, 2]);
    assert_eq!(serve(&[3]), [4095]);
    assert_eq!(serve(&[0, 1]), [1, 2]);
}

#[test]
fn upcalls_without_events_are_counted_as_spurious() {
    ABIS.map(Domain::new)
        .iter()
        .for_each(upcalls_without_events_are_counted_as_spurious_with);
}

fn upcalls_without_events_are_counted_as_spurious_with(domain: &Domain) {
    domain.bind(0, 0);
    assert_eq!(domain.upcall(0, |_| {}), Upcall::Idle);
    domain.send(0);
    domain.mask(0, MaskReason::Driver);
    assert_eq!(domain.upcall(0, |_| {}), Upcall::Delivered(0));
    domain.unmask(0, MaskReason::Driver);
    assert_eq!(domain.upcall(0, |_| {}), Upcall::Delivered(1));
    let counters = domain.events(0).counters();
    let numbers = (counters.upcalls, counters.spurious, counters.events);
    assert_eq!(numbers, (3, 2, 1));
    assert_eq!(domain.state(0).events(), 1);
}

#[test]
fn a_flood_raises_no_upcall_while_they_are_put_off() {
    ABIS.map(Domain::new)
        .iter()
        .for_each(a_flood_raises_no_upcall_while_they_are_put_off_with);
}

fn a_flood_raises_no_upcall_while_they_are_put_off_with(domain: &Domain) {
    domain.bind(0, 0);
    domain.bind(2, 0);
    domain.send(0);
    domain.postpone(0);
    for _ in 0..100 {
        domain.send(0);
        assert!(!domain.interrupt(0, |_| {}));
    }
    domain.send(2);
    domain.postpone(0);
    domain.catch_up(0, |_| {});
    assert!(domain.is_served(0) && domain.is_served(2));
    // The other word had an upcall of its own; a queue grows without one.
    let postponed = if domain.fifo.is_none() { 2 } else { 1 };
    assert_eq!(domain.events(0).counters().postponed, postponed);
    domain.send(0);
    assert!(domain.interrupt(0, |_| {}));
}

#[test]
fn an_event_during_the_scan_raises_the_next_upcall() {
    let domain = Domain::new(Abi::TwoLevel);
    domain.bind(0, 0);
    domain.bind(2, 0);
    domain.send(0);
    let mut sent = false;
    domain.interrupt(0, |_| {
        if !core::mem::replace(&mut sent, true) {
            domain.send(2);
        }
    });
    assert!(!domain.is_served(2));
    assert!(domain.interrupt(0, |_| {}));
    assert!(domain.is_served(2));
}

#[test]
fn an_event_of_an_earlier_life_is_raised_when_the_port_opens() {
    ABIS.map(Domain::new)
        .iter()
        .for_each(an_event_of_an_earlier_life_is_raised_when_the_port_opens_with);
}

fn an_event_of_an_earlier_life_is_raised_when_the_port_opens_with(domain: &Domain) {
    domain.send(1);
    domain.bind(1, 1);
    assert!(domain.interrupt(1, |_| {}));
    assert!(domain.is_served(1));
}

#[test]
fn an_event_that_linux_wants_to_see_again_is_raised() {
    ABIS.map(Domain::new)
        .iter()
        .for_each(an_event_that_linux_wants_to_see_again_is_raised_with);
}

fn an_event_that_linux_wants_to_see_again_is_raised_with(domain: &Domain) {
    domain.bind(0, 0);
    domain.ports().set_pending(index(0));
    assert!(!domain.interrupt(0, |_| {}));
    domain.find_lost();
    assert!(domain.interrupt(0, |_| {}));
    assert_eq!(domain.deliveries(0), 1);
}

#[test]
fn a_port_has_one_owner_at_a_time() {
    ABIS.map(Domain::new)
        .iter()
        .for_each(a_port_has_one_owner_at_a_time_with);
}

fn a_port_has_one_owner_at_a_time_with(domain: &Domain) {
    let (ports, state) = (domain.ports(), domain.state(0));
    assert_eq!(state.binding(), Binding::Free);
    assert_eq!(state.begin_close(ports, index(0)), None);
    assert_eq!(state.bind(ports, index(0), u32::MAX - 2), Ok(()));
    assert_eq!(state.binding(), Binding::Bound(u32::MAX - 2));
    assert_eq!(state.bind(ports, index(0), 0), Err(PortInUse));
    assert_eq!(state.begin_close(ports, index(0)), Some(u32::MAX - 2));
    assert_eq!(state.binding(), Binding::Closing);
    assert_eq!(state.begin_close(ports, index(0)), None);
    assert!(crate::Move::begin(state, ports, index(0)).is_none());
    assert_eq!(state.bind(ports, index(0), 0), Err(PortInUse));
    state.finish_close();
    assert_eq!(state.bind(ports, index(0), 0), Ok(()));
}

#[test]
fn a_closed_port_stays_masked_whatever_its_driver_does() {
    ABIS.map(Domain::new)
        .iter()
        .for_each(a_closed_port_stays_masked_whatever_its_driver_does_with);
}

fn a_closed_port_stays_masked_whatever_its_driver_does_with(domain: &Domain) {
    domain.bind(0, 0);
    domain.mask(0, MaskReason::Driver);
    domain
        .state(0)
        .begin_close(domain.ports(), index(0))
        .unwrap();
    domain.unmask(0, MaskReason::Driver);
    domain.send(0);
    domain.settle();
    assert!(domain.ports().is_masked(index(0)));
    assert_eq!(domain.deliveries(0), 0);
    let raise = domain.state(0).raise_again(domain.ports(), index(0));
    assert_eq!(raise, Raise::NotNeeded);
}

#[test]
fn ports_without_a_bit_are_refused() {
    for bad in [0, FIFO_PORTS, FIFO_PORTS + 1, u32::MAX] {
        assert_eq!(PortIndex::new(Port(bad)), None);
    }
    let domain = Domain::new(Abi::TwoLevel);
    for bad in [0, PORTS, PORTS + 1] {
        assert_eq!(domain.ports().index(Port(bad)), None);
    }
    assert!(domain.ports().index(Port(PORTS - 1)).is_some());
    for good in [1, 63, 64, PORTS - 1, PORTS, FIFO_PORTS - 1] {
        let index = PortIndex::new(Port(good)).unwrap();
        assert_eq!(index.port(), Port(good));
        assert_eq!((index.word() * 64 + index.bit()) as u32, good);
    }
}

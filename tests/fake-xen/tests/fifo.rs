// SPDX-License-Identifier: GPL-2.0-only
//! The FIFO ABI's pages on the fake hypervisor: given to Xen once, found again, given to another domain; each call
//! failing in turn.
use std::sync::atomic::AtomicU32;
use std::sync::Arc;

use event_channel::{ControlPage, Fifo, FifoState, FIFO_PAGES, FIFO_PORTS, PORTS_PER_PAGE, VCPUS};
use fake_xen::{Call, FakeXen};
use xen_sys::{Gfn, Hypervisor, Port, VcpuId, XenError};

const CONTROL: Gfn = Gfn(0xfe701);
const ARRAY: Gfn = Gfn(0xfe7d0);
const PAGES: u64 = 1000;

/// The memory at those places.
struct Guest {
    xen: Arc<FakeXen>,
    control: ControlPage,
    words: Vec<AtomicU32>,
}

impl Guest {
    fn new() -> Self {
        Self {
            xen: FakeXen::new(4, PAGES),
            control: ControlPage::new(),
            words: (0..FIFO_PORTS).map(|_| AtomicU32::new(u32::MAX)).collect(),
        }
    }

    /// A module that is loaded.
    fn fifo(&self) -> Fifo<'_> {
        Fifo::new((&self.control, CONTROL), (&self.words, ARRAY))
    }

    fn turned_on() -> Self {
        let guest = Self::new();
        guest.fifo().turn_on(&*guest.xen).unwrap();
        guest
    }

    fn state(&self) -> FifoState {
        self.fifo().state(&*self.xen)
    }

    fn pages(&self) -> u64 {
        self.xen.current_reservation().unwrap() - PAGES
    }

    fn told(&self) -> Vec<u32> {
        self.xen
            .control_blocks()
            .keys()
            .map(|vcpu| vcpu.0)
            .collect()
    }

    #[track_caller]
    fn assert_array(&self, pages: u32) {
        let places: Vec<_> = (0..pages.into()).map(|page| Gfn(ARRAY.0 + page)).collect();
        assert_eq!(self.xen.event_array(), places);
        assert_eq!(self.fifo().pages(), pages);
    }
}

#[test]
fn a_domain_gets_the_abi_with_one_page() {
    let guest = Guest::new();
    assert_eq!(guest.state(), FifoState::Off);
    guest.fifo().turn_on(&*guest.xen).unwrap();
    assert_eq!(guest.state(), FifoState::Ours);
    assert_eq!(guest.xen.control_blocks()[&VcpuId(0)], (CONTROL, 0));
    guest.assert_array(1);
    assert_eq!(guest.pages(), 2);
    let ports = guest.fifo().ports();
    for port in [1, PORTS_PER_PAGE - 1] {
        let port = ports.index(Port(port)).unwrap();
        assert!(ports.is_masked(port) && !ports.is_pending(port));
    }
    assert_eq!(ports.index(Port(FIFO_PORTS)), None);
}

#[test]
fn vcpus_are_told_of_events_once() {
    let guest = Guest::turned_on();
    for _ in 0..2 {
        for vcpu in 0..4 {
            guest.fifo().register(&*guest.xen, VcpuId(vcpu)).unwrap();
        }
    }
    assert_eq!(guest.told(), [0, 1, 2, 3]);
    let offsets: Vec<_> = guest.xen.control_blocks().values().map(|at| at.1).collect();
    assert_eq!(offsets, [0, 128, 256, 384]);
    for beyond in [4, VCPUS as u32, u32::MAX] {
        let refused = guest.fifo().register(&*guest.xen, VcpuId(beyond));
        assert_eq!(refused, Err(XenError::ENOENT));
    }
}

#[test]
fn the_array_grows_to_its_end() {
    let guest = Guest::turned_on();
    let room = |port| guest.fifo().make_room(&*guest.xen, Port(port));
    room(PORTS_PER_PAGE - 1).unwrap();
    guest.assert_array(1);
    room(PORTS_PER_PAGE).unwrap();
    guest.assert_array(2);
    room(5 * PORTS_PER_PAGE).unwrap();
    guest.assert_array(6);
    room(FIFO_PORTS - 1).unwrap();
    guest.assert_array(FIFO_PAGES);
    for beyond in [FIFO_PORTS, u32::MAX] {
        assert_eq!(room(beyond), Err(XenError::ENOSPC));
    }
    guest.assert_array(FIFO_PAGES);
}

#[test]
fn the_next_module_goes_on_with_the_pages() {
    let guest = Guest::turned_on();
    let (fifo, xen) = (guest.fifo(), &*guest.xen);
    fifo.register(xen, VcpuId(2)).unwrap();
    fifo.make_room(xen, Port(2000)).unwrap();
    let port = fifo.ports().index(Port(1500)).unwrap();
    fifo.ports().set_pending(port);
    let (calls, pages) = (guest.told(), guest.pages());

    let next = guest.fifo();
    assert_eq!(next.state(xen), FifoState::Ours);
    next.take_over();
    assert!(next.ports().is_masked(port) && next.ports().is_pending(port));
    next.register(xen, VcpuId(2)).unwrap();
    next.make_room(xen, Port(2000)).unwrap();
    assert_eq!((guest.told(), guest.pages()), (calls, pages));
    next.register(xen, VcpuId(1)).unwrap();
    next.make_room(xen, Port(3000)).unwrap();
    assert_eq!(guest.told(), [0, 1, 2]);
    guest.assert_array(3);
}

#[test]
fn another_drivers_pages_are_not_touched() {
    let guest = Guest::new();
    let elsewhere = Gfn(1234);
    guest.xen.populate_physmap(&[elsewhere]).unwrap();
    guest
        .xen
        .evtchn_init_control(VcpuId(0), elsewhere, 0)
        .unwrap();
    assert_eq!(guest.state(), FifoState::Foreign);
}

#[test]
fn a_new_domain_is_told_what_the_old_one_was() {
    let guest = Guest::turned_on();
    let (fifo, xen) = (guest.fifo(), &*guest.xen);
    fifo.register(xen, VcpuId(3)).unwrap();
    fifo.make_room(xen, Port(2000)).unwrap();
    let port = fifo.ports().index(Port(1500)).unwrap();
    fifo.ports().set_pending(port);
    let pages = guest.pages();
    assert_eq!(fifo.renew(xen), Ok(false), "the domain is the same");
    assert!(fifo.ports().is_pending(port));

    guest.xen.forget_fifo();
    assert_eq!(fifo.renew(xen), Ok(true));
    assert_eq!(guest.told(), [0, 3]);
    guest.assert_array(2);
    assert_eq!(guest.pages(), pages, "the memory came with the guest");
    assert!(fifo.ports().is_masked(port) && !fifo.ports().is_pending(port));
    assert_eq!(fifo.renew(xen), Ok(false));
}

#[test]
fn memory_of_a_domain_before_this_one_is_used_again() {
    let guest = Guest::turned_on();
    guest.xen.forget_fifo();
    assert_eq!(guest.state(), FifoState::Off);
    guest.fifo().turn_on(&*guest.xen).unwrap();
    assert_eq!(guest.pages(), 2);
    guest.assert_array(1);
}

#[test]
fn without_memory_it_is_refused() {
    let guest = Guest::new();
    let all: Vec<_> = (0..PAGES).map(Gfn).collect();
    guest.xen.populate_physmap(&all).unwrap();
    assert_eq!(guest.fifo().turn_on(&*guest.xen), Err(XenError::ENOMEM));
    assert_eq!(guest.state(), FifoState::Off);
}

/// Loads a module that wants all of it, as often as it takes.
fn load(guest: &Guest) -> Result<(), XenError> {
    let (fifo, xen) = (guest.fifo(), &*guest.xen);
    match fifo.state(xen) {
        FifoState::Off => fifo.turn_on(xen)?,
        FifoState::Ours => fifo.take_over(),
        FifoState::Foreign => panic!("not ours"),
    }
    fifo.register(xen, VcpuId(1))?;
    fifo.make_room(xen, Port(2000))
}

#[test]
fn each_call_may_fail_and_the_next_load_goes_on() {
    for n in 0.. {
        let guest = Guest::new();
        guest.xen.faults().fail_after(n, XenError::EPERM);
        let first = load(&guest);
        if guest.xen.faults().heal() {
            first.unwrap();
            assert!(n > 6, "{n} calls only");
            break;
        }
        load(&guest).unwrap();
        assert_eq!(guest.told(), [0, 1]);
        guest.assert_array(2);
        assert_eq!(guest.pages(), 3, "call {n}");
    }
}

#[test]
fn each_call_may_fail_in_the_new_domain() {
    for n in 0.. {
        let guest = Guest::new();
        load(&guest).unwrap();
        guest.xen.forget_fifo();
        guest.xen.faults().fail_after(n, XenError::EPERM);
        let renewed = guest.fifo().renew(&*guest.xen);
        if guest.xen.faults().heal() {
            assert_eq!(renewed, Ok(true));
            assert!(n > 3, "{n} calls only");
            break;
        }
        // An old Xen would not know the question that is asked first.
        assert_eq!(renewed.is_err(), n != 0, "call {n}");
        load(&guest).unwrap();
        guest.assert_array(2);
        assert_eq!(guest.pages(), 3);
    }
}

#[test]
fn a_xen_without_it_says_no() {
    let guest = Guest::new();
    for call in [Call::EvtchnSetPriority, Call::EvtchnInitControl] {
        guest.xen.faults().fail_all(call, XenError::ENOSYS);
    }
    assert_eq!(guest.state(), FifoState::Off);
    assert_eq!(guest.fifo().turn_on(&*guest.xen), Err(XenError::ENOSYS));
}

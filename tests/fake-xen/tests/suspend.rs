// SPDX-License-Identifier: GPL-2.0-only
//! A suspend, with a disk at work: the guest goes on as it was, or in another domain.
mod common;

use common::block::End;
use common::device::World;
use event_channel::{remake, Upcalls};
use fake_xen::{BlkbackDriver, Call, FakeXen, Mapping, BACKEND, GRANT_FRAMES_GFN};
use grant_table::{Layout, Version};
use xen_sys::{hvm, Gfn, Hypervisor, Suspended, VcpuId, XenError, XenbusState as S};
use xenbus::frontend::Input;

const SECTORS: usize = 128;
const SHARED_INFO: Gfn = Gfn(0xfe700);
const VECTOR: u8 = 0xf3;
const FRAMES: u32 = 2;

fn connected() -> World {
    let mut world = World::new(SECTORS);
    world.settle();
    assert!(world.machine.is_connected(), "{:?}", world.announced);
    world
}

/// A write and a read on their way to the backend.
fn with_requests(world: &mut World) -> Vec<u64> {
    let disk = world.front.as_mut().unwrap();
    let first = disk.submitted;
    assert!(disk.submit(0, 8, 4096, Some(&[7; 4096])));
    assert!(disk.submit(1, 16, 8192, None));
    disk.commit();
    (first..disk.submitted).collect()
}

fn layout() -> Layout {
    Layout::new(Version::V1, GRANT_FRAMES_GFN[0], 9, 9)
}

/// What the platform module makes anew, in its order.
fn remake_all(xen: &FakeXen) -> Result<(), XenError> {
    let upcalls = Upcalls {
        vcpu: VcpuId(0),
        info: xen.vcpu_info(0),
        vector: Some(VECTOR),
    };
    let vcpus = [upcalls].into_iter();
    let callback = hvm::CALLBACK_PRESENT;
    let events = remake(xen, SHARED_INFO, xen.ports(), vcpus, callback);
    let grants = grant_table::remake(xen, &layout(), FRAMES);
    events.and(grants.map(drop))
}

#[test]
fn a_cancelled_one_changes_nothing() {
    let mut world = connected();
    world.use_disk(1);
    let numbers = with_requests(&mut world);
    let before = (world.announced.clone(), world.closes);
    world.xen.let_suspend_end(Suspended::Cancelled);
    assert_eq!(world.xen.sched_suspend(), Ok(Suspended::Cancelled));
    world.driver.back.as_mut().unwrap().run(9);
    let disk = world.front.as_mut().unwrap();
    disk.collect().unwrap();
    for number in numbers {
        assert!(matches!(
            disk.ended.remove(&number),
            Some(End::Answered(..))
        ));
    }
    world.settle();
    assert_eq!((world.announced.clone(), world.closes), before);
    world.use_disk(2);
}

#[test]
fn requests_are_issued_once_more_in_the_new_domain() {
    let mut world = connected();
    world.use_disk(1);
    let image = world.driver.disk().to_vec();
    let numbers = with_requests(&mut world);
    assert_eq!(world.xen.sched_suspend(), Ok(Suspended::Resumed));
    assert!(world.xen.granted().is_empty() && world.xen.open_ports() == 0);
    assert_eq!(remake_all(&world.xen), Ok(()));
    // The toolstack's part: a new backend on the same disk.
    world.driver = BlkbackDriver::attach(&world.xen, &mut world.store, image);
    let disk = world.front.as_mut().unwrap();
    disk.take_back();
    for number in &numbers {
        assert_eq!(disk.ended.remove(number), Some(End::TakenBack));
    }
    world.input(Input::Resume);
    world.settle();
    assert!(world.machine.is_connected());
    assert_eq!(world.closes, 1);
    assert_eq!(world.announced.last(), Some(&S::Connected));
    let numbers = with_requests(&mut world);
    world.driver.back.as_mut().unwrap().run(9);
    let disk = world.front.as_mut().unwrap();
    disk.collect().unwrap();
    assert_eq!(disk.ended.len(), numbers.len());
    world.use_disk(3);
    world.driver.detach(&mut world.store);
    world.run_for(120_000);
    world.front = None;
    world.assert_clean();
}

#[test]
fn upcalls_come_again() {
    let xen = FakeXen::new(2, 100);
    assert_eq!(xen.sched_suspend(), Ok(Suspended::Resumed));
    // Left over from who knows when: it would keep Xen from announcing anything.
    let vcpus = [0, 1].map(|number| Upcalls {
        vcpu: VcpuId(number),
        info: xen.vcpu_info(number as usize),
        vector: (number == 1).then_some(VECTOR),
    });
    let callback = hvm::callback_pci_intx(0, 0, 0x10, 0);
    let ports = xen.ports();
    remake(&*xen, SHARED_INFO, ports, vcpus.into_iter(), callback).unwrap();
    assert_eq!((xen.vector(0), xen.vector(1)), (0, VECTOR));
    assert_eq!(xen.param(hvm::PARAM_CALLBACK_IRQ), Some(callback));
    assert_eq!(xen.mapped_by_xen(), 1);
    let port = xen.evtchn_bind_ipi(VcpuId(1)).unwrap();
    let index = event_channel::PortIndex::new(port).unwrap();
    assert!(xen.ports().is_masked(index));
}

/// Pages that the old domain's backend had not let go of are the guest's own again.
#[test]
fn deferred_pages_come_back() {
    let mut world = connected();
    let gref = world.front.as_ref().unwrap().ring_ref();
    let kept = Mapping::new(&world.xen, gref, BACKEND, true).unwrap();
    world.front = None;
    assert_eq!(world.grants.counters().deferred, 1);
    assert_eq!(world.grants.tick(1), 0);
    assert_eq!(world.xen.sched_suspend(), Ok(Suspended::Resumed));
    assert_eq!(remake_all(&world.xen), Ok(()));
    assert_eq!(world.grants.tick(2), 1);
    assert_eq!(world.grants.counters().deferred, 0);
    drop(kept);
    world.xen.assert_sound();
}

/// Each hypercall that makes things anew fails in turn: what was the old domain's is given back all the same, and nothing
/// of it is left.
#[test]
fn each_hypercall_fails_in_turn() {
    let mut failures = 0;
    for n in 0.. {
        let mut world = connected();
        world.use_disk(1);
        with_requests(&mut world);
        assert_eq!(world.xen.sched_suspend(), Ok(Suspended::Resumed));
        world.xen.faults().fail_after(n, XenError::ENOMEM);
        let remade = remake_all(&world.xen);
        let was_ahead = world.xen.faults().heal();
        assert_eq!(remade.is_ok(), was_ahead, "call {n}: {remade:?}");
        failures += usize::from(remade.is_err());
        // The backend went with the old domain.
        world.driver.back = None;
        world.front = None;
        world.assert_clean();
        if was_ahead {
            break;
        }
    }
    assert_eq!(failures, 8);
}

/// The toolstack's answer never comes, or the call fails: the guest has all that it had.
#[test]
fn one_that_fails_changes_nothing() {
    let mut world = connected();
    world.use_disk(1);
    let faults = world.xen.faults();
    faults.fail_all(Call::SchedSuspend, XenError::EPERM);
    assert_eq!(world.xen.sched_suspend(), Err(XenError::EPERM));
    world.xen.faults().heal();
    world.use_disk(2);
}

/// A new domain whose grant table cannot be as large.
#[test]
fn a_smaller_grant_table() {
    let xen = FakeXen::new(1, 100);
    assert_eq!(xen.sched_suspend(), Ok(Suspended::Resumed));
    let remade = |frames| grant_table::remake(&*xen, &layout(), frames);
    assert_eq!(remade(9), Err(XenError::EINVAL));
    assert_eq!(remade(4), Ok(4));
}

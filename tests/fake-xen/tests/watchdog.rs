// SPDX-License-Identifier: GPL-2.0-only
//! The watchdog against Xen: one timer at a time, none left behind, whatever fails.
use fake_xen::{Call, FakeXen};
use proptest::prelude::*;
use wdt_core::Watchdog;
use xen_sys::{Hypervisor, XenError};

#[test]
fn it_begins_goes_on_and_ends() {
    let xen = FakeXen::new(1, 0);
    let mut watchdog = Watchdog::default();
    assert!(Watchdog::is_supported(&*xen));
    assert_eq!(watchdog.left(0), 0);
    watchdog.set(&*xen, 60, 1000).unwrap();
    assert_eq!(xen.watchdogs(), [60]);
    assert_eq!((watchdog.left(1000), watchdog.left(2000)), (60, 59));
    assert_eq!((watchdog.left(61_000), watchdog.left(u64::MAX)), (0, 0));
    watchdog.set(&*xen, 30, 20_000).unwrap();
    assert_eq!((xen.watchdogs(), watchdog.left(20_000)), (vec![30], 30));
    watchdog.stop(&*xen).unwrap();
    assert!(xen.watchdogs().is_empty() && !watchdog.is_running());
    assert_eq!(watchdog.left(20_000), 0);
    // Again is no mistake, and asks Xen for nothing.
    let calls = xen.faults().calls();
    watchdog.stop(&*xen).unwrap();
    assert_eq!(xen.faults().calls(), calls);
}

#[test]
fn a_xen_without_watchdogs_is_told() {
    let xen = FakeXen::new(1, 0);
    for error in [XenError::ENOSYS, XenError::EPERM] {
        xen.faults().fail_all(Call::SchedWatchdog, error);
        assert!(!Watchdog::is_supported(&*xen));
    }
    xen.faults().heal();
    assert!(xen.watchdogs().is_empty());
}

#[test]
fn no_seconds_stop_nothing() {
    let xen = FakeXen::new(1, 0);
    let mut watchdog = Watchdog::default();
    assert_eq!(watchdog.set(&*xen, 0, 0), Err(XenError::EINVAL));
    watchdog.set(&*xen, 5, 0).unwrap();
    assert_eq!(watchdog.set(&*xen, 0, 0), Err(XenError::EINVAL));
    assert_eq!(xen.watchdogs(), [5]);
}

#[test]
fn a_restored_domain_gets_a_new_timer() {
    let xen = FakeXen::new(1, 0);
    let mut watchdog = Watchdog::default();
    watchdog.set(&*xen, 60, 0).unwrap();
    xen.forget_watchdogs();
    watchdog.set(&*xen, 60, 0).unwrap();
    assert_eq!(xen.watchdogs(), [60]);
    xen.forget_watchdogs();
    watchdog.stop(&*xen).unwrap();
    assert!(!watchdog.is_running());
}

#[test]
fn a_restored_domain_has_a_timer_at_once() {
    let xen = FakeXen::new(1, 0);
    let mut watchdog = Watchdog::default();
    // None that was never started, or is stopped.
    watchdog.resume(&*xen, 0).unwrap();
    watchdog.set(&*xen, 60, 0).unwrap();
    watchdog.stop(&*xen).unwrap();
    watchdog.resume(&*xen, 0).unwrap();
    assert!(xen.watchdogs().is_empty());
    // The same domain goes on with the same timer, another one gets one.
    watchdog.set(&*xen, 60, 0).unwrap();
    for forget in [false, true] {
        if forget {
            xen.forget_watchdogs();
        }
        watchdog.resume(&*xen, 70_000).unwrap();
        assert_eq!(
            (xen.watchdogs(), watchdog.left(70_000)),
            (vec![60], 60),
            "{forget}"
        );
    }
}

#[test]
fn what_xen_does_not_resume_is_begun_by_the_next_ping() {
    let xen = FakeXen::new(1, 0);
    let mut watchdog = Watchdog::default();
    watchdog.set(&*xen, 60, 0).unwrap();
    xen.forget_watchdogs();
    xen.faults().fail_after(1, XenError::EFAULT);
    assert_eq!(watchdog.resume(&*xen, 0), Err(XenError::EFAULT));
    assert!(!watchdog.is_running() && xen.watchdogs().is_empty());
    xen.faults().heal();
    watchdog.set(&*xen, 60, 0).unwrap();
    assert_eq!(xen.watchdogs(), [60]);
}

#[test]
fn others_may_have_all_timers() {
    let xen = FakeXen::new(1, 0);
    let others = [(); 2].map(|()| xen.sched_watchdog(None, 100).unwrap());
    let mut watchdog = Watchdog::default();
    assert_eq!(watchdog.set(&*xen, 60, 0), Err(XenError::ENOSPC));
    assert!(!watchdog.is_running());
    xen.sched_watchdog(Some(others[1]), 0).unwrap();
    watchdog.set(&*xen, 60, 0).unwrap();
    watchdog.stop(&*xen).unwrap();
    assert_eq!(xen.watchdogs(), [100]);
}

proptest! {
    /// However calls fail in between, there is one timer when it says that it runs, and none when not.
    #[test]
    fn no_timer_is_lost(
        steps in proptest::collection::vec((any::<bool>(), 1u32..100, proptest::option::of(0usize..2)), 1..60),
    ) {
        let xen = FakeXen::new(1, 0);
        let mut watchdog = Watchdog::default();
        for (set, seconds, fails) in steps {
            if let Some(after) = fails {
                xen.faults().fail_after(after, XenError::EFAULT);
            }
            let (result, wanted) = if set {
                (watchdog.set(&*xen, seconds, 0), vec![seconds])
            } else {
                (watchdog.stop(&*xen), vec![])
            };
            xen.faults().heal();
            prop_assert_eq!(watchdog.is_running(), xen.watchdogs().len() == 1);
            if result.is_ok() {
                prop_assert_eq!(xen.watchdogs(), wanted);
            }
        }
        watchdog.stop(&*xen).unwrap();
        prop_assert!(xen.watchdogs().is_empty());
    }
}

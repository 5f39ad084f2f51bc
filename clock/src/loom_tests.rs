// SPDX-License-Identifier: GPL-2.0-only
//! Every interleaving of readers with Xen's writes and with each other.
use crate::sync::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, Release, SeqCst},
};
use crate::{Clock, TimeInfo};
use loom::{sync::Arc, thread};

/// Counter steps of one nanosecond each.
const ONE_TO_ONE: u32 = 1 << 31;

fn info() -> TimeInfo {
    TimeInfo {
        version: AtomicU32::new(2),
        pad0: AtomicU32::new(0),
        tsc_timestamp: AtomicU64::new(100),
        system_time: AtomicU64::new(1_000),
        tsc_to_system_mul: AtomicU32::new(ONE_TO_ONE),
        shift_and_flags: AtomicU32::new(1),
    }
}

/// Xen's way to write: another moment of the same clock.
fn rewrite(info: &TimeInfo, later: u64) {
    let version = info.version.load(Relaxed);
    info.version.store(version + 1, Release);
    info.tsc_timestamp.store(100 + later, Release);
    info.system_time.store(1_000 + later, Release);
    info.version.store(version + 2, Release);
}

#[test]
fn loom_no_reader_sees_half_of_a_write() {
    loom::model(|| {
        let info = Arc::new(info());
        let xen = {
            let info = info.clone();
            thread::spawn(move || rewrite(&info, 50))
        };
        let (sample, tsc) = info.sample(|| 200);
        assert_eq!(sample.time(tsc), 1_100);
        xen.join().unwrap();
    });
}

#[test]
fn loom_time_never_goes_back_between_cpus() {
    loom::model(|| {
        let (clock, infos) = (Arc::new(Clock::new()), Arc::new([info(), info()]));
        let told = Arc::new(AtomicU64::new(0));
        let read = |cpu: usize, tsc: u64| {
            let (clock, infos, told) = (clock.clone(), infos.clone(), told.clone());
            move || {
                let before = told.load(SeqCst);
                let now = clock.read(&infos[cpu], || tsc);
                assert!(now >= before);
                told.fetch_max(now, SeqCst);
            }
        };
        let other = thread::spawn(read(1, 180));
        read(0, 200)();
        read(0, 210)();
        other.join().unwrap();
    });
}

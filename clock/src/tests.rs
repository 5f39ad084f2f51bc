// SPDX-License-Identifier: GPL-2.0-only
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::{Clock, Sample, TimeInfo};
use proptest::prelude::*;

fn info(sample: &Sample) -> TimeInfo {
    let flags = u8::from(sample.stable);
    TimeInfo {
        version: AtomicU32::new(2),
        pad0: AtomicU32::new(0),
        tsc_timestamp: AtomicU64::new(sample.tsc_timestamp),
        system_time: AtomicU64::new(sample.system_time),
        tsc_to_system_mul: AtomicU32::new(sample.tsc_to_system_mul),
        shift_and_flags: AtomicU32::new(u32::from_le_bytes([sample.tsc_shift as u8, flags, 0, 0])),
    }
}

/// 1 GHz: a step is a nanosecond.
const GIGAHERTZ: Sample = Sample {
    system_time: 1_000,
    tsc_timestamp: 100,
    tsc_to_system_mul: 1 << 31,
    tsc_shift: 1,
    stable: false,
};

fn any_sample() -> impl Strategy<Value = Sample> {
    (any::<[u64; 2]>(), any::<u32>(), any::<i8>(), any::<bool>()).prop_map(
        |([system_time, tsc_timestamp], tsc_to_system_mul, tsc_shift, stable)| Sample {
            system_time,
            tsc_timestamp,
            tsc_to_system_mul,
            tsc_shift,
            stable,
        },
    )
}

#[test]
fn the_numbers_of_real_clocks() {
    for (hertz, mul, shift) in [
        // What Xen's set_time_scale gives: mul / 2^32 * 2^shift nanoseconds a step.
        (1_000_000_000u64, 0x8000_0000u32, 1i8),
        (2_000_000_000, 0x8000_0000, 0),
        (2_294_687_000, 0xdf1f_c5d3, -1),
        (3_400_000_000, 0x9696_9696, -1),
        (100_000_000, 0xa000_0000, 4),
    ] {
        let sample = Sample {
            tsc_to_system_mul: mul,
            tsc_shift: shift,
            ..GIGAHERTZ
        };
        for seconds in [0, 1, 60, 86_400] {
            let time = sample.time(100 + hertz * seconds);
            let off = time.abs_diff(1_000 + seconds * 1_000_000_000);
            assert!(
                off <= seconds * 1_000,
                "{hertz} Hz, {seconds} s: {off} ns off"
            );
        }
    }
}

#[test]
fn a_counter_from_before_gives_the_time_of_the_sample() {
    assert_eq!(GIGAHERTZ.time(100), 1_000);
    assert_eq!(GIGAHERTZ.time(99), 1_000);
    assert_eq!(GIGAHERTZ.time(101), 1_001);
    let wraps = Sample {
        tsc_timestamp: u64::MAX,
        ..GIGAHERTZ
    };
    assert_eq!(wraps.time(1), 1_002);
}

#[test]
fn a_write_in_between_makes_the_reader_try_again() {
    let info = info(&GIGAHERTZ);
    let reads = Cell::new(0);
    let (sample, tsc) = info.sample(|| {
        reads.set(reads.get() + 1);
        match reads.get() {
            // Begun within the reading, ended within the next.
            1 => info.version.store(3, Relaxed),
            2 => {
                info.system_time.store(2_000, Relaxed);
                info.version.store(4, Relaxed);
            }
            _ => {}
        }
        100 + reads.get()
    });
    assert_eq!(reads.get(), 3);
    assert_eq!(sample.time(tsc), 2_003);
}

#[test]
fn a_version_that_stays_odd_holds_nobody_up_for_ever() {
    let info = info(&GIGAHERTZ);
    info.version.store(7, Relaxed);
    let (sample, tsc) = info.sample(|| 150);
    assert_eq!(sample.time(tsc), 1_050);
}

#[test]
fn memory_that_xen_never_wrote() {
    let zero = Sample {
        system_time: 0,
        tsc_timestamp: 0,
        tsc_to_system_mul: 0,
        tsc_shift: 0,
        stable: false,
    };
    let info = info(&zero);
    assert!(!info.is_filled());
    assert_eq!(Clock::new().read(&info, || u64::MAX / 2), 0);
}

#[test]
fn another_cpu_that_lags_is_told_the_latest_time() {
    let (clock, info) = (Clock::new(), info(&GIGAHERTZ));
    assert_eq!(clock.read(&info, || 200), 1_100);
    assert_eq!(clock.read(&info, || 150), 1_100);
    assert_eq!(clock.read(&info, || 201), 1_101);
}

#[test]
fn counters_that_agree_need_no_memory() {
    let stable = Sample {
        stable: true,
        ..GIGAHERTZ
    };
    let (clock, info) = (Clock::new(), info(&stable));
    assert_eq!(clock.read(&info, || 200), 1_100);
    assert_eq!(clock.read(&info, || 150), 1_050);
}

#[test]
fn after_a_resume_an_earlier_time_is_told() {
    let (clock, info) = (Clock::new(), info(&GIGAHERTZ));
    assert_eq!(clock.read(&info, || 5_000), 5_900);
    info.system_time.store(10, Relaxed);
    clock.forget();
    assert_eq!(clock.read(&info, || 200), 110);
}

proptest! {
    #[test]
    fn nothing_panics(sample in any_sample(), tsc: u64) {
        let info = info(&sample);
        prop_assert_eq!(info.sample(|| tsc), (sample, tsc));
        Clock::new().read(&info, || tsc);
    }

    #[test]
    fn time_follows_the_counter(mul: u32, shift in -31i8..=8, a in 0u64..1 << 40, b in 0u64..1 << 40) {
        let sample = Sample { tsc_to_system_mul: mul, tsc_shift: shift, ..GIGAHERTZ };
        let (first, second) = (a.min(b), a.max(b));
        prop_assert!(sample.time(100 + first) <= sample.time(100 + second));
    }

    #[test]
    fn nobody_is_told_less_than_another(reads in prop::collection::vec((0usize..3, 0u64..1000), 1..50)) {
        let infos = [0, 30, 7].map(|behind| {
            info(&Sample { tsc_timestamp: 100 + behind, ..GIGAHERTZ })
        });
        let (clock, mut latest, mut tsc) = (Clock::new(), 0, 100);
        for (cpu, steps) in reads {
            tsc += steps;
            let now = clock.read(&infos[cpu], || tsc);
            prop_assert!(now >= latest);
            latest = now;
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Xen's clock: the same on all CPUs, and as fast as the one that Linux keeps the time with (so the guest test chooses
//! another one first).

use crate::{ensure, Case, Failure};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use kernel::bindings;
use kernel::cpu::{nr_cpu_ids, CpuId};
use kernel::error::to_result;
use kernel::ffi::c_void;
use kernel::prelude::*;
use kernel::time::{delay::fsleep, Delta};

pub(crate) const CASES: &[Case] = &[
    ("clock: time never goes back from CPU to CPU", monotonic),
    ("clock: as fast as Linux's time", fast),
];

/// Readings that each CPU makes, all at the same time.
const READINGS: u32 = 20_000;

/// What the CPUs share.
struct Race {
    /// The latest time that one of them has read.
    latest: AtomicU64,
    went_back: AtomicU32,
    done: AtomicU32,
}

/// Xen's time.
fn xen_time() -> u64 {
    /// # Safety
    /// `time` points to a number that is ours to write.
    unsafe extern "C" fn read(time: *mut c_void) {
        let now = xen_clock::read(CpuId::current().as_u32());
        // SAFETY: By the contract of this function.
        unsafe { *time.cast::<u64>() = now };
    }
    let mut time = 0u64;
    // SAFETY: The function is made for this data, and the call waits for it. CPU 0 is always there; if not, the time is 0.
    unsafe { bindings::smp_call_function_single(0, Some(read), (&raw mut time).cast(), true) };
    time
}

/// One CPU's part. Interrupts are off.
///
/// # Safety
/// `race` is a `Race` that lives until this CPU has counted itself done.
unsafe extern "C" fn run(race: *mut c_void) {
    // SAFETY: By the contract of this function.
    let race = unsafe { &*race.cast::<Race>() };
    let cpu = CpuId::current().as_u32();
    for _ in 0..READINGS {
        let before = race.latest.load(SeqCst);
        let now = xen_clock::read(cpu);
        if now < before {
            race.went_back.fetch_add(1, SeqCst);
        }
        race.latest.fetch_max(now, SeqCst);
    }
    race.done.fetch_add(1, SeqCst);
}

fn monotonic() -> Result<(), Failure> {
    let race = Race {
        latest: AtomicU64::new(0),
        went_back: AtomicU32::new(0),
        done: AtomicU32::new(0),
    };
    let mut cpus = 0;
    for cpu in 0..nr_cpu_ids() {
        let data = core::ptr::from_ref(&race).cast_mut().cast();
        // SAFETY: The function is made for this data, which stays until every CPU that was asked is done. An error means
        // that the CPU is offline and was not asked.
        let asked = unsafe {
            to_result(bindings::smp_call_function_single(
                cpu as i32,
                Some(run),
                data,
                false,
            ))
        };
        cpus += u32::from(asked.is_ok());
    }
    while race.done.load(SeqCst) < cpus {
        fsleep(Delta::from_millis(1));
    }
    pr_info!("{} readings on {cpus} CPUs\n", READINGS.wrapping_mul(cpus));
    ensure(race.latest.load(SeqCst) != 0, "no time")?;
    ensure(race.went_back.load(SeqCst) == 0, "time went back")
}

/// Linux's time and Xen's at one moment, as near to each other as they can be had, and how far apart they were read.
fn both() -> (u64, u64, u64) {
    // SAFETY: The function has no conditions.
    let linux_time = || unsafe { bindings::ktime_get_raw() } as u64;
    let pair = || {
        let (before, xen, after) = (linux_time(), xen_time(), linux_time());
        (before, xen, after.saturating_sub(before))
    };
    (0..50)
        .map(|_| pair())
        .min_by_key(|pair| pair.2)
        .unwrap_or_default()
}

/// Nanoseconds of Linux's time that one of 1000 readings takes.
fn cost(read: impl Fn() -> u64) -> u64 {
    // SAFETY: The function has no conditions.
    let now = || unsafe { bindings::ktime_get_raw() } as u64;
    let start = now();
    let latest = (0..1000).map(|_| read()).fold(0, u64::max);
    let took = now().saturating_sub(start) / 1000;
    core::hint::black_box(latest);
    took
}

fn fast() -> Result<(), Failure> {
    let (linux, xen, _) = both();
    fsleep(Delta::from_millis(3000));
    let (linux_later, xen_later, apart) = both();
    let (linux, xen) = (linux_later.wrapping_sub(linux), xen_later.wrapping_sub(xen));
    pr_info!("Linux counts {linux} ns, Xen {xen} ns; read within {apart} ns\n");
    // On whatever CPU: it is only the cost that counts.
    let cpu = CpuId::current().as_u32();
    // SAFETY: The function has no conditions.
    let linux_cost = cost(|| unsafe { bindings::ktime_get_raw() } as u64);
    let xen_cost = cost(|| xen_clock::read(cpu));
    pr_info!("a reading of Linux's clock takes {linux_cost} ns, of Xen's {xen_cost} ns\n");
    ensure(linux >= 2_900_000_000, "Linux's time is too slow")?;
    ensure(linux.abs_diff(xen) < linux / 200, "more than 0.5 % apart")
}

// SPDX-License-Identifier: GPL-2.0-only
//! What Xen tells a vCPU about the time.
use crate::sync::{
    spin_loop, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};

/// Readings to try before one is taken as it is. Xen needs far less time than that for its writes, which it makes while
/// the vCPU does not run.
const TRIES: u32 = 1000;
/// `XEN_PVCLOCK_TSC_STABLE_BIT` (`xen/include/public/xen.h`).
const TSC_STABLE: u8 = 1 << 0;

/// `struct vcpu_time_info` (`xen/include/public/xen.h`). All of it is atomic: Xen may write at any time.
#[repr(C)]
#[derive(Debug)]
pub struct TimeInfo {
    pub(crate) version: AtomicU32,
    pub(crate) pad0: AtomicU32,
    pub(crate) tsc_timestamp: AtomicU64,
    pub(crate) system_time: AtomicU64,
    pub(crate) tsc_to_system_mul: AtomicU32,
    /// From its lowest byte up: `tsc_shift`, `flags`, nothing.
    pub(crate) shift_and_flags: AtomicU32,
}

#[cfg(not(all(test, loom)))]
const _: () = {
    use core::mem::{offset_of, size_of};
    use xen_sys::generated::vcpu_time_info as sys;
    assert!(size_of::<TimeInfo>() == size_of::<sys>());
    assert!(offset_of!(TimeInfo, version) == offset_of!(sys, version));
    assert!(offset_of!(TimeInfo, tsc_timestamp) == offset_of!(sys, tsc_timestamp));
    assert!(offset_of!(TimeInfo, system_time) == offset_of!(sys, system_time));
    assert!(offset_of!(TimeInfo, tsc_to_system_mul) == offset_of!(sys, tsc_to_system_mul));
    assert!(offset_of!(TimeInfo, shift_and_flags) == offset_of!(sys, tsc_shift));
    assert!(offset_of!(TimeInfo, shift_and_flags) + 1 == offset_of!(sys, flags));
};

/// One consistent reading of a [`TimeInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The time at which Xen wrote, in nanoseconds.
    pub system_time: u64,
    /// The counter at that time.
    pub tsc_timestamp: u64,
    /// Nanoseconds for 2^32 steps of the shifted counter.
    pub tsc_to_system_mul: u32,
    /// By how many bits a difference of the counter is shifted, to the left if positive.
    pub tsc_shift: i8,
    /// Whether the counters of all CPUs agree, by Xen's word.
    pub stable: bool,
}

impl TimeInfo {
    /// Whether Xen has ever written it.
    pub fn is_filled(&self) -> bool {
        self.version.load(Relaxed) != 0 && self.tsc_to_system_mul.load(Relaxed) != 0
    }

    /// A reading, and what `tsc` says within it: the CPU's counter, read after all reads before it.
    ///
    /// On the CPU whose [`TimeInfo`] it is, with preemption off. Any context.
    #[inline]
    pub fn sample(&self, tsc: impl Fn() -> u64) -> (Sample, u64) {
        for _ in 1..TRIES {
            let version = self.version.load(Acquire);
            let sample = (self.load(), tsc());
            if version & 1 == 0 && self.version.load(Acquire) == version {
                return sample;
            }
            spin_loop();
        }
        (self.load(), tsc())
    }

    #[inline]
    fn load(&self) -> Sample {
        let [shift, flags, ..] = self.shift_and_flags.load(Acquire).to_le_bytes();
        Sample {
            system_time: self.system_time.load(Acquire),
            tsc_timestamp: self.tsc_timestamp.load(Acquire),
            tsc_to_system_mul: self.tsc_to_system_mul.load(Acquire),
            tsc_shift: shift as i8,
            stable: flags & TSC_STABLE != 0,
        }
    }
}

impl Sample {
    /// The time, in nanoseconds, when the counter is `tsc`. A counter from before the sample, as another CPU's may be,
    /// gives the sample's time.
    #[inline]
    pub fn time(&self, tsc: u64) -> u64 {
        let steps = tsc.wrapping_sub(self.tsc_timestamp);
        if steps > i64::MAX as u64 {
            return self.system_time;
        }
        let by = u32::from(self.tsc_shift.unsigned_abs());
        let shifted = if self.tsc_shift < 0 {
            steps.checked_shr(by)
        } else {
            steps.checked_shl(by)
        };
        let product =
            u128::from(shifted.unwrap_or(0)).wrapping_mul(u128::from(self.tsc_to_system_mul));
        self.system_time.wrapping_add((product >> 32) as u64)
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! CPUs that come and go.

use core::marker::PhantomData;
use kernel::cpu::CpuId;
use kernel::{bindings, error::from_result, error::to_result, ffi, prelude::*};

/// What to do for each CPU. Both run on the CPU in question, in a thread, one CPU at a time, and may sleep.
pub trait CpuCallbacks: 'static {
    /// `cpu` has come online.
    ///
    /// # Errors
    /// Any error keeps the CPU offline.
    fn online(cpu: CpuId) -> Result;

    /// `cpu` is about to go offline; interrupts still reach it.
    fn offline(cpu: CpuId);
}

/// A registration of [`CpuCallbacks`]: [`CpuCallbacks::online`] runs for the CPUs that are online, and for each one that
/// comes; [`CpuCallbacks::offline`] for each one that goes, and on drop for those that are left.
///
/// # Invariants
///
/// `state` was set up by `register`, and belongs to this value.
pub struct CpuHotplug<C: CpuCallbacks> {
    state: bindings::cpuhp_state,
    _callbacks: PhantomData<fn(&C)>,
}

impl<C: CpuCallbacks> CpuHotplug<C> {
    /// Registers `C` under `name`, which is seen in /sys/devices/system/cpu/hotplug/states.
    ///
    /// # Errors
    /// What [`CpuCallbacks::online`] returned, after [`CpuCallbacks::offline`] for the CPUs before; `ENOSPC`.
    pub fn register(name: &'static CStr) -> Result<Self> {
        // SAFETY: The functions live until `drop` removes them, for the module does not go away before; the name is
        // static.
        let state = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_AP_ONLINE_DYN,
                name.as_ptr().cast(),
                true,
                Some(Self::online),
                Some(Self::offline),
                false,
            )
        };
        to_result(state)?;
        // INVARIANT: Just set up; for a dynamic state the result is its number.
        Ok(Self {
            state: state as bindings::cpuhp_state,
            _callbacks: PhantomData,
        })
    }

    unsafe extern "C" fn online(cpu: ffi::c_uint) -> ffi::c_int {
        from_result(|| C::online(CpuId::from_u32(cpu).ok_or(EINVAL)?).map(|()| 0))
    }

    unsafe extern "C" fn offline(cpu: ffi::c_uint) -> ffi::c_int {
        if let Some(cpu) = CpuId::from_u32(cpu) {
            C::offline(cpu);
        }
        0
    }
}

impl<C: CpuCallbacks> Drop for CpuHotplug<C> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. It returns when no callback runs any more.
        unsafe { bindings::__cpuhp_remove_state(self.state, true) };
    }
}

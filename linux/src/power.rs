// SPDX-License-Identifier: GPL-2.0-only
//! The system's end, and its magic keys.

use kernel::error::to_result;
use kernel::{ffi::c_int, prelude::*};

extern "C" {
    // linux/c/power.c
    fn xenpv_power_off() -> bool;
    fn xenpv_restart() -> bool;
    fn xenpv_sysrq(key: u8);
    fn xenpv_kexec_register(hook: extern "C" fn()) -> c_int;
    fn xenpv_kexec_unregister();
}

/// As long as this lives, a function is called when another kernel is about to take this one's place (kexec), with all
/// tasks and devices still at work; not when this one has crashed. There is one such function.
pub struct KexecHook(());

impl KexecHook {
    /// Registers `hook`, which may sleep.
    ///
    /// # Errors
    /// `EEXIST` when there is one.
    pub fn register(hook: extern "C" fn()) -> Result<Self> {
        // SAFETY: The function lives until `drop` takes it away, for the module does not go before. The notifier chain
        // refuses the block when it is registered already, so that `drop` belongs to this registration.
        to_result(unsafe { xenpv_kexec_register(hook) })?;
        Ok(Self(()))
    }
}

impl Drop for KexecHook {
    fn drop(&mut self) {
        // SAFETY: This value is the registration. The function is not being called any more afterwards.
        unsafe { xenpv_kexec_unregister() };
    }
}

/// Lets user space power the system off (`/proc/sys/kernel/poweroff_cmd`), and returns at once. `false` when the system
/// is going down already.
pub fn power_off() -> bool {
    // SAFETY: The function has no conditions: the work is done by a work item of the kernel's own.
    unsafe { xenpv_power_off() }
}

/// Lets user space restart the system (`/sbin/reboot`), and returns at once; the kernel restarts it when that program
/// cannot be started. `false` when the system is going down already.
pub fn restart() -> bool {
    // SAFETY: As in `power_off`.
    unsafe { xenpv_restart() }
}

/// Does what the key does behind Alt-SysRq, as far as `/proc/sys/kernel/sysrq` allows it. May not return: some keys end
/// the system at once.
pub fn sysrq(key: u8) {
    // SAFETY: The function takes any key; one without a meaning prints the list of those that have one.
    unsafe { xenpv_sysrq(key) }
}

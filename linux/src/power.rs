// SPDX-License-Identifier: GPL-2.0-only
//! The system's end, and its magic keys.

extern "C" {
    // linux/c/power.c
    fn xenpv_power_off() -> bool;
    fn xenpv_restart() -> bool;
    fn xenpv_sysrq(key: u8);
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

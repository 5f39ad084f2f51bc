// SPDX-License-Identifier: GPL-2.0-only
//! x86 port I/O.

use core::arch::asm;

/// Reads a byte from `port`.
///
/// # Safety
///
/// The caller knows the device behind the port, and that reading it there does no harm.
pub unsafe fn read8(port: u16) -> u8 {
    let value;
    // SAFETY: The instruction touches no memory; what the device does is the caller's promise.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Reads 16 bits from `port`.
///
/// # Safety
///
/// As [`read8`].
pub unsafe fn read16(port: u16) -> u16 {
    let value;
    // SAFETY: As in `read8`.
    unsafe {
        asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Writes a byte to `port`.
///
/// # Safety
///
/// As [`write16`].
pub unsafe fn write8(port: u16, value: u8) {
    // SAFETY: The instruction touches no memory of ours; what the device does is the caller's promise.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes 16 bits to `port`.
///
/// # Safety
///
/// The caller knows the device behind the port and what the write makes it do.
pub unsafe fn write16(port: u16, value: u16) {
    // SAFETY: The instruction touches no memory of ours; what the device does is the caller's promise.
    unsafe {
        asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes 32 bits to `port`.
///
/// # Safety
///
/// As [`write16`].
pub unsafe fn write32(port: u16, value: u32) {
    // SAFETY: As in `write16`.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags))
    };
}

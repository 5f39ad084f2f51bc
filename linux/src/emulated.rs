// SPDX-License-Identifier: GPL-2.0-only
//! Devices that a device model may emulate: the disks and network cards on the root PCI bus.

use core::ptr::{null_mut, NonNull};
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;

/// `struct xenpv_emulated` in `linux/c/xenpv.h`.
#[repr(C)]
struct RawEmulated {
    name: *const c_char,
    openers: u32,
    port: u32,
    device: u32,
    class: u16,
    disk: u8,
    cdrom: u8,
    placed: u8,
}

/// `struct device`, known to C only.
#[repr(C)]
struct RawDevice {
    _opaque: [u8; 0],
}

extern "C" {
    // linux/c/emulated.c
    fn xenpv_emulated_find(found: *mut *mut RawDevice, room: u32) -> c_int;
    fn xenpv_emulated_put(dev: *mut RawDevice);
    fn xenpv_emulated_describe(dev: *mut RawDevice, out: *mut RawEmulated);
    fn xenpv_emulated_detach(disk: *mut RawDevice);
    fn xenpv_emulated_remove(function: *mut RawDevice);
    fn xenpv_emulated_rescan();
    fn xenpv_emulated_save(function: *mut RawDevice);
    fn xenpv_emulated_restore(function: *mut RawDevice);
}

/// Most devices that are looked at.
const ROOM: u32 = 256;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A PCI function.
    Function,
    /// A disk.
    Disk {
        /// Where it is on an ATA controller, if it is on one: its port and its number there.
        place: Option<(u32, u32)>,
        /// It has removable, read-only media.
        cdrom: bool,
        /// How many have it or its partitions open: mounts, swap areas, device mappers, programs.
        openers: u32,
    },
}

/// A PCI function with a storage or network class, or a disk on one.
///
/// # Invariants
///
/// `device` holds a reference, and is a device that `xenpv_emulated_find` has found.
pub struct Emulated {
    device: NonNull<RawDevice>,
}

impl Emulated {
    /// All there are now, each function before its disks.
    ///
    /// # Errors
    /// `ENOSPC` when there are too many, `ENOMEM`.
    pub fn find() -> Result<KVec<Self>> {
        let mut found = KVec::from_elem(null_mut(), ROOM as usize, GFP_KERNEL)?;
        let mut devices = KVec::with_capacity(ROOM as usize, GFP_KERNEL)?;
        // SAFETY: There is room for as many pointers as is said.
        let count = unsafe { xenpv_emulated_find(found.as_mut_ptr(), ROOM) };
        let count = kernel::error::to_result(count).map(|()| count)?;
        for device in found.iter().take(usize::try_from(count)?) {
            let device = NonNull::new(*device).ok_or(EINVAL)?;
            // INVARIANT: It was just found, and the reference is handed over.
            devices.push_within_capacity(Self { device })?;
        }
        Ok(devices)
    }

    fn describe(&self) -> RawEmulated {
        let mut raw = RawEmulated {
            name: core::ptr::null(),
            openers: 0,
            port: 0,
            device: 0,
            class: 0,
            disk: 0,
            cdrom: 0,
            placed: 0,
        };
        // SAFETY: By the type invariant; `raw` is the structure that the function fills in.
        unsafe { xenpv_emulated_describe(self.device.as_ptr(), &mut raw) };
        raw
    }

    /// Its name.
    pub fn name(&self) -> &CStr {
        // SAFETY: The name is a string that lives as long as the device, to which this holds a reference; nobody renames a
        // disk or a PCI function.
        unsafe { CStr::from_char_ptr(self.describe().name) }
    }

    /// The upper 16 bits of the class code of the PCI function that it is, or on which it is.
    pub fn class(&self) -> u16 {
        self.describe().class
    }

    /// What it is now.
    pub fn what(&self) -> What {
        let raw = self.describe();
        if raw.disk == 0 {
            return What::Function;
        }
        What::Disk {
            place: (raw.placed != 0).then_some((raw.port, raw.device)),
            cdrom: raw.cdrom != 0,
            openers: raw.openers,
        }
    }

    /// Takes it out of the system: a disk away from its driver, a function off its bus. Sleeps.
    pub fn take_out(&self) {
        // SAFETY: By the type invariant, and each function gets what it is for.
        unsafe {
            match self.what() {
                What::Function => xenpv_emulated_remove(self.device.as_ptr()),
                What::Disk { .. } => xenpv_emulated_detach(self.device.as_ptr()),
            }
        }
    }

    /// Keeps a function's settings for [`Self::restore`].
    pub fn save(&self) {
        if self.what() == What::Function {
            // SAFETY: By the type invariant; it is a function.
            unsafe { xenpv_emulated_save(self.device.as_ptr()) };
        }
    }

    /// Gives a function the settings that were kept by [`Self::save`].
    pub fn restore(&self) {
        if self.what() == What::Function {
            // SAFETY: By the type invariant; it is a function.
            unsafe { xenpv_emulated_restore(self.device.as_ptr()) };
        }
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // SAFETY: The reference is this value's, by the type invariant.
        unsafe { xenpv_emulated_put(self.device.as_ptr()) };
    }
}

/// Looks at the PCI buses again: what was taken out and is still there comes back. Sleeps.
pub fn rescan() {
    // SAFETY: The function has no conditions.
    unsafe { xenpv_emulated_rescan() };
}

// SPDX-License-Identifier: GPL-2.0-only
//! The Xen platform device on the PCI bus, and whether the kernel's own Xen support has it already.
//!
//! `kernel::pci` is left aside: it ties what a probe makes to the binding, which user space can undo at any time, while
//! the services here live as long as the module; and its types change from one kernel to the next.

use kernel::{error::to_result, ffi::c_int, prelude::*};

/// `struct xenpv_pci_device` in `linux/c/xenpv.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawDevice {
    irq: u32,
    domain: u16,
    device: u16,
    bus: u8,
    devfn: u8,
    pin: u8,
    bound: u8,
}

extern "C" {
    fn xenpv_pci_find(found: *mut RawDevice) -> c_int;
    fn xenpv_pci_claim(claimed: *mut RawDevice) -> c_int;
    fn xenpv_pci_release();
    fn xenpv_builtin_xen_active() -> bool;
}

/// What the PCI bus knows of the platform device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is none.
    Absent,
    /// There is one and it has no driver.
    Free,
    /// There is one, and it has a driver.
    Bound,
}

/// An interrupt line of a PCI device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intx {
    /// Linux's number of the interrupt.
    pub irq: u32,
    /// PCI segment.
    pub domain: u16,
    /// Bus number.
    pub bus: u8,
    /// Device and function number, as in the configuration address.
    pub devfn: u8,
    /// 1 for INTA to 4 for INTD.
    pub pin: u8,
}

/// The platform device, enabled and bound to this module's driver. Released on drop. There is at most one.
pub struct PlatformDevice {
    device: RawDevice,
}

impl PlatformDevice {
    /// Looks for a platform device and its driver.
    pub fn presence() -> Presence {
        let mut found = RawDevice::default();
        // SAFETY: `found` is the structure that the function fills in.
        match unsafe { xenpv_pci_find(&mut found) } {
            0 if found.bound != 0 => Presence::Bound,
            0 => Presence::Free,
            _ => Presence::Absent,
        }
    }

    /// Registers the driver, which binds the device and enables it.
    ///
    /// # Errors
    /// `EBUSY` when the device has another driver, or what enabling it returned.
    pub fn claim() -> Result<Self> {
        let mut device = RawDevice::default();
        // SAFETY: `device` is the structure that the function fills in. The PCI core refuses to register the driver a
        // second time, so that the release in `drop` belongs to this claim.
        to_result(unsafe { xenpv_pci_claim(&mut device) })?;
        Ok(Self { device })
    }

    /// The PCI device id: 0x0001 for Xen's own, others for those of vendors.
    pub fn device_id(&self) -> u16 {
        self.device.device
    }

    /// The device's interrupt line; `None` when it has no pin or the firmware did not route it.
    pub fn intx(&self) -> Option<Intx> {
        let raw = self.device;
        (raw.irq != 0 && (1..=4).contains(&raw.pin)).then_some(Intx {
            irq: raw.irq,
            domain: raw.domain,
            bus: raw.bus,
            devfn: raw.devfn,
            pin: raw.pin,
        })
    }
}

impl Drop for PlatformDevice {
    fn drop(&mut self) {
        // SAFETY: This value is the claim, and the services that used the device were dropped before it.
        unsafe { xenpv_pci_release() };
    }
}

/// Whether the kernel's own Xen support drives this guest: it owns the hypercalls, the event channels and the grant
/// table then, and two owners cannot share them.
pub fn builtin_xen_active() -> bool {
    // SAFETY: The function only reads a variable of the kernel, if the kernel has it.
    unsafe { xenpv_builtin_xen_active() }
}

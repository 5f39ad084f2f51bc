// SPDX-License-Identifier: GPL-2.0-only
//! HVM parameters (`xen/include/public/hvm/params.h`).
use crate::generated as sys;

/// How Xen tells the guest of events; see [`callback_pci_intx`].
pub const PARAM_CALLBACK_IRQ: u32 = sys::HVM_PARAM_CALLBACK_IRQ;
/// The gfn of xenstore's ring.
pub const PARAM_STORE_PFN: u32 = sys::HVM_PARAM_STORE_PFN;
/// The event channel port of xenstore.
pub const PARAM_STORE_EVTCHN: u32 = sys::HVM_PARAM_STORE_EVTCHN;
/// The gfn of the console's ring.
pub const PARAM_CONSOLE_PFN: u32 = sys::HVM_PARAM_CONSOLE_PFN;
/// The event channel port of the console.
pub const PARAM_CONSOLE_EVTCHN: u32 = sys::HVM_PARAM_CONSOLE_EVTCHN;
/// The guest-physical address of the generation id.
pub const PARAM_VM_GENERATION_ID_ADDR: u32 = sys::HVM_PARAM_VM_GENERATION_ID_ADDR;

/// [`PARAM_CALLBACK_IRQ`] for "nothing": no upcall but those by vector.
pub const CALLBACK_NONE: u64 = 0;

/// [`PARAM_CALLBACK_IRQ`] for "nothing, but there is a driver": the toolstack looks whether the parameter is 0. It names
/// interrupt line 1, which Xen does not raise for a vCPU that has an upcall vector.
pub const CALLBACK_PRESENT: u64 = 1;

/// [`PARAM_CALLBACK_IRQ`] for a PCI interrupt line: `devfn` is device << 3 | function, `pin` counts from 0
/// (INTA).
pub const fn callback_pci_intx(domain: u16, bus: u8, devfn: u8, pin: u8) -> u64 {
    (sys::HVM_PARAM_CALLBACK_TYPE_PCI_INTX as u64) << 56
        | (domain as u64) << 32
        | (bus as u64) << 16
        | (devfn as u64) << 8
        | (pin & 3) as u64
}

/// [`PARAM_CALLBACK_IRQ`] for one vector on every vCPU.
pub const fn callback_vector(vector: u8) -> u64 {
    (sys::HVM_PARAM_CALLBACK_TYPE_VECTOR as u64) << 56 | vector as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks() {
        assert_eq!(callback_pci_intx(0, 0, 0x10, 0), 0x0100_0000_0000_1000);
        assert_eq!(callback_pci_intx(2, 3, 0xff, 3), 0x0100_0002_0003_ff03);
        assert_eq!(callback_vector(0xf3), 0x0200_0000_0000_00f3);
    }
}

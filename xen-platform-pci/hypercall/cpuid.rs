// SPDX-License-Identifier: GPL-2.0-only
//! The CPUID instruction.
use core::arch::x86_64::__cpuid_count;

use xen_sys::cpuid::Leaf;

/// Executes CPUID for `number`, sub-leaf 0, on this CPU.
pub(crate) fn leaf(number: u32) -> Leaf {
    // In rustc 1.85 the intrinsic is unsafe, later it is not.
    #[allow(unused_unsafe)]
    // SAFETY: every x86_64 CPU has the instruction.
    let result = unsafe { __cpuid_count(number, 0) };
    Leaf {
        eax: result.eax,
        ebx: result.ebx,
        ecx: result.ecx,
        edx: result.edx,
    }
}

/// Whose virtualisation instructions the CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// `vmmcall`: AMD and Hygon.
    Svm,
    /// `vmcall`: Intel, Zhaoxin, Centaur.
    Vmx,
}

/// Reads the vendor's name. Who is unknown is taken for the like of Intel, as in Xen's own guide.
pub(crate) fn vendor() -> Vendor {
    let leaf = leaf(0);
    let mut name = [0; 12];
    let words = [leaf.ebx, leaf.edx, leaf.ecx];
    for (bytes, word) in name.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    match &name {
        b"AuthenticAMD" | b"HygonGenuine" => Vendor::Svm,
        _ => Vendor::Vmx,
    }
}

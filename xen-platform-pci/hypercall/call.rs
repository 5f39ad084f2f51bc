// SPDX-License-Identifier: GPL-2.0-only
//! The ways to issue a hypercall.
//!
//! Arguments that are addresses are the kernel's virtual ones: Xen walks the page tables of the calling vCPU. So any
//! mapped kernel memory will do, a vmapped stack included, and it need not be physically contiguous. They are
//! supervisor addresses, so SMAP lets Xen's (supervisor) accesses through without `stac`.
use core::arch::asm;
use core::sync::atomic::{AtomicU8, Ordering};

use xen_sys::{Result, XenError};

use crate::cpuid::Vendor;
use crate::page::{xenpv_hypercall_page, STUB_SIZE};
use crate::Mode;

/// Values of `METHOD`.
const NONE: u8 = 0;
const VMCALL: u8 = 1;
const VMMCALL: u8 = 2;
const PAGE: u8 = 3;

/// How hypercalls are issued now.
static METHOD: AtomicU8 = AtomicU8::new(NONE);

/// Begins to issue hypercalls, and says how.
///
/// # Safety
/// The kernel runs on Xen on a CPU of `vendor`'s kind, and the hypercall page has its stubs.
pub(crate) unsafe fn enable(mode: Mode, vendor: Vendor) -> &'static str {
    let (method, name) = match (mode, vendor) {
        (Mode::Page, _) => (PAGE, "page"),
        (Mode::Auto | Mode::Insn, Vendor::Svm) => (VMMCALL, "vmmcall"),
        (Mode::Auto | Mode::Insn, Vendor::Vmx) => (VMCALL, "vmcall"),
    };
    METHOD.store(method, Ordering::Release);
    name
}

/// Ends to issue hypercalls.
pub(crate) fn disable() {
    METHOD.store(NONE, Ordering::Release);
}

/// Issues hypercall number `NR`. Fails with ENOSYS when hypercalls are not enabled.
///
/// Not to be inlined into other modules: the page's symbol and the method are this module's.
///
/// # Safety
/// The arguments are what hypercall `NR` takes. Where one is an address, the memory there is mapped in the kernel,
/// and is valid for all that this hypercall reads from and writes to it.
#[inline(never)]
pub(crate) unsafe fn hypercall<const NR: u32>(a: usize, b: usize, c: usize) -> Result<u64> {
    let returned = match METHOD.load(Ordering::Acquire) {
        // SAFETY: `enable`'s contract holds since the method is set; the arguments are right by ours.
        VMCALL => unsafe { vmcall(NR, a, b, c) },
        // SAFETY: as above.
        VMMCALL => unsafe { vmmcall(NR, a, b, c) },
        // SAFETY: as above.
        PAGE => unsafe { page_call::<NR>(a, b, c) },
        _ => return Err(XenError::ENOSYS),
    };
    XenError::from_return(returned)
}

/// Issues a hypercall by Intel's instruction.
///
/// # Safety
/// As for `hypercall`; the kernel runs on Xen on a CPU with VMX.
#[inline(always)]
unsafe fn vmcall(nr: u32, a: usize, b: usize, c: usize) -> i64 {
    let returned: i64;
    // SAFETY: by this function's contract. Xen changes rax and the argument registers only, and memory as the
    // arguments say; the instruction uses no stack.
    unsafe {
        asm!(
            "vmcall",
            inlateout("rax") u64::from(nr) => returned,
            inlateout("rdi") a => _,
            inlateout("rsi") b => _,
            inlateout("rdx") c => _,
            options(nostack),
        );
    }
    returned
}

/// Issues a hypercall by AMD's instruction.
///
/// # Safety
/// As for `hypercall`; the kernel runs on Xen on a CPU with SVM.
#[inline(always)]
unsafe fn vmmcall(nr: u32, a: usize, b: usize, c: usize) -> i64 {
    let returned: i64;
    // SAFETY: as in `vmcall`.
    unsafe {
        asm!(
            "vmmcall",
            inlateout("rax") u64::from(nr) => returned,
            inlateout("rdi") a => _,
            inlateout("rsi") b => _,
            inlateout("rdx") c => _,
            options(nostack),
        );
    }
    returned
}

/// Issues hypercall `NR` through its stub, by a direct call: the stubs have no `endbr` for an indirect one.
///
/// # Safety
/// As for `hypercall`; Xen has written the stubs.
#[inline(always)]
unsafe fn page_call<const NR: u32>(a: usize, b: usize, c: usize) -> i64 {
    let returned: i64;
    // SAFETY: by this function's contract. The stub is `mov eax, NR; vmcall or vmmcall; ret`: it changes rax and the
    // argument registers, and needs a return address's worth of stack, which kernel code without a red zone has.
    unsafe {
        asm!(
            "call {page} + {offset}",
            page = sym xenpv_hypercall_page,
            offset = const NR as usize * STUB_SIZE,
            lateout("rax") returned,
            inlateout("rdi") a => _,
            inlateout("rsi") b => _,
            inlateout("rdx") c => _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    returned
}

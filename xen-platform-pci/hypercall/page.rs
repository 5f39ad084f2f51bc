// SPDX-License-Identifier: GPL-2.0-only
//! The page of hypercall stubs, in this module's own text.
use core::arch::{asm, global_asm};

use kernel::bindings;

/// log2 of the bytes of one stub.
const STUB_SHIFT: usize = 5;
/// Bytes of one stub: number `n` begins at `n * STUB_SIZE`.
pub(crate) const STUB_SIZE: usize = 1 << STUB_SHIFT;

/// How a function of this kernel returns.
#[cfg(CONFIG_MITIGATION_RETHUNK)]
macro_rules! return_instruction {
    () => {
        "jmp __x86_return_thunk"
    };
}
/// How a function of this kernel returns.
#[cfg(not(CONFIG_MITIGATION_RETHUNK))]
macro_rules! return_instruction {
    () => {
        "ret"
    };
}

// A page to itself, for Xen writes it whole. Until then it is a function that returns, with int3 behind: that is all
// objtool can know of it. It has to see a return, or it takes what follows a call for unreachable; and an endbr, since
// the page's address is taken (to tell Xen, not to call).
global_asm!(
    ".pushsection .text",
    ".balign 4096, 0xcc",
    ".globl xenpv_hypercall_page",
    ".type xenpv_hypercall_page, @function",
    "xenpv_hypercall_page:",
    "endbr64",
    return_instruction!(),
    ".fill xenpv_hypercall_page + 4096 - ., 1, 0xcc",
    ".size xenpv_hypercall_page, . - xenpv_hypercall_page",
    ".popsection",
);

extern "C" {
    /// The page. Never called through a pointer: the stubs have no `endbr`.
    pub(crate) fn xenpv_hypercall_page();
}

/// Lets Xen write its stubs into the page, and makes it take this domain for a 64-bit one.
///
/// The text stays mapped read-only: Xen writes by guest-physical address.
///
/// # Safety
/// The kernel runs on Xen, and `msr` is the one that takes the hypercall page's address.
pub(crate) unsafe fn set_up(msr: u32) {
    let page = xenpv_hypercall_page as *const ();
    // SAFETY: the page is in the text of a loaded module, which is in the range that vmalloc_to_pfn knows.
    let pfn = unsafe { bindings::vmalloc_to_pfn(page.cast()) };
    // The low 12 bits say which page of stubs: 0.
    let address = (pfn as u64) << xen_sys::PAGE_SHIFT;
    // SAFETY: by this function's contract Xen takes the write. It overwrites the page at `address`, which holds
    // nothing but filler or, after a failed attempt, the same stubs; a CPU that speculated into it sees int3 or ret.
    unsafe {
        asm!(
            "wrmsr",
            in("ecx") msr,
            in("eax") address as u32,
            in("edx") (address >> 32) as u32,
            options(nostack, preserves_flags),
        );
    }
}

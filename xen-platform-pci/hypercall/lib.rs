// SPDX-License-Identifier: GPL-2.0-only
//! Hypercalls: how this kernel calls Xen, behind the typed operations of [`xen_sys::Hypervisor`].
//!
//! * `call`: the ways to issue one, and the choice among them.
//! * `page`: the page of stubs that Xen writes, and the MSR that asks for it.
//! * `ops`: each operation of the trait as a hypercall; `about`: those of [`xen_sys::About`].
//!
//! The platform module calls [`init`] once, before anybody uses [`Xen`], and [`teardown`] last. In between
//! every operation may be called in any context and on any CPU.
#![no_std]

use core::fmt;

use kernel::error::{code, Error};
use kernel::prelude::*;
use kernel::sync::SetOnce;
use xen_sys::cpuid::{HvmLeaf, XenLeaves};
use xen_sys::{Hypervisor, Version, XenError};

mod about;
mod call;
mod cpuid;
mod ops;
mod page;

/// What the kernel's print macros put before each line of this crate.
const __LOG_PREFIX: &[u8] = b"xen-platform-pci\0";

/// How hypercalls are to be issued: the module parameter `hypercall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The best for this CPU: the instruction.
    Auto,
    /// Through the page of stubs that Xen writes. Its bare returns are outside of the kernel's mitigations
    /// (XSA-466).
    Page,
    /// By `vmcall` or `vmmcall`, whichever this vendor's CPUs have.
    Insn,
}

impl Mode {
    /// Reads the parameter's text, `None` if it is none of `auto`, `page` and `insn`.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"auto" => Some(Self::Auto),
            b"page" => Some(Self::Page),
            b"insn" => Some(Self::Insn),
            _ => None,
        }
    }
}

/// What [`init`] found out.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Xen's CPUID leaves.
    pub leaves: XenLeaves,
    /// Xen's version, by its own word.
    pub version: Version,
    /// How hypercalls are issued, for people: `vmcall`, `vmmcall` or `page`.
    pub method: &'static str,
}

/// Why hypercalls cannot be had; prints as one line for people.
#[derive(Clone, Copy, Debug)]
pub enum InitError {
    /// No Xen leaves in CPUID.
    NotOnXen,
    /// Xen's hypercall page is not one page, or has no MSR.
    NoHypercallPage {
        /// Pages of stubs.
        pages: u32,
        /// The MSR, 0 for none.
        msr: u32,
    },
    /// The first hypercall failed.
    FirstCall(XenError),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnXen => f.write_str("not on Xen: CPUID shows no Xen; these drivers are for Xen HVM guests only"),
            Self::NoHypercallPage { pages, msr } => write!(
                f,
                "Xen offers {pages} hypercall pages by MSR {msr:#x}, one is needed: is this really Xen?"
            ),
            Self::FirstCall(error) => write!(
                f,
                "the first hypercall failed: {error}; try the module parameter hypercall=page or hypercall=insn"
            ),
        }
    }
}

impl From<InitError> for Error {
    fn from(error: InitError) -> Self {
        match error {
            InitError::NotOnXen | InitError::NoHypercallPage { .. } => code::ENODEV,
            InitError::FirstCall(error) => to_error(error),
        }
    }
}

static INFO: SetOnce<Info> = SetOnce::new();

/// Finds Xen and makes hypercalls work.
///
/// The hypercall page is set up whatever the mode: the write of its MSR by 64-bit code is also what makes Xen use
/// the 64-bit layout of shared_info, which the firmware leaves in the 32-bit one.
///
/// # Errors
/// [`InitError`]; nothing is left behind then.
pub fn init(mode: Mode) -> core::result::Result<Info, InitError> {
    let leaves = xen_sys::cpuid::find(cpuid::leaf).ok_or(InitError::NotOnXen)?;
    if leaves.hypercall_pages != 1 || leaves.hypercall_msr == 0 {
        return Err(InitError::NoHypercallPage {
            pages: leaves.hypercall_pages,
            msr: leaves.hypercall_msr,
        });
    }
    // SAFETY: CPUID says that we run on Xen and that this MSR takes the address of one page of stubs.
    unsafe { page::set_up(leaves.hypercall_msr) };
    // SAFETY: we run on Xen, and the page has its stubs.
    let method = unsafe { call::enable(mode, cpuid::vendor()) };
    match Xen.version() {
        Ok(version) => {
            let info = Info {
                leaves,
                version,
                method,
            };
            INFO.populate(info);
            Ok(info)
        }
        Err(error) => {
            call::disable();
            Err(InitError::FirstCall(error))
        }
    }
}

/// Ends hypercalls: whatever is asked from now on fails with ENOSYS. The stubs go with the module's text.
pub fn teardown() {
    call::disable();
}

/// Makes hypercalls work in a new domain that goes on from what was saved of the old one: nothing but the page is the
/// domain's own. With it Xen is told once more that the guest is a 64-bit one.
pub fn remake() {
    if let Some(info) = info() {
        // SAFETY: `init` has found that we run on Xen, with this MSR for the page, and the stubs of a new Xen take the
        // place of the old one's.
        unsafe { page::set_up(info.leaves.hypercall_msr) };
    }
}

/// What [`init`] found out, `None` before it.
pub fn info() -> Option<Info> {
    INFO.copy()
}

/// Xen's HVM leaf on this CPU: its vCPU number, which is neither Linux's number nor the APIC id, the domain's
/// number, and features. `None` before [`init`].
///
/// The answer is about the CPU that asks: call with preemption off, or on a thread bound to the CPU.
pub fn this_cpu() -> Option<HvmLeaf> {
    Some(info()?.leaves.hvm(cpuid::leaf))
}

/// The kernel's error for one of Xen's.
pub fn to_error(error: XenError) -> Error {
    Error::from_errno(error.to_errno())
}

/// Prints what [`init`] found, or why it failed, in one line.
pub fn log(result: &core::result::Result<Info, InitError>) {
    // The kernel's print macros have a Display of their own; Arguments, which wrap the usual one, are part of it.
    match result {
        Ok(info) => pr_info!(
            "Xen {}, hypercalls by {}\n",
            format_args!("{}", info.version),
            info.method
        ),
        Err(error) => pr_err!("{}\n", format_args!("{error}")),
    }
}

/// Xen itself, by hypercalls. Before [`init`] and after [`teardown`] every operation fails with ENOSYS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Xen;

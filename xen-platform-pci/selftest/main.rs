// SPDX-License-Identifier: GPL-2.0-only
//! xen-selftest.ko: what only code in the guest's kernel can test of the services. Built on demand (`make
//! XENPV_SELFTEST=1`), never installed.
//!
//! Inserting it runs the cases and prints one `name ok` or `name FAILED` line for each. The insertion succeeds when all
//! have passed and fails with EINVAL otherwise.

mod grants;

use kernel::prelude::*;

module! {
    type: SelfTest,
    name: "xen_selftest",
    authors: ["The xenpv authors"],
    description: "Tests of xen-platform-pci's services that only run in a kernel",
    license: "GPL",
}

struct SelfTest;

/// A test: its name, and what it found.
type Case = (&'static str, fn() -> Result<(), Failure>);

impl kernel::Module for SelfTest {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut failed = false;
        for (name, case) in grants::CASES {
            match case() {
                Ok(()) => pr_info!("{name} ok\n"),
                Err(failure) => {
                    failed = true;
                    pr_err!("{name} FAILED: {} (line {})\n", failure.what, failure.line);
                }
            }
        }
        if failed {
            return Err(EINVAL);
        }
        Ok(Self)
    }
}

/// Why a case failed.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    line: u32,
}

impl Failure {
    #[track_caller]
    fn new(what: &'static str) -> Self {
        let line = core::panic::Location::caller().line();
        Self { what, line }
    }
}

/// Fails with `what` unless `holds`.
#[track_caller]
fn ensure(holds: bool, what: &'static str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(what))
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Whether the counts are exact: a program with known counts is counted before anything is measured.

use anyhow::{ensure, Result};

use super::record;
use super::subject::{Measured, Subject};
use super::workload;

/// Kept equal to `tests/bench/mark/counted.c`.
const LOOPS: u64 = 1_000_000;
const CALLS: u64 = 100;
const REQUESTS: u64 = 64;

/// Other events (xenstore's) may come between: the requests are counted until none does.
const TRIES: u32 = 5;

/// Fails if anything is counted wrong in this guest.
pub fn check(subject: &mut Subject) -> Result<()> {
    let user = counted(subject, "instructions")?
        .window
        .executed("guest-user");
    // The first mark is counted, the second is not.
    let wanted = 2 + 2 * LOOPS;
    ensure!(
        user == wanted,
        "{wanted} instructions were executed, but {user} were counted"
    );
    let window = counted(subject, "calls")?.window;
    let functions = subject.symbols.attribute(&window);
    // The same function has several names: the native call's, the 32-bit call's, its body's.
    let entries: u64 = functions
        .iter()
        .filter(|(function, _)| function.name.ends_with("_sys_getppid"))
        .map(|(_, of)| of.entries)
        .sum();
    ensure!(
        entries == CALLS,
        "{CALLS} system calls were made, but {entries} were counted"
    );
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let window = counted(subject, "requests")?.window;
        let (driver, symbols) = (subject.driver, &subject.symbols);
        let got = (
            record::event_sends(&window),
            record::interrupts(driver, &window, symbols),
        );
        if got == (REQUESTS, REQUESTS) {
            return Ok(());
        }
        seen.push(got);
    }
    anyhow::bail!(
        "{REQUESTS} requests were made one after the other, but events and interrupts were counted as {seen:?}"
    )
}

fn counted(subject: &mut Subject, what: &str) -> Result<Measured> {
    subject.measure(&format!("/root/counted {what} /dev/{}", workload::FAST))
}

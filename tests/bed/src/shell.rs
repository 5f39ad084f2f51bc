// SPDX-License-Identifier: GPL-2.0-only
//! An interactive shell in the guest or in dom0.

use std::io::{IsTerminal, Read, Write};
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::bed::Bed;
use crate::cache::Entry;
use crate::dom0::BOOT_LIMIT;
use crate::exec::{self, Order};
use crate::run::Run;
use crate::session::{Side, Sink};

/// A person may take as long as he likes.
const SHELL_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Opens a shell on one side of a machine whose guest has been prepared as the order says. Returns its exit status.
pub fn run(bed: &Bed, snapshot: &Entry, order: &Order, side: Side, run: &Run) -> Result<u32> {
    ensure!(
        std::io::stdin().is_terminal(),
        "a shell needs a terminal: run scripts by `xenbed exec`"
    );
    let mut session = bed
        .dom0
        .restore(run.path(), Some(&bed.guests()), snapshot)?;
    exec::prepare(bed, &mut session, order)?;
    session.wait_answer(side, BOOT_LIMIT)?;
    let size = stty(&["size"])?;
    let (rows, columns) = size.trim().split_once(' ').unwrap_or(("24", "80"));
    let term = std::env::var("TERM").unwrap_or_else(|_| "linux".to_owned());
    let command = format!(
        "stty rows {rows} columns {columns}; cd /root; export TERM={term} DOMAIN=guest; exec sh -i"
    );
    let sink = Sink::Live(Box::new(|bytes| {
        let mut out = std::io::stdout().lock();
        // The terminal may have gone.
        let _ = out.write_all(bytes);
        let _ = out.flush();
    }));
    eprintln!("A shell in {side:?}; `exit` ends it and the machine with it.");
    let _raw = Raw::new()?;
    let job = session.start(side, &command, sink, true)?;
    session.feed(job, |bytes| std::io::stdin().lock().read(bytes));
    session.wait(job, SHELL_LIMIT)
}

/// The terminal hands on each key as it is until this value is dropped.
struct Raw {
    before: String,
}

impl Raw {
    fn new() -> Result<Self> {
        let before = stty(&["-g"])?.trim().to_owned();
        stty(&["raw", "-echo"])?;
        Ok(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is no better way to put it right.
        let _ = stty(&[&self.before]);
    }
}

fn stty(arguments: &[&str]) -> Result<String> {
    let output = Command::new("stty")
        .args(arguments)
        .stdin(std::process::Stdio::inherit())
        .output()
        .context("cannot run stty")?;
    ensure!(
        output.status.success(),
        "stty {} failed",
        arguments.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

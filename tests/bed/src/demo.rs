// SPDX-License-Identifier: GPL-2.0-only
//! The demo: the modules at work in a real guest, one line a check.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bed::Bed;
use crate::exec::{self, Order, Outcome, Show};
use crate::guest::{self, Guest};
use crate::progress::Progress;
use crate::run::Run;
use crate::session::Side;

const GUEST: &str = include_str!("../demo/guest.sh");
const DOM0: &str = include_str!("../demo/dom0.sh");
const LIBRARY: &str = include_str!("../demo/lib.sh");
const LIMIT: Duration = Duration::from_secs(900);

/// What the scripts have reported so far.
#[derive(Default)]
struct Summary {
    passed: usize,
    failed: usize,
    /// Unfinished lines of dom0's and the guest's output.
    partial: [Vec<u8>; 2],
    /// When the last report came.
    last: Duration,
}

impl Summary {
    /// Takes output that has come at a time and returns what is to be shown of it.
    fn take(&mut self, side: Side, bytes: &[u8], at: Duration) -> Vec<String> {
        self.partial[side as usize].extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.partial[side as usize]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let line: Vec<u8> = self.partial[side as usize].drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.push(if let Some(what) = line.strip_prefix("@pass ") {
                self.passed += 1;
                format!("  ok   {} {what}", self.lap(at))
            } else if let Some(what) = line.strip_prefix("@fail ") {
                self.failed += 1;
                format!("  FAIL {} {what}", self.lap(at))
            } else {
                line
            });
        }
        lines
    }

    /// The time since the last report.
    fn lap(&mut self, at: Duration) -> String {
        let took = at.saturating_sub(self.last);
        self.last = at;
        format!("{:5.1} s ", took.as_secs_f64())
    }
}

/// Runs the demo with the modules in `modules`; returns whether all went well.
pub fn run(bed: &Bed, modules: &std::path::Path, progress: &dyn Progress) -> Result<bool> {
    let guest = Guest::default();
    let snapshot = guest::snapshot(bed, &guest, progress)?;
    let run = Run::new(bed.cache(), "demo")?;
    println!(
        "\nA Xen HVM guest with Debian's stock kernel {}:",
        bed.toolchain.kernel.release
    );
    let order = Order {
        name: "demo".to_owned(),
        guest,
        script: GUEST.to_owned(),
        dom0_script: Some(DOM0.to_owned()),
        disks: Vec::new(),
        vifs: Vec::new(),
        files: vec![("lib.sh".to_owned(), LIBRARY.as_bytes().to_vec())],
        modules: Some(modules.to_owned()),
        load: Vec::new(),
        ends: false,
        limit: LIMIT,
    };
    let summary = Arc::new(Mutex::new(Summary::default()));
    let begun = Instant::now();
    let outcome = exec::in_guest(bed, &snapshot, &order, &run, &show(&summary));
    let good = conclude(
        &outcome,
        &summary.lock().unwrap_or_else(PoisonError::into_inner),
        begun.elapsed(),
    );
    println!("logs: {}", run.keep_logs()?.display());
    Ok(good)
}

fn show(summary: &Arc<Mutex<Summary>>) -> Show {
    let summary = Arc::clone(summary);
    let begun = Instant::now();
    Arc::new(move |side, bytes| {
        let lines = summary.lock().unwrap_or_else(PoisonError::into_inner).take(
            side,
            bytes,
            begun.elapsed(),
        );
        let mut out = std::io::stdout().lock();
        for line in lines {
            // Nobody may be reading any more.
            let _ = writeln!(out, "{line}");
        }
    })
}

/// Says how it went; returns whether well.
fn conclude(outcome: &Result<Outcome>, summary: &Summary, took: Duration) -> bool {
    let mut good = summary.failed == 0 && summary.passed > 0;
    match outcome {
        Err(error) => {
            println!("  FAIL  {error:#}");
            good = false;
        }
        Ok(outcome) => {
            for complaint in &outcome.complaints {
                println!("  FAIL  the guest's kernel complained: {complaint}");
            }
            good &= outcome.status == 0 && outcome.complaints.is_empty();
        }
    }
    let verdict = if good {
        "All is well"
    } else {
        "Something is wrong"
    };
    println!(
        "{verdict}: {} checks passed, {} failed, in {:.0} s.",
        summary.passed,
        summary.failed,
        took.as_secs_f64()
    );
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u32) -> Result<Outcome> {
        Ok(Outcome {
            status,
            complaints: Vec::new(),
            took: Duration::ZERO,
        })
    }

    #[test]
    fn lines_are_put_together_and_counted() {
        let mut summary = Summary::default();
        let mut take =
            |side, text: &str, at| summary.take(side, text.as_bytes(), Duration::from_secs(at));
        assert!(take(Side::Guest, "@pass on", 1).is_empty());
        assert_eq!(
            take(Side::Dom0, "@fail two\nwhy\n", 2),
            ["  FAIL   2.0 s  two", "why"]
        );
        assert_eq!(take(Side::Guest, "e\n", 5), ["  ok     3.0 s  one"]);
        assert_eq!((summary.passed, summary.failed), (1, 1));
    }

    #[test]
    fn only_a_whole_success_is_one() {
        let summary = |passed, failed| Summary {
            passed,
            failed,
            ..Summary::default()
        };
        assert!(conclude(&outcome(0), &summary(3, 0), Duration::ZERO));
        assert!(!conclude(&outcome(0), &summary(3, 1), Duration::ZERO));
        assert!(!conclude(&outcome(0), &summary(0, 0), Duration::ZERO));
        assert!(!conclude(&outcome(1), &summary(3, 0), Duration::ZERO));
        assert!(!conclude(
            &Err(anyhow::anyhow!("time-out")),
            &summary(3, 0),
            Duration::ZERO
        ));
    }
}

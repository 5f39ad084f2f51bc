// SPDX-License-Identifier: GPL-2.0-only
//! The place of one driver in the comparison: its guest, which is replaced by a fresh one should it fail.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bench_report::results;

use super::load::Load;
use super::plugin::Plugin;
use super::subject::{Measured, Subject};
use super::tools::Marks;
use super::workload::Workload;
use super::{check, record, subject};
use crate::bed::Bed;
use crate::cache::Entry;
use crate::guest::{self, Driver};
use crate::modules::Modules;
use crate::progress::Progress;
use crate::run::Run;

/// What guests are made of.
pub struct Parts {
    /// Xen, dom0 and the guests' image.
    pub bed: Bed,
    /// This project's modules.
    pub modules: Modules,
    /// What counts.
    pub plugin: Plugin,
    /// What marks between which points.
    pub marks: Marks,
}

/// See the module's description.
pub struct Seat<'a> {
    /// Whose frontends.
    pub driver: Driver,
    /// Why guests were replaced.
    pub failures: Vec<String>,
    parts: &'a Parts,
    run: &'a Run,
    snapshot: Entry,
    directory: PathBuf,
    subject: Subject,
}

impl<'a> Seat<'a> {
    /// Prepares a guest for a driver, and makes sure that it is counted exactly.
    pub fn new(
        parts: &'a Parts,
        run: &'a Run,
        driver: Driver,
        snapshot: Entry,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let what = format!("Setting up the guest with {}", name(driver));
        let _step = progress.step(&what, None);
        let directory = run.path().join(name(driver));
        let subject = fresh(parts, driver, &snapshot, &directory);
        let subject = subject.with_context(|| logs(run, &directory))?;
        Ok(Seat {
            driver,
            failures: Vec::new(),
            parts,
            run,
            snapshot,
            directory,
            subject,
        })
    }

    /// What the setup has said of the guest and its machine under a name.
    pub fn described(&self, name: &str) -> &str {
        self.subject.described(name)
    }

    /// Runs a load that is not reported.
    pub fn warm_up(&mut self, load: &Load) -> Result<()> {
        self.persist(load).map(drop)
    }

    /// Runs a workload.
    pub fn turn(&mut self, workload: &Workload, repetition: u32) -> Result<results::Run> {
        let measured = self.persist(&workload.load)?;
        let done = workload.load.read(&measured.output)?;
        let mut run = record::run(
            workload,
            self.driver,
            repetition,
            &done,
            &measured.window,
            &self.subject.symbols,
        );
        run.metrics.counters = measured.counters;
        Ok(run)
    }

    /// Runs a load, if need be once more in a fresh guest. A run takes long, and about once in some hundred loads the
    /// emulator interrupts a guest while interrupts are off, so that it waits for ever for a lock that it holds itself.
    fn persist(&mut self, load: &Load) -> Result<Measured> {
        let error = match self.attempt(load) {
            Ok(measured) => return Ok(measured),
            Err(error) => error,
        };
        // What cannot be found out must not hide the failure.
        let _ = self.subject.inquest(&self.directory);
        let logs = logs(self.run, &self.directory);
        eprintln!(
            "\nThe guest with {} failed: {error:#}\n{logs}",
            name(self.driver)
        );
        self.failures.push(error.root_cause().to_string());
        self.directory =
            self.run
                .path()
                .join(format!("{}-{}", name(self.driver), self.failures.len()));
        self.subject = fresh(self.parts, self.driver, &self.snapshot, &self.directory)?;
        let warm_up = load
            .warm_up()
            .map_or(Ok(()), |load| self.attempt(&load).map(drop));
        warm_up
            .and_then(|()| self.attempt(load))
            .with_context(|| format!("{logs}, and once more in a fresh guest"))
    }

    fn attempt(&mut self, load: &Load) -> Result<Measured> {
        self.subject.machine().resume()?;
        let measured = self.subject.measure(&load.command())?;
        self.subject.machine().pause()?;
        Ok(measured)
    }
}

fn fresh(parts: &Parts, driver: Driver, snapshot: &Entry, directory: &PathBuf) -> Result<Subject> {
    fs::create_dir(directory)?;
    let mut subject = Subject::start(parts, snapshot, driver, directory)?;
    check::check(&mut subject).context("the counts are not exact")?;
    subject.machine().pause()?;
    Ok(subject)
}

/// Keeps the logs of a failure, and says where.
fn logs(run: &Run, directory: &std::path::Path) -> String {
    for name in ["console.log", "qemu.log", "state.log"] {
        // A log that cannot be kept must not hide the failure it tells of.
        let _ = fs::copy(directory.join(name), run.path().join(name));
    }
    match run.keep_logs() {
        Ok(logs) => format!("logs: {}", logs.display()),
        Err(error) => format!("no logs: {error}"),
    }
}

/// A driver's name in the results.
pub fn name(driver: Driver) -> &'static str {
    match driver {
        Driver::Xenpv => "xenpv",
        Driver::Mainline => "mainline",
    }
}

/// The snapshot that a driver's guests are restored from.
pub fn snapshot(bed: &Bed, driver: Driver, progress: &dyn Progress) -> Result<Entry> {
    guest::snapshot(bed, &subject::guest(driver), progress)
}

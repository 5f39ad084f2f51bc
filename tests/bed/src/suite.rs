// SPDX-License-Identifier: GPL-2.0-only
//! The guest test suite: each `tests/guest/*.sh` runs in a fresh guest, with `*.dom0.sh` beside it in dom0.
//!
//! A test begins with comment lines that say what it needs:
//!
//! ```text
//! # name: what it proves, in a few words
//! # timeout: 60            seconds on an idle machine (the runner waits longer, see PATIENCE)
//! # vcpus: 2
//! # memory: 512            MiB
//! # disk: xvdf,size=16M    a further disk, as `guest-disk` takes it; may be repeated
//! # vif: bridge=xenbr1     a further interface; may be repeated
//! # cmdline: nosmt         further kernel parameters
//! # driver: mainline       Linux's own frontends
//! # load: none             modules to insert, with commas; all but xen-wdt if not said
//! # allow: WARNING: text   kernel log lines with this text are no failure; may be repeated
//! # emulated: yes          a disk xvda and a second interface that are emulated as well
//! # ports: 32767           event channels that the guest may have, instead of xl's 1023
//! # ends: guest            the guest ends in this test: its script exits first, dom0's script says how it went
//! ```
//!
//! A test fails by its exit status, by its time-out, or by what the guest's kernel log complains of. What is the
//! emulator's fault and not the guest's (see `emulator`) lets the test run again, and is said.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use clap::ValueEnum;

use crate::bed::Bed;
use crate::cache::Entry;
use crate::emulator;
use crate::exec::{self, Order, Outcome};
use crate::guest::{self, Driver, Guest, MAINLINE_MODULES};
use crate::modules::MODULES;
use crate::progress::Progress;
use crate::run::Run;

/// How much longer than its own time-out a test may take: machines are slower and busier than one thinks.
const PATIENCE: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often a test may run, if the emulator is at fault each time: in CI, 2 of 69 tests were hit in one run.
const ATTEMPTS: usize = 3;

/// How much of a failed test's logs is shown.
const TAIL: usize = 40;

/// Whether a file of the suite's directory is one that every test has beside it: `lib.sh`, `lib-*.sh`.
fn is_library(file: &str) -> bool {
    file == "lib.sh" || file.starts_with("lib-") && file.ends_with(".sh")
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The script's file name without `.sh`.
    pub id: String,
    /// What it proves.
    pub name: String,
    script: String,
    dom0_script: Option<String>,
    guest: Guest,
    disks: Vec<String>,
    vifs: Vec<String>,
    load: Option<String>,
    allow: Vec<String>,
    ends: bool,
    timeout: Duration,
    /// What the file `rounds` beside the script says, if there is to be one.
    rounds: Option<u32>,
}

impl Test {
    /// Reads a test from its script's text.
    pub fn parse(id: &str, script: &str, dom0_script: Option<String>) -> Result<Self> {
        let mut test = Test {
            id: id.to_owned(),
            name: id.replace('-', " "),
            script: script.to_owned(),
            dom0_script,
            guest: Guest::default(),
            disks: Vec::new(),
            vifs: Vec::new(),
            load: None,
            allow: Vec::new(),
            ends: false,
            timeout: TIMEOUT,
            rounds: None,
        };
        for line in script.lines().take_while(|line| line.starts_with('#')) {
            if let Some((key, value)) = header(line) {
                test.set(key, value)
                    .with_context(|| format!("{id}.sh: \"{line}\""))?;
            }
        }
        Ok(test)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let text = value.to_owned();
        match key {
            "name" => self.name = text,
            "timeout" => self.timeout = Duration::from_secs(value.parse()?),
            "vcpus" => self.guest.vcpus = value.parse()?,
            "ports" => self.guest.ports = Some(value.parse()?),
            "memory" => self.guest.memory = value.parse()?,
            "cmdline" => self.guest.cmdline = text,
            "driver" => match Driver::from_str(value, false) {
                Ok(driver) => self.guest.driver = driver,
                Err(_) => bail!("a driver is xenpv or mainline"),
            },
            "disk" => self.disks.push(text),
            "vif" => self.vifs.push(text),
            "load" => self.load = Some(text),
            "emulated" if value == "yes" => self.guest.emulated = true,
            "allow" => self.allow.push(text),
            "ends" if value == "guest" && self.dom0_script.is_some() => self.ends = true,
            "ends" => bail!("only the guest can end, and a script in dom0 must look at it"),
            _ => bail!(
                "no such setting (a comment must not begin with a lower-case word and a colon)"
            ),
        }
        Ok(())
    }

    /// Has the test make so many rounds, if it is made of rounds, and gives it the time for them.
    pub fn set_rounds(&mut self, rounds: u32) {
        self.rounds = Some(rounds);
        self.timeout = self.timeout.saturating_mul(rounds.max(1));
    }

    fn order(&self, modules: &Path, files: &[(String, Vec<u8>)]) -> Order {
        let default = match self.guest.driver {
            Driver::Xenpv => MODULES,
            Driver::Mainline => MAINLINE_MODULES,
        };
        let rounds = self.rounds.map(|rounds| rounds.to_string().into_bytes());
        let rounds = rounds.map(|rounds| ("rounds".to_owned(), rounds));
        Order {
            name: self.id.clone(),
            guest: self.guest.clone(),
            script: self.script.clone(),
            dom0_script: self.dom0_script.clone(),
            disks: self.disks.clone(),
            vifs: self.vifs.clone(),
            files: files.iter().cloned().chain(rounds).collect(),
            modules: Some(modules.to_owned()),
            load: match self.load.as_deref() {
                Some("none") => Vec::new(),
                Some(list) => list.split(',').map(|name| name.trim().to_owned()).collect(),
                None => default.iter().map(|name| (*name).to_owned()).collect(),
            },
            ends: self.ends,
            limit: self.timeout.saturating_mul(PATIENCE),
        }
    }

    /// Why the test has failed, if it has.
    fn judge(&self, outcome: &Result<Outcome>) -> Option<String> {
        match outcome {
            Err(error) => Some(format!("{error:#}")),
            Ok(outcome) if outcome.status != 0 => Some(format!("exit status {}", outcome.status)),
            Ok(outcome) => {
                let mut lines = outcome.complaints.iter();
                let bad =
                    lines.find(|line| !self.allow.iter().any(|allowed| line.contains(allowed)));
                bad.map(|line| format!("the guest's kernel complained: {line}"))
            }
        }
    }
}

/// A line "# key: value".
fn header(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("# ")?.split_once(": ")?;
    let word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase());
    word.then(|| (key, value.trim()))
}

/// Reads the tests of a directory whose id or name contains `filter`, in an order that keeps like guests together.
pub fn read(directory: &Path, filter: &str) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let Some(id) = file
            .strip_suffix(".sh")
            .filter(|id| !id.ends_with(".dom0") && !is_library(&file))
        else {
            continue;
        };
        let dom0 = directory.join(format!("{id}.dom0.sh"));
        let dom0 = if dom0.exists() {
            Some(fs::read_to_string(dom0)?)
        } else {
            None
        };
        let test = Test::parse(id, &fs::read_to_string(directory.join(&file))?, dom0)?;
        if test.id.contains(filter) || test.name.contains(filter) {
            tests.push(test);
        }
    }
    ensure!(
        !tests.is_empty(),
        "no test in {} matches \"{filter}\"",
        directory.display()
    );
    tests.sort_by_key(|test| (test.guest.to_string(), test.id.clone()));
    Ok(tests)
}

/// The files that every test has beside it.
fn libraries(directory: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if is_library(&file) {
            let contents = fs::read(directory.join(&file))?;
            files.push((file, contents));
        }
    }
    Ok(files)
}

/// Runs tests, `jobs` at a time; returns how many failed. The last line printed says so.
pub fn run(
    bed: &Bed,
    directory: &Path,
    tests: Vec<Test>,
    modules: &Path,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<usize> {
    let files = libraries(directory)?;
    // Made one after the other: two at once would be no faster.
    let mut guests: Vec<&Guest> = tests.iter().map(|test| &test.guest).collect();
    guests.dedup();
    let snapshots = guests
        .into_iter()
        .map(|guest| Ok((guest.clone(), guest::snapshot(bed, guest, progress)?)));
    let snapshots = snapshots.collect::<Result<Vec<_>>>()?;
    let total = tests.len();
    let queue = Mutex::new(VecDeque::from(tests));
    let failed = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, total) {
            scope.spawn(|| loop {
                let next = queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(test) = next else { break };
                let Some((_, snapshot)) = snapshots.iter().find(|(guest, _)| *guest == test.guest)
                else {
                    break;
                };
                let report = run_one(bed, snapshot, &test, &test.order(modules, &files));
                // One at a time, so that reports do not mix.
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed += usize::from(report.failed);
                println!("{}", report.text);
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} passed, {failed} failed", total - failed);
    Ok(failed)
}

struct Report {
    failed: bool,
    /// What the emulator did, if that is why it failed.
    emulator_fault: Option<&'static str>,
    text: String,
}

/// Runs a test, anew for as long as the emulator is at fault, but no more than `ATTEMPTS` times.
fn run_one(bed: &Bed, snapshot: &Entry, test: &Test, order: &Order) -> Report {
    let mut told = String::new();
    let mut report = attempt(bed, snapshot, test, order);
    for _ in 1..ATTEMPTS {
        let Some(fault) = report.emulator_fault else {
            break;
        };
        let text = &report.text;
        told += &format!("{text}\nAGAIN         {}: the emulator {fault}\n", test.id);
        report = attempt(bed, snapshot, test, order);
    }
    told += &report.text;
    Report {
        text: told,
        ..report
    }
}

/// Runs a test.
fn attempt(bed: &Bed, snapshot: &Entry, test: &Test, order: &Order) -> Report {
    let run = match Run::new(bed.cache(), &test.id) {
        Ok(run) => run,
        Err(error) => {
            return Report {
                failed: true,
                emulator_fault: None,
                text: format!("FAIL          {}: {error:#}", test.id),
            }
        }
    };
    let outcome = exec::in_guest(bed, snapshot, order, &run, &exec::quiet());
    let took = outcome
        .as_ref()
        .map(|outcome| outcome.took.as_secs_f64())
        .unwrap_or_default();
    let Some(reason) = test.judge(&outcome) else {
        return Report {
            failed: false,
            emulator_fault: None,
            text: format!("PASS {took:6.1} s  {}: {}", test.id, test.name),
        };
    };
    let text = format!("FAIL {took:6.1} s  {}: {}: {reason}\n", test.id, test.name);
    Report {
        failed: true,
        emulator_fault: emulator::fault(run.path()),
        text: text + &logs(&run),
    }
}

/// The ends of a failed run's logs, and where they are kept.
fn logs(run: &Run) -> String {
    let mut text = String::new();
    for name in ["output.log", "dom0.log", "dmesg.log", "console.log"] {
        let log = fs::read_to_string(run.path().join(name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        if !lines.is_empty() {
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            text.push_str(&format!(
                "    ---- {name}, last {} of {} lines\n",
                tail.len(),
                lines.len()
            ));
            tail.iter()
                .for_each(|line| text.push_str(&format!("    {line}\n")));
        }
    }
    let kept = run.keep_logs().map_or_else(
        |error| format!("{error:#}"),
        |path| path.display().to_string(),
    );
    text + &format!("    logs: {kept}")
}

/// Where the suite is in a checkout.
pub fn directory(checkout: &Path) -> PathBuf {
    checkout.join("tests/guest")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-only\n# name: two disks\n# timeout: 30\n\
        # vcpus: 2\n# disk: xvdf,size=16M\n# disk: xvdg,ro\n# load: none\n# allow: WARNING: known\n\n# vcpus: 4\n";

    fn outcome(status: u32, complaint: &str) -> Result<Outcome> {
        let complaints = if complaint.is_empty() {
            Vec::new()
        } else {
            vec![complaint.to_owned()]
        };
        Ok(Outcome {
            status,
            complaints,
            took: Duration::ZERO,
        })
    }

    #[test]
    fn headers_are_read_up_to_the_first_other_line() {
        let test = Test::parse("disk-two", SCRIPT, None).unwrap();
        assert_eq!(
            (test.name.as_str(), test.guest.vcpus, test.timeout.as_secs()),
            ("two disks", 2, 30)
        );
        assert_eq!(test.disks, ["xvdf,size=16M", "xvdg,ro"]);
        let order = test.order(Path::new("/m"), &[]);
        assert!(order.load.is_empty() && order.modules.is_some());
    }

    #[test]
    fn rounds_are_a_file_and_take_their_time() {
        let mut test = Test::parse("disk-two", SCRIPT, None).unwrap();
        let files = |test: &Test| test.order(Path::new("/m"), &[]).files;
        assert!(files(&test).is_empty());
        test.set_rounds(20);
        assert_eq!(files(&test), [("rounds".to_owned(), b"20".to_vec())]);
        assert_eq!(test.timeout, Duration::from_secs(600));
    }

    #[test]
    fn a_wrong_header_is_told() {
        for line in ["# vcpu: 2", "# timeout: soon", "# driver: other"] {
            assert!(Test::parse("x", line, None).is_err(), "{line}");
        }
        assert!(Test::parse("x", "# Prose: with a colon\n# more prose, a: b", None).is_ok());
    }

    #[test]
    fn only_a_test_that_looks_from_dom0_may_end_the_guest() {
        let ends = |dom0| Test::parse("x", "# ends: guest", dom0);
        assert!(ends(Some("exit 0".to_owned())).unwrap().ends);
        assert!(ends(None).is_err());
        assert!(Test::parse("x", "# ends: dom0", Some(String::new())).is_err());
    }

    #[test]
    fn a_test_fails_by_status_by_error_and_by_the_kernel_log() {
        let test = Test::parse("disk-two", SCRIPT, None).unwrap();
        assert_eq!(test.judge(&outcome(0, "")), None);
        assert_eq!(test.judge(&outcome(0, "[1] WARNING: known thing")), None);
        assert!(test.judge(&outcome(0, "[1] BUG: other")).is_some());
        assert!(test.judge(&outcome(3, "")).is_some());
        assert!(test.judge(&Err(anyhow::anyhow!("time-out"))).is_some());
    }

    #[test]
    fn tests_are_found_with_their_dom0_part_and_filtered() {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.sh", "#!/bin/sh"),
            ("a.dom0.sh", "echo"),
            ("b.sh", "#!/bin/sh"),
            ("lib.sh", ""),
            ("lib-b.sh", "beside"),
            ("x.txt", ""),
        ] {
            fs::write(place.path().join(name), text).unwrap();
        }
        let all = read(place.path(), "").unwrap();
        assert_eq!(
            all.iter().map(|test| test.id.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert!(all[0].dom0_script.is_some() && all[1].dom0_script.is_none());
        assert_eq!(read(place.path(), "b").unwrap().len(), 1);
        let mut beside = libraries(place.path()).unwrap();
        beside.sort();
        let names = beside.iter().map(|(name, _)| name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["lib-b.sh", "lib.sh"]);
        assert!(read(place.path(), "nothing").is_err());
    }
}

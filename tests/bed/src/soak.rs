// SPDX-License-Identifier: GPL-2.0-only
//! The soak test: for some minutes, things happen to a guest in random order. Devices come and go, memory is taken and
//! given back, backends restart, modules are unloaded and loaded, with I/O before, after and meanwhile, each byte checked.
//! In the end nothing may be owned that was not owned in the beginning.
//!
//! The order is `Plan`'s, from a seed: the same seed brings the same steps. What a step does is in `soak/*.sh`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use crate::bed::Bed;
use crate::exec::{self, Order};
use crate::guest::{self, Guest};
use crate::progress::Progress;
use crate::run::Run;
use crate::session::{Job, Session, Side, Sink};

mod plan;

use plan::{Plan, Step};

const LIBRARY: &str = include_str!("../../guest/lib.sh");
const GUEST: &str = include_str!("../soak/guest.sh");
const DOM0: &str = include_str!("../soak/dom0.sh");

/// A step that takes longer hangs.
const STEP_LIMIT: Duration = Duration::from_secs(300);

/// How long, and in which order.
pub struct Options {
    /// Steps are begun for so long.
    pub length: Duration,
    /// Decides the order.
    pub seed: u64,
}

/// Soaks a guest with the modules in `modules`; returns whether all went well.
pub fn run(bed: &Bed, modules: &Path, options: &Options, progress: &dyn Progress) -> Result<bool> {
    let order = Order {
        name: "soak".to_owned(),
        guest: Guest::default(),
        script: String::new(),
        dom0_script: None,
        disks: Vec::new(),
        vifs: Vec::new(),
        files: vec![
            ("lib.sh".to_owned(), LIBRARY.into()),
            ("soak.sh".to_owned(), GUEST.into()),
        ],
        modules: Some(modules.to_owned()),
        load: Vec::new(),
        ends: false,
        limit: STEP_LIMIT,
    };
    let snapshot = guest::snapshot(bed, &order.guest, progress)?;
    let run = Run::new(bed.cache(), "soak")?;
    println!(
        "\nSoaking a guest for {} minutes, seed {}:",
        options.length.as_secs_f64() / 60.0,
        options.seed
    );
    let mut session = bed
        .dom0
        .restore(run.path(), Some(&bed.guests()), &snapshot)?;
    let mut soak = Soak::new(&mut session, options.seed);
    let result = soak
        .prepare(bed, &order)
        .and_then(|()| soak.go(options.length));
    let report = soak.report();
    fs::write(run.path().join("output.log"), &soak.log)?;
    let good = conclude(&mut session, &run, result)?;
    print!("{report}");
    println!(
        "{}; the same steps again: make soak SEED={}",
        if good {
            "All is well"
        } else {
            "Something is wrong"
        },
        options.seed
    );
    println!("logs: {}", run.keep_logs()?.display());
    Ok(good)
}

/// Says why it went wrong, if it did.
fn conclude(session: &mut Session, run: &Run, result: Result<()>) -> Result<bool> {
    let log = match session.run(Side::Guest, "dmesg", STEP_LIMIT) {
        Ok((_, log)) => log,
        Err(error) => {
            println!("  FAIL  the guest does not answer: {error:#}");
            String::new()
        }
    };
    fs::write(run.path().join("dmesg.log"), &log)?;
    let complaints = exec::complaints(&log);
    for complaint in &complaints {
        println!("  FAIL  the guest's kernel complained: {complaint}");
    }
    if let Err(error) = &result {
        println!("  FAIL  {error:#}");
    }
    let good = result.is_ok() && complaints.is_empty() && !log.is_empty();
    if !good {
        exec::inquest(session, run.path())?;
    }
    Ok(good)
}

/// A guest being soaked.
struct Soak<'a> {
    session: &'a mut Session,
    plan: Plan,
    begun: Instant,
    /// How often each kind of step was taken, and how long that took.
    taken: BTreeMap<&'static str, (u32, Duration)>,
    load: Option<Job>,
    /// MiB that went each way, under load and by steps of their own.
    moved: u64,
    balance: String,
    log: String,
}

impl<'a> Soak<'a> {
    fn new(session: &'a mut Session, seed: u64) -> Self {
        Self {
            session,
            plan: Plan::new(seed),
            begun: Instant::now(),
            taken: BTreeMap::new(),
            load: None,
            moved: 0,
            balance: String::new(),
            log: String::new(),
        }
    }

    fn prepare(&mut self, bed: &Bed, order: &Order) -> Result<()> {
        exec::prepare(bed, self.session, order)?;
        for (name, text) in [("lib.sh", LIBRARY), ("soak.sh", DOM0)] {
            self.session
                .put(Side::Dom0, &format!("/root/{name}"), text.as_bytes(), true)?;
        }
        self.call(Side::Guest, "begin").map(drop)
    }

    /// Takes steps until the time is over, then gives everything back.
    fn go(&mut self, length: Duration) -> Result<()> {
        self.begun = Instant::now();
        while self.begun.elapsed() < length {
            let step = self.plan.next();
            self.step(step)?;
        }
        for step in self.plan.homeward() {
            self.step(step)?;
        }
        self.balance = self.call(Side::Guest, "end")?;
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<()> {
        let line = format!("{:7.1} s  {step}", self.begun.elapsed().as_secs_f64());
        println!("{line}");
        let _ = writeln!(self.log, "{line}");
        let before = Instant::now();
        self.take(step).with_context(|| format!("{step}"))?;
        let taken = self.taken.entry(step.kind()).or_default();
        taken.0 += 1;
        taken.1 += before.elapsed();
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<()> {
        match step {
            Step::LoadBegin => {
                self.load = Some(self.start(Side::Guest, "load")?);
                self.call(Side::Guest, "load_begun").map(drop)
            }
            Step::LoadEnd => self.end_load(),
            Step::Send => self.transfer("get", "send"),
            Step::Receive => self.transfer("give", "receive"),
            Step::Write { .. } => {
                self.moved += 1;
                self.calls(step)
            }
            _ => self.calls(step),
        }
    }

    fn calls(&mut self, step: Step) -> Result<()> {
        for (side, call) in step.calls() {
            self.call(side, &call)?;
        }
        Ok(())
    }

    fn end_load(&mut self) -> Result<()> {
        let Some(job) = self.load.take() else {
            return Ok(());
        };
        self.call(Side::Guest, "load_end")?;
        let status = self.session.wait(job, STEP_LIMIT)?;
        let said = self.session.output(job);
        self.log.push_str(&said);
        ensure!(status == 0, "the load has failed: {}", said.trim());
        self.moved += said
            .split_whitespace()
            .next()
            .and_then(|rounds| rounds.parse::<u64>().ok())
            .context("the load has not said what it did")?;
        Ok(())
    }

    /// One side listens, the other comes; both print the checksum of what they have.
    fn transfer(&mut self, dom0: &str, guest: &str) -> Result<()> {
        let job = self.start(Side::Dom0, dom0)?;
        let guest = self.call(Side::Guest, guest)?;
        let status = self.session.wait(job, STEP_LIMIT)?;
        let dom0 = self.session.output(job);
        ensure!(
            status == 0 && guest == dom0,
            "checksums differ: {} in the guest, {} in dom0",
            guest.trim(),
            dom0.trim()
        );
        self.moved += 1;
        Ok(())
    }

    fn start(&mut self, side: Side, call: &str) -> Result<Job> {
        self.session.start(side, &script(call), Sink::Keep, false)
    }

    fn call(&mut self, side: Side, call: &str) -> Result<String> {
        let (status, said) = self.session.run(side, &script(call), STEP_LIMIT)?;
        if !said.is_empty() {
            let _ = writeln!(self.log, "{side:?}: {call}: {}", said.trim_end());
        }
        ensure!(status == 0, "{call} in {side:?}: {}", said.trim());
        Ok(said)
    }

    fn report(&self) -> String {
        let mut text = format!("\n{:34} {:>5} {:>9}\n", "step", "times", "seconds");
        for (kind, (times, took)) in &self.taken {
            let _ = writeln!(text, "{kind:34} {times:5} {:9.1}", took.as_secs_f64());
        }
        let steps: u32 = self.taken.values().map(|(times, _)| times).sum();
        let _ = writeln!(
            text,
            "{steps} steps in {:.0} s; {} MiB written and read back, or sent, with equal checksums",
            self.begun.elapsed().as_secs_f64(),
            self.moved
        );
        if !self.balance.is_empty() {
            let _ = writeln!(
                text,
                "in the end as in the beginning: {}",
                self.balance.trim()
            );
        }
        text
    }
}

/// A shell command that calls a function of the scripts.
fn script(call: &str) -> String {
    format!("cd /root; . ./lib.sh; . ./soak.sh; {call}")
}

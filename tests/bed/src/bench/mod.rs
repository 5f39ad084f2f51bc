// SPDX-License-Identifier: GPL-2.0-only
//! Benchmarks: the same work done with this project's modules and with Linux's own frontends, side by side.
//!
//! Two guests of the same kernel stand ready, each on a machine of its own, and take turns: A B A B. The machines' clocks
//! count instructions (`-icount`), so it does not matter how busy this machine is, and [`plugin`] counts what is executed
//! between the marks that [`subject`] has the load generators make; [`check`] makes sure that the counts are exact. [`workload`] is what is run, [`load`] with what;
//! [`symbols`] and [`services`] tell whose the instructions were, and [`record`] makes a result of it all, which the
//! crate `bench_report` compares and shows.

pub mod check;
pub mod counters;
pub mod load;
pub mod plugin;
pub mod record;
pub mod seat;
pub mod services;
pub mod subject;
pub mod symbols;
pub mod tools;
pub mod workload;

use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use bench_report::results::{self, Group, Meta, Results};

use crate::bed::{Bed, CHECKOUT};
use crate::guest::Driver;
use crate::machine::Purpose;
use crate::modules::Modules;
use crate::progress::Progress;
use crate::run::Run;

use plugin::Plugin;
use seat::{Parts, Seat};
use tools::Marks;
use workload::Workload;

/// Who is compared, in the order in which they take their turns.
const DRIVERS: [Driver; 2] = [Driver::Mainline, Driver::Xenpv];

/// How often each workload is run with each driver, after a shorter first time that does not count: caches and pools of
/// grants fill then.
const REPETITIONS: u32 = 5;
const QUICK_REPETITIONS: u32 = 1;

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Few repetitions.
    pub quick: bool,
    /// Only workloads whose name contains this.
    pub only: String,
    /// How often, instead of the usual.
    pub repetitions: Option<u32>,
}

/// Measures, and returns what was measured.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Results> {
    let workloads: Vec<&Workload> = workload::ALL
        .iter()
        .filter(|workload| workload.name.contains(&options.only))
        .collect();
    ensure!(
        !workloads.is_empty(),
        "no workload's name contains \"{}\"",
        options.only
    );
    let bed = Bed::open(Purpose::Bench, progress)?;
    let modules = Modules::build(bed.cache(), &bed.toolchain, Path::new(CHECKOUT), progress)?;
    let plugin = Plugin::open(bed.cache())?;
    let parts = Parts {
        bed,
        modules,
        plugin,
        marks: Marks::compile()?,
    };
    let mut snapshots = Vec::new();
    for driver in DRIVERS {
        snapshots.push(seat::snapshot(&parts.bed, driver, progress)?);
    }
    // The snapshots first: making one takes a run's place, too.
    let run = Run::new(parts.bed.cache(), "bench")?;
    let mut seats = Vec::new();
    for (driver, snapshot) in DRIVERS.into_iter().zip(snapshots) {
        seats.push(Seat::new(&parts, &run, driver, snapshot, progress)?);
    }
    let runs = measure(&mut seats, &workloads, options, progress)?;
    Ok(Results {
        meta: meta(&parts.bed, options, &seats),
        runs,
    })
}

/// Has the guests take their turns.
fn measure(
    seats: &mut [Seat],
    workloads: &[&Workload],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<results::Run>> {
    let usual = if options.quick {
        QUICK_REPETITIONS
    } else {
        REPETITIONS
    };
    let repetitions = options.repetitions.unwrap_or(usual);
    let total = workloads.len() * (repetitions as usize + 1);
    let step = progress.step("Measuring", Some(total as u64));
    let (mut runs, mut done) = (Vec::new(), 0..);
    for workload in workloads {
        for repetition in 0..=repetitions {
            step.at(done.next().unwrap_or_default());
            for seat in &mut *seats {
                // A ceiling has no driver: either guest's will do.
                if workload.group == Group::Ceiling && seat.driver != Driver::Xenpv {
                    continue;
                }
                step.doing(&format!(
                    "{} with {}",
                    workload.name,
                    seat::name(seat.driver)
                ));
                match repetition {
                    0 => workload
                        .load
                        .warm_up()
                        .map_or(Ok(()), |load| seat.warm_up(&load)),
                    number => seat.turn(workload, number).map(|run| runs.push(run)),
                }
                .with_context(|| workload.name)?;
            }
        }
    }
    Ok(runs)
}

/// Where it was measured.
fn meta(bed: &Bed, options: &Options, seats: &[Seat]) -> Meta {
    let both = |name: &str| {
        let said: Vec<&str> = seats.iter().map(|seat| seat.described(name)).collect();
        if said.windows(2).all(|pair| pair[0] == pair[1]) {
            return said.first().copied().unwrap_or_default().to_owned();
        }
        let each = seats.iter().zip(said);
        let each = each.map(|(seat, said)| format!("{said} with {}", seat::name(seat.driver)));
        each.collect::<Vec<_>>().join(", ")
    };
    let said = [
        "clockevent",
        "mitigations:",
        "queue of xvdf:",
        "queue of xvdg:",
        "queue of nullb0:",
    ];
    let failures = seats.iter().flat_map(|seat| {
        let driver = seat::name(seat.driver);
        let failures = seat.failures.iter();
        failures
            .map(move |failure| format!("a guest with {driver} failed and was replaced: {failure}"))
    });
    let notes = said.map(|name| format!("{name} {}", both(name)));
    Meta {
        kernel: both("kernel"),
        xen: both("xen"),
        qemu: both("qemu"),
        dom0_kernel: bed.dom0.tree.dom0_release.clone(),
        vcpus: subject::VCPUS,
        memory_mib: subject::MEMORY.into(),
        clocksource: both("clocksource"),
        quick: options.quick,
        notes: notes.into_iter().chain(failures).collect(),
    }
}

/// Where a run's files go if nothing else is said.
pub fn directory() -> PathBuf {
    Path::new(CHECKOUT).join("target/bench")
}

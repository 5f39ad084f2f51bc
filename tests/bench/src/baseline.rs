// SPDX-License-Identifier: GPL-2.0-only
//! What mainline's drivers cost when this work began, beside what they cost in a run.
//!
//! `baseline.csv` has what a prototype of the bed measured of Linux 7.3.4, once, with a load generator of its own and
//! Xen's lazy FPU. It says how far the bed's figures can be believed, and is no goal: that is mainline in the same run.
//! Its driver's figure is xen-blkfront's or xen-netfront's own text, without the services in vmlinux.

use serde::Deserialize;

use crate::comparison::{Comparison, Workload};
use crate::metric::Metric;
use crate::results::Driver;

const RECORDED: &str = include_str!("../baseline.csv");
/// What is no module.
const KERNEL: &str = "vmlinux";

/// Figures of mainline's drivers, for an operation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Recorded {
    /// The workload that measures the same.
    pub workload: String,
    /// Instructions of the driver's own text.
    pub driver_module: f64,
    /// Instructions of the guest's kernel.
    pub guest_kernel: f64,
    /// Virtual time.
    pub microseconds: f64,
    /// Events sent.
    pub event_sends: f64,
    /// Interrupts.
    pub interrupts: f64,
}

/// A recorded figure, and the same of a run, if it has any.
pub type Pair = (f64, Option<f64>);

/// A recorded line beside a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The workload.
    pub workload: String,
    /// In the order of [`Recorded`]'s fields.
    pub pairs: [Pair; 5],
}

/// All that was recorded.
pub fn recorded() -> Vec<Recorded> {
    // That every line can be read is for the tests to say.
    let mut reader = csv::ReaderBuilder::new();
    let recorded = reader.comment(Some(b'#')).from_reader(RECORDED.as_bytes());
    recorded.into_deserialize().flatten().collect()
}

/// Sets a run's mainline beside the record.
pub fn compare(comparison: &Comparison) -> Vec<Line> {
    let lines = recorded().into_iter().map(|recorded| {
        let mut workloads = comparison.workloads.iter();
        line(
            &recorded,
            workloads.find(|workload| workload.name == recorded.workload),
        )
    });
    lines.collect()
}

fn line(recorded: &Recorded, workload: Option<&Workload>) -> Line {
    let mean = |metric| Some(workload?.summary(metric, Driver::Mainline)?.mean);
    Line {
        workload: recorded.workload.clone(),
        pairs: [
            (recorded.driver_module, workload.and_then(driver_module)),
            (recorded.guest_kernel, mean(Metric::GuestKernelInstructions)),
            (recorded.microseconds, mean(Metric::Microseconds)),
            (recorded.event_sends, mean(Metric::EventSends)),
            (recorded.interrupts, mean(Metric::Interrupts)),
        ],
    }
}

/// The instructions of mainline's driver without its services.
fn driver_module(workload: &Workload) -> Option<f64> {
    let modules = &workload.details.get(&Driver::Mainline)?.modules;
    let own = modules.iter().filter(|module| module.name != KERNEL);
    let own: Vec<f64> = own.map(|module| module.mean).collect();
    (!own.is_empty()).then(|| own.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison;
    use crate::results::Function;
    use crate::sample::results;

    #[test]
    fn the_record_can_be_read_and_names_no_workload_twice() {
        let lines = compare(&Comparison::default());
        let mut names: Vec<_> = lines.iter().map(|line| &line.workload).collect();
        assert!(lines.iter().all(|line| line
            .pairs
            .iter()
            .all(|pair| pair.0 > 0.0 && pair.1.is_none())));
        names.sort();
        names.dedup();
        let recorded = RECORDED.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(names.len(), recorded.count() - 1);
    }

    #[test]
    fn mainline_stands_beside_its_record_without_the_services() {
        let mut results = results();
        for run in results
            .runs
            .iter_mut()
            .filter(|run| run.driver == Driver::Mainline)
        {
            run.functions.push(Function {
                name: "gnttab_grant_foreign_access_ref".to_owned(),
                module: KERNEL.to_owned(),
                instructions: 30_000,
            });
        }
        let lines = compare(&comparison::compare(&results));
        let pairs = lines[0].pairs;
        assert_eq!(lines[0].workload, "block-randread-4k-qd1");
        assert_eq!(pairs[0], (698.0, Some(350.0)));
        assert_eq!(pairs[1], (16918.0, Some(16918.0)));
        assert_eq!(pairs[2], (182.0, Some(190.5)));
        assert_eq!(pairs[4], (1.0, Some(0.125)));
        assert_eq!(lines[1].pairs[0], (651.0, None));
    }

    #[test]
    fn a_driver_of_which_only_services_are_known_has_no_figure() {
        let mut results = results();
        for run in &mut results.runs {
            run.functions[..]
                .iter_mut()
                .for_each(|function| function.module = KERNEL.to_owned());
        }
        let lines = compare(&comparison::compare(&results));
        assert_eq!(lines[0].pairs[0].1, None);
    }
}

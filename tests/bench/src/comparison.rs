// SPDX-License-Identifier: GPL-2.0-only
//! From raw totals to figures an operation, our driver's beside mainline's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::Metric;
use crate::results::{Driver, Group, Meta, Results, Run};
use crate::statistics::{Ratio, Summary, Verdict};

/// One metric of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Which.
    pub metric: Metric,
    /// What was measured with each driver.
    pub drivers: BTreeMap<Driver, Summary>,
    /// Ours divided by mainline's.
    pub ratio: Option<Ratio>,
    /// Whether that is as good as it is to be.
    pub verdict: Option<Verdict>,
}

/// An operation's share of something that has a name: a function, a hypercall, a counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// What it belongs to: a function's module, or nothing.
    pub module: String,
    /// How much of it an operation takes, on average.
    pub mean: f64,
}

/// What one driver's repetitions say besides the figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Instructions of each function of the driver, the greatest first.
    pub functions: Vec<Share>,
    /// The same by module, and `vmlinux`.
    #[serde(default)]
    pub modules: Vec<Share>,
    /// Hypercalls by name, the most frequent first.
    pub hypercalls: Vec<Share>,
    /// The driver's own counters by name.
    pub counters: Vec<Share>,
}

/// All that a run says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where it was measured.
    pub meta: Meta,
    /// Disks, then interfaces, then ceilings, each in the order in which they first ran.
    pub workloads: Vec<Workload>,
}

impl Comparison {
    /// Those that a driver ran.
    pub fn compared(&self) -> impl Iterator<Item = &Workload> + Clone {
        self.workloads
            .iter()
            .filter(|workload| workload.group != Group::Ceiling)
    }

    /// Those that no driver ran.
    pub fn ceilings(&self) -> impl Iterator<Item = &Workload> + Clone {
        self.workloads
            .iter()
            .filter(|workload| workload.group == Group::Ceiling)
    }

    /// Forgets all but the functions in which most is spent.
    pub fn keep_functions(&mut self, count: usize) {
        let workloads = self.workloads.iter_mut();
        for details in workloads.flat_map(|workload| workload.details.values_mut()) {
            details.functions.truncate(count);
        }
    }
}

/// All that a run says about one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// What it exercises.
    pub group: Group,
    /// The figures that could be told, in the order of [`Metric::ALL`].
    pub figures: Vec<Figure>,
    /// The rest, by driver.
    pub details: BTreeMap<Driver, Details>,
}

impl Workload {
    /// The figure of a metric.
    pub fn figure(&self, metric: Metric) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.metric == metric)
    }

    /// What was measured of a metric with a driver.
    pub fn summary(&self, metric: Metric, driver: Driver) -> Option<&Summary> {
        self.figure(metric)?.drivers.get(&driver)
    }
}

/// The repetitions of one workload with one driver, by their numbers.
type Repetitions<'a> = BTreeMap<u32, &'a Run>;

/// Compares all workloads. Of two runs of the same workload, driver and repetition the later one counts.
pub fn compare(results: &Results) -> Comparison {
    let mut order: Vec<(Group, &str)> = Vec::new();
    let mut runs: BTreeMap<(Group, &str), BTreeMap<Driver, Repetitions<'_>>> = BTreeMap::new();
    for run in &results.runs {
        let key = (run.group, run.workload.as_str());
        if !runs.contains_key(&key) {
            order.push(key);
        }
        runs.entry(key)
            .or_default()
            .entry(run.driver)
            .or_default()
            .insert(run.repetition, run);
    }
    order.sort_by_key(|(group, _)| *group);
    let workloads = order
        .into_iter()
        .map(|key| Workload {
            name: key.1.to_owned(),
            group: key.0,
            figures: Metric::ALL
                .into_iter()
                .filter_map(|metric| figure(metric, &runs[&key]))
                .collect(),
            details: runs[&key]
                .iter()
                .map(|(driver, repetitions)| (*driver, details(repetitions)))
                .collect(),
        })
        .collect();
    Comparison {
        meta: results.meta.clone(),
        workloads,
    }
}

/// One metric of one workload; `None` if it was not measured with any driver.
fn figure(metric: Metric, drivers: &BTreeMap<Driver, Repetitions<'_>>) -> Option<Figure> {
    let summaries: BTreeMap<Driver, Summary> = drivers
        .iter()
        .filter_map(|(driver, runs)| {
            let values = runs.values().filter_map(|run| metric.of(&run.metrics));
            Some((*driver, Summary::of(values)?))
        })
        .collect();
    if summaries.is_empty() {
        return None;
    }
    let ratio = drivers
        .get(&Driver::XenPv)
        .zip(drivers.get(&Driver::Mainline))
        .and_then(|(ours, theirs)| {
            Ratio::of(ours.iter().filter_map(|(repetition, run)| {
                let theirs = theirs.get(repetition)?;
                Some((metric.of(&run.metrics)?, metric.of(&theirs.metrics)?))
            }))
        });
    Some(Figure {
        metric,
        drivers: summaries,
        ratio,
        verdict: ratio.and_then(|ratio| Some(ratio.judge(metric.goal()?))),
    })
}

/// What the repetitions of one driver say besides the figures.
fn details(runs: &Repetitions<'_>) -> Details {
    let mut functions = Shares::default();
    let mut modules = Shares::default();
    let mut hypercalls = Shares::default();
    let mut counters = Shares::default();
    for run in runs.values().filter(|run| run.metrics.ops > 0) {
        let ops = run.metrics.ops as f64;
        for function in &run.functions {
            let name = format!("{:#}", rustc_demangle::demangle(&function.name));
            let share = function.instructions as f64 / ops;
            functions.add(&function.module, name, share);
            modules.add("", function.module.clone(), share);
        }
        for (name, count) in run.metrics.hypercalls.iter().flatten() {
            hypercalls.add("", name.clone(), *count as f64 / ops);
        }
        for (name, change) in &run.metrics.counters {
            counters.add("", name.clone(), *change as f64 / ops);
        }
    }
    let count = runs.values().filter(|run| run.metrics.ops > 0).count();
    Details {
        functions: functions.greatest_first(count),
        modules: modules.greatest_first(count),
        hypercalls: hypercalls.greatest_first(count),
        counters: counters.by_name(count),
    }
}

/// Sums of shares, by module and name.
#[derive(Default)]
struct Shares<'a>(BTreeMap<(&'a str, String), f64>);

impl<'a> Shares<'a> {
    fn add(&mut self, module: &'a str, name: String, share: f64) {
        *self.0.entry((module, name)).or_default() += share;
    }

    /// The means over a number of repetitions.
    fn by_name(self, count: usize) -> Vec<Share> {
        self.0
            .into_iter()
            .map(|((module, name), sum)| Share {
                name,
                module: module.to_owned(),
                mean: sum / count as f64,
            })
            .collect()
    }

    fn greatest_first(self, count: usize) -> Vec<Share> {
        let mut shares = self.by_name(count);
        shares.sort_by(|left, right| right.mean.total_cmp(&left.mean));
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Function;
    use crate::sample::{results, run};
    use proptest::prelude::*;

    fn value(workload: &Workload, metric: Metric, driver: Driver) -> f64 {
        workload.summary(metric, driver).unwrap().mean
    }

    #[test]
    fn disks_come_first_and_ceilings_last_each_as_they_ran() {
        let names: Vec<_> = compare(&results())
            .workloads
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(
            names,
            [
                "block-randread-4k-qd1",
                "block-seqread-1m",
                "net-udp-tx-64",
                "ceiling-null-4k-qd1"
            ]
        );
    }

    #[test]
    fn every_figure_is_a_share_of_an_operation() {
        let read = &compare(&results()).workloads[0];
        let ours = |metric| value(read, metric, Driver::XenPv);
        assert_eq!(ours(Metric::DriverInstructions), 501.0);
        assert_eq!(ours(Metric::Microseconds), 180.5);
        assert_eq!(ours(Metric::CpuMicroseconds), 50.0);
        assert_eq!(ours(Metric::LatencyMean), 180.5);
        assert_eq!(ours(Metric::LatencyP99), 361.0);
        assert_eq!(ours(Metric::Hypercalls), 1.5);
        assert_eq!(ours(Metric::GrantOperations), 0.0);
        assert_eq!(ours(Metric::Interrupts), 0.125);
        let rate = (1e6 / 180.0 + 1e6 / 181.0) / 2.0;
        assert!((ours(Metric::Rate) - rate).abs() < 1e-6);
        assert!((ours(Metric::Megabytes) - rate * 4096.0 / 1e6).abs() < 1e-6);
        assert_eq!(read.figure(Metric::LatencyP50), None);
        assert_eq!(read.figure(Metric::XenInstructions), None);
    }

    #[test]
    fn goals_are_judged_with_their_errors() {
        let workloads = compare(&results()).workloads;
        let verdict = |number: usize, metric| workloads[number].figure(metric).unwrap().verdict;
        assert_eq!(verdict(0, Metric::Rate), Some(Verdict::Met));
        assert_eq!(verdict(0, Metric::DriverInstructions), Some(Verdict::Met));
        assert_eq!(verdict(0, Metric::Microseconds), None);
        assert_eq!(verdict(1, Metric::Rate), Some(Verdict::Undecided));
        assert_eq!(
            verdict(1, Metric::DriverInstructions),
            Some(Verdict::Missed)
        );
    }

    #[test]
    fn a_driver_that_did_not_run_leaves_no_ratio() {
        let udp = &compare(&results()).workloads[2];
        let figure = udp.figure(Metric::DriverInstructions).unwrap();
        assert_eq!((figure.ratio, figure.verdict), (None, None));
        assert_eq!(figure.drivers.len(), 1);
        assert_eq!(figure.drivers[&Driver::Mainline].mean, 400.0);
    }

    #[test]
    fn only_repetitions_of_both_drivers_make_pairs() {
        let mut results = results();
        results
            .runs
            .retain(|run| run.repetition == 0 || run.driver != Driver::Mainline);
        let read = &compare(&results).workloads[0];
        let figure = read.figure(Metric::DriverInstructions).unwrap();
        assert_eq!(figure.drivers[&Driver::XenPv].count, 2);
        let ratio = figure.ratio.unwrap();
        assert_eq!(
            (ratio.value, ratio.error, ratio.pairs),
            (500.0 / 700.0, None, 1)
        );
    }

    #[test]
    fn the_later_of_two_runs_with_one_number_counts() {
        let mut results = results();
        results.runs.push(run(
            "net-udp-tx-64",
            Group::Net,
            Driver::Mainline,
            0,
            (444, 24.0),
        ));
        let udp = &compare(&results).workloads[2];
        assert_eq!(
            value(udp, Metric::DriverInstructions, Driver::Mainline),
            444.0
        );
    }

    #[test]
    fn functions_are_averaged_and_the_greatest_comes_first() {
        let mut results = results();
        for (repetition, instructions) in [(0, 1_000_000), (1, 0)] {
            let mut run = run("net-rr", Group::Net, Driver::XenPv, repetition, (600, 9.0));
            run.functions.push(Function {
                name: "poll".to_owned(),
                module: "xen-vnif".to_owned(),
                instructions,
            });
            results.runs.push(run);
        }
        let details = &compare(&results).workloads[3].details[&Driver::XenPv];
        let functions: Vec<_> = details
            .functions
            .iter()
            .map(|share| (share.module.as_str(), share.name.as_str(), share.mean))
            .collect();
        assert_eq!(
            functions,
            [
                ("xen-vnif", "poll", 500.0),
                ("xen-blkfront", "queue_rq", 300.0)
            ]
        );
        let modules: Vec<_> = details
            .modules
            .iter()
            .map(|it| (it.name.as_str(), it.mean))
            .collect();
        assert_eq!(modules, [("xen-vnif", 500.0), ("xen-blkfront", 300.0)]);
        assert_eq!(details.hypercalls[0].name, "event_channel_op");
        assert_eq!(details.hypercalls[1].mean, 0.5);
    }

    #[test]
    fn names_of_rust_functions_are_readable_and_instances_are_one() {
        let mut results = results();
        results.runs[1].functions = [
            "_RNvNtCs1234_7xen_vbd5queue6submit",
            "_RNvNtCs9876_7xen_vbd5queue6submit",
        ]
        .map(|name| Function {
            name: name.to_owned(),
            module: "xen-vbd".to_owned(),
            instructions: 2000,
        })
        .into();
        let functions = &compare(&results).workloads[2].details[&Driver::Mainline].functions;
        let functions: Vec<_> = functions
            .iter()
            .map(|it| (it.name.as_str(), it.mean))
            .collect();
        assert_eq!(functions, [("xen_vbd::queue::submit", 4.0)]);
    }

    #[test]
    fn counters_keep_their_names_and_their_signs() {
        let mut results = results();
        results.runs[1]
            .metrics
            .counters
            .insert("grants".to_owned(), -500);
        results.runs[1]
            .metrics
            .counters
            .insert("frames".to_owned(), 2000);
        let counters = &compare(&results).workloads[2].details[&Driver::Mainline].counters;
        let counters: Vec<_> = counters
            .iter()
            .map(|it| (it.name.as_str(), it.mean))
            .collect();
        assert_eq!(counters, [("frames", 2.0), ("grants", -0.5)]);
    }

    #[test]
    fn a_repetition_without_operations_counts_for_nothing() {
        let mut results = results();
        for run in results.runs.iter_mut().filter(|run| run.repetition == 1) {
            run.metrics.ops = 0;
            run.metrics.seconds = 0.0;
        }
        let read = &compare(&results).workloads[0];
        assert_eq!(
            read.figure(Metric::DriverInstructions)
                .unwrap()
                .ratio
                .unwrap()
                .pairs,
            1
        );
        assert_eq!(read.details[&Driver::XenPv].functions[0].mean, 250.0);
    }

    proptest! {
        #[test]
        fn no_counts_whatever_make_it_panic(
            runs in proptest::collection::vec(
                (0..3u32, any::<bool>(), 0..3u32, any::<u64>(), any::<f64>(), any::<Option<u64>>(), any::<i64>()),
                0..12,
            ),
        ) {
            let runs = runs.into_iter().map(|(name, ours, repetition, ops, seconds, count, change)| {
                let driver = if ours { Driver::XenPv } else { Driver::Mainline };
                let mut run = run(&format!("net-{name}"), Group::Net, driver, repetition, (1, 1.0));
                run.metrics.ops = ops;
                run.metrics.seconds = seconds;
                run.metrics.driver_instructions = count;
                run.metrics.hypercalls = count.map(|count| BTreeMap::from([("a".to_owned(), count), ("b".to_owned(), count)]));
                run.metrics.counters.insert("n".to_owned(), change);
                run
            });
            let results = Results { runs: runs.collect(), ..Results::default() };
            let comparison = compare(&results);
            for figure in comparison.workloads.iter().flat_map(|workload| &workload.figures) {
                prop_assert!(figure.drivers.values().all(|summary| summary.mean.is_finite()));
                prop_assert!(figure.ratio.is_none_or(|ratio| ratio.value.is_finite()));
            }
            crate::table::render(&comparison);
        }
    }
}

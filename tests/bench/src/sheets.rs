// SPDX-License-Identifier: GPL-2.0-only
//! The results as CSV, for spreadsheets and scripts.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::comparison::{Figure, Workload};
use crate::metric::Metric;
use crate::results::{Driver, Group, Results};
use crate::statistics::{Summary, Verdict};

/// A line of [`figures`].
#[derive(Serialize)]
struct FigureLine<'a> {
    workload: &'a str,
    group: Group,
    metric: Metric,
    driver: Driver,
    count: usize,
    mean: f64,
    deviation: Option<f64>,
    min: f64,
    max: f64,
    ratio: Option<f64>,
    ratio_error: Option<f64>,
    pairs: Option<usize>,
    verdict: Option<Verdict>,
}

impl<'a> FigureLine<'a> {
    /// The ratio and what belongs to it stand in our driver's line.
    fn new(workload: &'a Workload, figure: &Figure, driver: Driver, summary: &Summary) -> Self {
        let ratio = figure.ratio.filter(|_| driver == Driver::XenPv);
        FigureLine {
            workload: &workload.name,
            group: workload.group,
            metric: figure.metric,
            driver,
            count: summary.count,
            mean: summary.mean,
            deviation: summary.deviation,
            min: summary.min,
            max: summary.max,
            ratio: ratio.map(|ratio| ratio.value),
            ratio_error: ratio.and_then(|ratio| ratio.error),
            pairs: ratio.map(|ratio| ratio.pairs),
            verdict: figure.verdict.filter(|_| ratio.is_some()),
        }
    }
}

/// What the repetitions come to: a line for each workload, metric and driver.
pub fn figures(workloads: &[Workload]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for workload in workloads {
        for figure in &workload.figures {
            for (driver, summary) in &figure.drivers {
                writer.serialize(FigureLine::new(workload, figure, *driver, summary))?;
            }
        }
    }
    text(writer)
}

/// A line of [`repetitions`].
#[derive(Serialize)]
struct TotalLine<'a> {
    workload: &'a str,
    group: Group,
    driver: Driver,
    repetition: u32,
    quantity: &'a str,
    total: f64,
}

/// What was counted: a line for each total of each repetition, in the order in which they ran.
///
/// A quantity has the name that it has in the JSON, with dots: `latency_us.p99`, `hypercalls.sched_op`,
/// `functions.MODULE.NAME`.
pub fn repetitions(results: &Results) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for run in &results.runs {
        let mut totals = Vec::new();
        flatten(
            String::new(),
            &serde_json::to_value(&run.metrics)?,
            &mut totals,
        );
        for function in &run.functions {
            totals.push((
                format!("functions.{}.{}", function.module, function.name),
                function.instructions as f64,
            ));
        }
        for (quantity, total) in &totals {
            writer.serialize(TotalLine {
                workload: &run.workload,
                group: run.group,
                driver: run.driver,
                repetition: run.repetition,
                quantity,
                total: *total,
            })?;
        }
    }
    text(writer)
}

/// The numbers within a value, each with the way to it.
fn flatten(path: String, value: &Value, into: &mut Vec<(String, f64)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{dot}{name}"), value, into);
            }
        }
        value => into.extend(value.as_f64().map(|number| (path, number))),
    }
}

/// What has been written.
fn text(writer: csv::Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().context("cannot write CSV")?;
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::compare;
    use crate::sample::results;

    #[test]
    fn figures_have_a_line_for_each_driver_and_the_ratio_in_ours() {
        let text = figures(&compare(&results()).workloads).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "workload,group,metric,driver,count,mean,deviation,min,max,ratio,ratio_error,pairs,verdict"
        );
        let found = |start: &str| *lines.iter().find(|line| line.starts_with(start)).unwrap();
        assert_eq!(
            found("block-seqread-1m,block,driver_instructions,xenpv"),
            "block-seqread-1m,block,driver_instructions,xenpv,2,9000.0,0.0,9000.0,9000.0,1.0,0.0,2,missed"
        );
        assert_eq!(
            found("block-seqread-1m,block,driver_instructions,mainline"),
            "block-seqread-1m,block,driver_instructions,mainline,2,9000.0,0.0,9000.0,9000.0,,,,"
        );
        assert_eq!(
            found("ceiling-null-4k-qd1,ceiling,microseconds,none"),
            "ceiling-null-4k-qd1,ceiling,microseconds,none,1,12.5,,12.5,12.5,,,,"
        );
    }

    #[test]
    fn repetitions_have_every_total_in_order() {
        let mut results = results();
        results.runs[2].functions[0].name = "a, \"quoted\" name".to_owned();
        let text = repetitions(&results).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let lines: Vec<Vec<String>> = reader
            .records()
            .map(|line| line.unwrap().iter().map(str::to_owned).collect())
            .collect();
        assert_eq!(lines[0][0], "ceiling-null-4k-qd1");
        assert_eq!(lines.last().unwrap()[0], "block-seqread-1m");
        let totals = |quantity: &str| {
            let ours = lines.iter().filter(|line| {
                line[..4] == ["block-randread-4k-qd1", "block", "xenpv", "0"] && line[4] == quantity
            });
            ours.map(|line| line[5].as_str()).collect::<Vec<_>>()
        };
        assert_eq!(totals("ops"), ["1000.0"]);
        assert_eq!(totals("latency_us.p99"), ["360.0"]);
        assert_eq!(totals("hypercalls.sched_op"), ["500.0"]);
        assert_eq!(totals("counters.requests"), ["1000.0"]);
        assert_eq!(
            totals("functions.xen-blkfront.a, \"quoted\" name"),
            ["250000.0"]
        );
        assert!(totals("xen_instructions").is_empty());
    }
}

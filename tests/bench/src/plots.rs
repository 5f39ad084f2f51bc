// SPDX-License-Identifier: GPL-2.0-only
//! The plots, as SVG.

use anyhow::Result;

use crate::chart::{Bar, Chart, Row};
use crate::comparison::{Figure, Share, Workload};
use crate::format;
use crate::metric::Metric;
use crate::results::Driver;

/// How far the scale of ratios goes at most.
const GREATEST_RATIO: f64 = 2.0;
/// How many functions of each driver are shown.
const FUNCTIONS: usize = 8;
/// How much of a function's name is shown.
const NAME: usize = 44;

/// The ratios of throughput and of driver instructions, with their errors and the goals.
pub fn ratios(workloads: &[Workload]) -> Result<String> {
    let metrics = [Metric::Rate, Metric::DriverInstructions];
    let rows = rows(workloads, |workload| {
        let bars = metrics.iter().enumerate();
        bars.filter_map(|(colour, metric)| ratio(colour, workload.figure(*metric)?))
            .collect()
    });
    let greatest = rows
        .iter()
        .flat_map(|row| &row.bars)
        .map(|bar| bar.value)
        .fold(1.2, f64::max);
    Chart {
        title: "xenpv / mainline: throughput (goal: 1.0 or more), driver instructions (goal: 0.8 or less)".to_owned(),
        legend: ["throughput", "driver instructions"],
        rows,
        end: Some(greatest.min(GREATEST_RATIO)),
        marks: vec![0.8, 1.0],
    }
    .svg()
}

/// The driver's instructions an operation, side by side; each workload has a scale of its own.
pub fn instructions(workloads: &[Workload]) -> Result<String> {
    Chart {
        title: "driver instructions an operation (each line to its own scale)".to_owned(),
        legend: ["xenpv", "mainline"],
        rows: rows(workloads, |workload| {
            let figure = workload.figure(Metric::DriverInstructions);
            figure.map(means).unwrap_or_default()
        }),
        end: None,
        marks: Vec::new(),
    }
    .svg()
}

/// The functions of both drivers in which a workload spends most, or `None` if they are not known.
pub fn functions(workload: &Workload) -> Result<Option<String>> {
    let mut rows = Vec::new();
    for (colour, driver) in [Driver::XenPv, Driver::Mainline].into_iter().enumerate() {
        let functions = workload
            .details
            .get(&driver)
            .map(|details| details.functions.as_slice());
        let top = functions.unwrap_or_default().iter().take(FUNCTIONS);
        rows.extend(top.map(|function| share(colour, function)));
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let greatest = rows
        .iter()
        .flat_map(|row| &row.bars)
        .map(|bar| bar.value)
        .fold(0.0, f64::max);
    Chart {
        title: format!(
            "{}: driver instructions an operation, by function",
            workload.name
        ),
        legend: ["xenpv", "mainline"],
        rows,
        end: Some(greatest),
        marks: Vec::new(),
    }
    .svg()
    .map(Some)
}

/// A row for each workload that has bars.
fn rows(workloads: &[Workload], bars: impl Fn(&Workload) -> Vec<Bar>) -> Vec<Row> {
    let rows = workloads.iter().map(|workload| Row {
        name: workload.name.clone(),
        bars: bars(workload),
    });
    rows.filter(|row| !row.bars.is_empty()).collect()
}

fn ratio(colour: usize, figure: &Figure) -> Option<Bar> {
    let ratio = figure.ratio?;
    let error = format::error(Some(figure));
    Some(Bar {
        colour,
        value: ratio.value,
        error: ratio.error,
        text: format!(
            "{} ±{error} {}",
            format::ratio(Some(figure)),
            format::verdict(Some(figure))
        ),
    })
}

fn means(figure: &Figure) -> Vec<Bar> {
    let drivers = [Driver::XenPv, Driver::Mainline].into_iter().enumerate();
    drivers
        .filter_map(|(colour, driver)| {
            let summary = figure.drivers.get(&driver)?;
            Some(Bar {
                colour,
                value: summary.mean,
                error: summary.deviation,
                text: format::number(summary.mean),
            })
        })
        .collect()
}

fn share(colour: usize, function: &Share) -> Row {
    Row {
        name: format::tail(&function.name, NAME),
        bars: vec![Bar {
            colour,
            value: function.mean,
            error: None,
            text: format::number(function.mean),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::compare;
    use crate::sample::results;

    /// Looks for the rectangles of a colour and returns their widths.
    fn widths(svg: &str, colour: &str) -> Vec<i32> {
        svg.lines()
            .filter(|line| line.starts_with("<rect") && line.contains(colour))
            .map(|line| {
                let width = line.split("width=\"").nth(1).unwrap();
                width.split('"').next().unwrap().parse().unwrap()
            })
            .collect()
    }

    fn whole(svg: &str) -> bool {
        svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>")
    }

    #[test]
    fn ratios_are_as_long_as_they_are_great() {
        let svg = ratios(&compare(&results()).workloads).unwrap();
        assert!(whole(&svg));
        // 500 pixels for 1.2, after the legend's 12. What has no ratio has no bar.
        assert_eq!(widths(&svg, "#0072B2"), [12, 439, 416]);
        assert_eq!(widths(&svg, "#E69F00"), [12, 298, 416]);
        assert!(!svg.contains("net-udp-tx-64"));
        assert!(svg.contains("0.716 ±"));
    }

    #[test]
    fn instructions_have_a_scale_for_each_workload() {
        let svg = instructions(&compare(&results()).workloads).unwrap();
        assert!(whole(&svg));
        assert_eq!(widths(&svg, "#0072B2"), [12, 357, 500]);
        assert_eq!(widths(&svg, "#E69F00"), [12, 500, 500, 500]);
        assert!(!svg.contains("ceiling"));
    }

    #[test]
    fn functions_of_both_drivers_are_shown_and_escaped() {
        let mut results = results();
        results.runs[2].functions[0].name = "<Queue as Operations>::queue_rq".to_owned();
        let workloads = compare(&results).workloads;
        let svg = functions(&workloads[0]).unwrap().unwrap();
        assert!(whole(&svg));
        assert!(svg.contains("&lt;Queue as Operations&gt;::queue_rq"));
        assert_eq!(functions(&workloads[3]).unwrap(), None);
    }

    #[test]
    fn nothing_to_plot_is_an_empty_picture() {
        assert!(whole(&ratios(&[]).unwrap()));
        assert!(whole(&instructions(&[]).unwrap()));
    }
}

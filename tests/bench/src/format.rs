// SPDX-License-Identifier: GPL-2.0-only
//! Figures as people read them. What is not known is a dash.

use crate::comparison::{Figure, Metric, Workload};
use crate::statistics::{Summary, Verdict};

/// What stands for a figure that is not known.
pub const UNKNOWN: &str = "-";

/// A figure with as many digits as say something.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size >= 1000.0 {
        format!("{value:.0}")
    } else if size >= 100.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else if size >= 0.001 {
        format!("{value:.3}")
    } else {
        format!("{value:.0e}")
    }
}

/// The mean of what was measured.
pub fn mean(summary: Option<&Summary>) -> String {
    summary.map_or_else(|| UNKNOWN.to_owned(), |summary| number(summary.mean))
}

/// The ratio of a figure.
pub fn ratio(figure: Option<&Figure>) -> String {
    match figure.and_then(|figure| figure.ratio) {
        Some(ratio) => format!("{:.3}", ratio.value),
        None => UNKNOWN.to_owned(),
    }
}

/// The error of a figure's ratio, in percent of it. An error greater than the ratio says no more than that.
pub fn error(figure: Option<&Figure>) -> String {
    let percent = figure
        .and_then(|figure| figure.ratio)
        .and_then(|ratio| ratio.error_percent());
    match percent {
        Some(percent) if percent > 99.9 => ">100%".to_owned(),
        Some(percent) => format!("{percent:.1}%"),
        None => UNKNOWN.to_owned(),
    }
}

/// A spread in percent.
pub fn spread(summary: Option<&Summary>) -> String {
    match summary.and_then(Summary::spread_percent) {
        Some(percent) => format!("{percent:.1}%"),
        None => UNKNOWN.to_owned(),
    }
}

/// Whether a figure's goal is met.
pub fn verdict(figure: Option<&Figure>) -> &'static str {
    match figure.and_then(|figure| figure.verdict) {
        Some(Verdict::Met) => "ok",
        Some(Verdict::Missed) => "MISS",
        Some(Verdict::Undecided) => "?",
        None => "",
    }
}

/// How many workloads meet the goal of a metric.
pub fn tally<'a>(workloads: impl IntoIterator<Item = &'a Workload>, metric: Metric) -> String {
    let (mut met, mut missed, mut undecided, mut unknown) = (0, 0, 0, 0);
    for workload in workloads {
        match workload.figure(metric).and_then(|figure| figure.verdict) {
            Some(Verdict::Met) => met += 1,
            Some(Verdict::Missed) => missed += 1,
            Some(Verdict::Undecided) => undecided += 1,
            None => unknown += 1,
        }
    }
    let mut text =
        format!("{met} met (ok), {missed} missed (MISS), {undecided} within the error (?)");
    if unknown > 0 {
        text += &format!(", {unknown} not measured");
    }
    text
}

// SPDX-License-Identifier: GPL-2.0-only
//! Figures as people read them. What is not known is a dash.

use crate::comparison::{Figure, Workload};
use crate::metric::Metric;
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

/// The end of a name that is too long: of a path, it says most.
pub fn tail(name: &str, longest: usize) -> String {
    let length = name.chars().count();
    if length <= longest {
        return name.to_owned();
    }
    let kept: String = name
        .chars()
        .skip(length - longest.saturating_sub(1))
        .collect();
    format!("…{kept}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_say_something() {
        let texts = [0.0, 0.0001, 0.0314, 0.9996, 1.0, 10.37, 698.0, 7722.7, 1e6].map(number);
        assert_eq!(
            texts,
            ["0", "1e-4", "0.031", "1.000", "1.00", "10.37", "698.0", "7723", "1000000"]
        );
        assert_eq!(number(-0.5), "-0.500");
    }

    #[test]
    fn of_a_long_name_the_end_is_kept() {
        assert_eq!(tail("queue_rq", 8), "queue_rq");
        assert_eq!(tail("xen_vbd::queue_rq", 8), "…ueue_rq");
        assert_eq!(tail("größer", 3), "…er");
        assert_eq!(tail("abc", 0), "…");
    }
}

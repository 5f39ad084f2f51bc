// SPDX-License-Identifier: GPL-2.0-only
//! The table that a person reads on the terminal, one line a workload.

use std::fmt::Write;

use crate::comparison::{Comparison, Workload};
use crate::format;
use crate::metric::Metric;
use crate::results::Driver;

/// Columns that belong together: what stands above them, and their headings.
type Block = (&'static str, &'static [&'static str]);

/// The columns of a comparison.
const COMPARED: [Block; 9] = [
    ("", &["workload"]),
    ("throughput", &["ratio", "±", ""]),
    ("driver instructions", &["xenpv", "main", "ratio", ""]),
    ("kernel insn", &["xenpv", "main"]),
    ("us", &["xenpv", "main"]),
    ("cpu us", &["xenpv", "main"]),
    ("sends", &["xenpv", "main"]),
    ("irqs", &["xenpv", "main"]),
    ("hypercalls", &["xenpv", "main"]),
];

/// The columns of the ceilings.
const CEILINGS: [Block; 6] = [
    ("", &["ceiling"]),
    ("", &["op/s"]),
    ("", &["MB/s"]),
    ("", &["us"]),
    ("", &["cpu us"]),
    ("", &["kernel insn"]),
];

/// The whole table with its legend.
pub fn render(comparison: &Comparison) -> String {
    let mut text = String::new();
    let lines: Vec<_> = comparison.compared().map(compared).collect();
    if !lines.is_empty() {
        text += &grid(&COMPARED, &lines);
        text += "\n";
    }
    let lines: Vec<_> = comparison.ceilings().map(ceiling).collect();
    if !lines.is_empty() {
        text += &grid(&CEILINGS, &lines);
        text += "\n";
    }
    text + &legend(comparison)
}

/// The cells of a workload that both drivers ran.
fn compared(workload: &Workload) -> Vec<String> {
    let both = |metric| {
        [Driver::XenPv, Driver::Mainline]
            .map(|driver| format::mean(workload.summary(metric, driver)))
    };
    let rate = workload.figure(Metric::Rate);
    let cost = workload.figure(Metric::DriverInstructions);
    let mut cells = vec![
        workload.name.clone(),
        format::ratio(rate),
        format::error(rate),
        format::verdict(rate).to_owned(),
    ];
    cells.extend(both(Metric::DriverInstructions));
    cells.push(format::ratio(cost));
    cells.push(format::verdict(cost).to_owned());
    for metric in [
        Metric::GuestKernelInstructions,
        Metric::Microseconds,
        Metric::CpuMicroseconds,
        Metric::EventSends,
        Metric::Interrupts,
        Metric::Hypercalls,
    ] {
        cells.extend(both(metric));
    }
    cells
}

/// The cells of a ceiling, whose runs have no driver.
fn ceiling(workload: &Workload) -> Vec<String> {
    let mut cells = vec![workload.name.clone()];
    cells.extend(
        [
            Metric::Rate,
            Metric::Megabytes,
            Metric::Microseconds,
            Metric::CpuMicroseconds,
            Metric::GuestKernelInstructions,
        ]
        .map(|metric| format::mean(workload.summary(metric, Driver::None))),
    );
    cells
}

/// What the columns mean, and how many goals are met.
fn legend(comparison: &Comparison) -> String {
    let mut text = String::from(
        "Every figure but the ratios is an operation's share. A ratio is xenpv's figure divided by mainline's (main); ± is half\n\
         of its 95 % interval over the pairs of repetitions. Times are virtual: a clock of instructions.\n",
    );
    for (metric, goal) in [
        (Metric::Rate, "throughput ratio >= 1.0"),
        (
            Metric::DriverInstructions,
            "driver instructions <= 0.8 of mainline's",
        ),
    ] {
        let tally = format::tally(comparison.compared(), metric);
        let _ = writeln!(text, "Goal: {goal}: {tally}.");
    }
    for note in &comparison.meta.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    if comparison.meta.quick {
        text += "This was the quick run: too few repetitions to decide a close case.\n";
    }
    text
}

/// Lays lines out under their headings: the first column to the left, figures to the right.
fn grid(blocks: &[Block], lines: &[Vec<String>]) -> String {
    let headings: Vec<&str> = blocks
        .iter()
        .flat_map(|(_, headings)| *headings)
        .copied()
        .collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| length(heading)).collect();
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(length(cell));
        }
    }
    let mut titles = String::new();
    let mut at = 0;
    for (title, headings) in blocks {
        let end = at + headings.len();
        let wide = widths[at..end].iter().sum::<usize>() + headings.len() - 1;
        widths[at] += length(title).saturating_sub(wide);
        let wide = wide.max(length(title));
        titles += &format!("{}{:^wide$}", if at == 0 { "" } else { "  " }, title);
        at = end;
    }
    let mut text = String::new();
    if !titles.trim().is_empty() {
        text += titles.trim_end();
        text += "\n";
    }
    let headings: Vec<String> = headings.into_iter().map(str::to_owned).collect();
    for line in std::iter::once(&headings).chain(lines) {
        text += lay_out(blocks, &widths, line).trim_end();
        text += "\n";
    }
    text
}

/// One line of a grid.
fn lay_out(blocks: &[Block], widths: &[usize], cells: &[String]) -> String {
    let mut text = String::new();
    let mut columns = widths.iter().zip(cells);
    for (number, (_, headings)) in blocks.iter().enumerate() {
        for (place, (width, cell)) in columns.by_ref().take(headings.len()).enumerate() {
            text += match (number, place) {
                (0, 0) => "",
                (_, 0) => "  ",
                _ => " ",
            };
            text += &if number == 0 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            };
        }
    }
    text
}

/// How many columns of a terminal a text takes.
fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::compare;
    use crate::sample::results;

    #[test]
    fn a_small_table() {
        let text = render(&compare(&results()));
        assert_eq!(text, include_str!("../tests/table.txt"), "\n{text}");
    }

    #[test]
    fn great_figures_fit_on_a_line() {
        let mut results = results();
        for run in &mut results.runs {
            run.workload = "net-tcp-stream-tx-4".to_owned() + &run.workload[..5];
            run.metrics.driver_instructions = Some(55_555_000);
            run.metrics.guest_kernel_instructions = Some(666_666_000);
            run.metrics.seconds = 2.0;
            run.metrics.cpu_seconds = Some(1.9);
        }
        let text = render(&compare(&results));
        assert!(text.lines().all(|line| length(line) <= 140), "\n{text}");
    }
}

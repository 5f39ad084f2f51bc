// SPDX-License-Identifier: GPL-2.0-only
//! The results as a fragment of Markdown, for docs/performance.md.

use crate::baseline;
use crate::comparison::{Comparison, Details, Share, Workload};
use crate::format;
use crate::metric::Metric;
use crate::results::{Driver, Meta};

/// How many functions of each driver are listed.
pub const FUNCTIONS: usize = 10;
/// How many hypercalls are named in a cell.
const HYPERCALLS: usize = 3;

/// All tables. `pictures` is the folder, seen from the document, that has the plots, if there is one.
pub fn render(comparison: &Comparison, pictures: Option<&str>) -> String {
    let compared: Vec<_> = comparison.compared().collect();
    let ceilings: Vec<_> = comparison.ceilings().collect();
    let mut text = environment(&comparison.meta);
    text += &heading("xenpv beside mainline");
    text += "\nAll but the ratios is an operation's share: xenpv / mainline.\n";
    text += &ratios(&compared);
    for (what, metric) in [
        ("Throughput of mainline's or more", Metric::Rate),
        (
            "Driver instructions at most 0.8 of mainline's",
            Metric::DriverInstructions,
        ),
    ] {
        let tally = format::tally(comparison.compared(), metric);
        text += &format!("\n{what}: {tally}.\n");
    }
    if let Some(folder) = pictures {
        text += &format!("\n![Ratios to mainline]({folder}/ratios.svg)\n");
        text += &format!("\n![Driver instructions an operation]({folder}/instructions.svg)\n");
    }
    text += &heading("Throughput and latency");
    text += &rates(&compared);
    text += &heading("Work of an operation");
    text += &work(&compared);
    if !ceilings.is_empty() {
        text += &heading("Ceilings");
        text += &rates(&ceilings);
    }
    text += &heading("Driver instructions by function");
    for workload in &compared {
        text += &functions(workload);
    }
    text += &heading("Driver instructions by module");
    text += &modules(&compared);
    let counters = counters(&compared);
    if !counters.is_empty() {
        text += &heading("Our drivers' own counters");
        text += &counters;
    }
    text += &heading("Mainline, as recorded when this work began / now");
    text += &baseline(&baseline::compare(comparison));
    text
}

fn heading(text: &str) -> String {
    format!("\n### {text}\n")
}

/// Where it was measured.
fn environment(meta: &Meta) -> String {
    let quick = if meta.quick { "Quick run" } else { "Full run" };
    let known = |name: &str, text: &str| (!text.is_empty()).then(|| format!("{name} {text}"));
    let parts: Vec<_> = [
        Some(quick.to_owned()),
        known("guest kernel", &meta.kernel),
        (meta.vcpus > 0).then(|| format!("{} vCPU", meta.vcpus)),
        (meta.memory_mib > 0).then(|| format!("{} MiB", meta.memory_mib)),
        known("clocksource", &meta.clocksource),
        known("Xen", &meta.xen),
        known("dom0 kernel", &meta.dom0_kernel),
        known("QEMU", &meta.qemu),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut text = format!("{}.\n", parts.join(", "));
    if !meta.notes.is_empty() {
        text += "\n";
    }
    for note in &meta.notes {
        text += &format!("- {}\n", plain(note));
    }
    text
}

/// The table of ratios, a line for each workload.
fn ratios(workloads: &[&Workload]) -> String {
    let lines = workloads.iter().map(|workload| {
        let both = |metric| {
            let [ours, theirs] = [Driver::XenPv, Driver::Mainline]
                .map(|driver| format::mean(workload.summary(metric, driver)));
            format!("{ours} / {theirs}")
        };
        vec![
            code(&workload.name),
            ratio(workload, Metric::Rate),
            both(Metric::DriverInstructions),
            ratio(workload, Metric::DriverInstructions),
            both(Metric::GuestKernelInstructions),
            both(Metric::Microseconds),
            both(Metric::CpuMicroseconds),
            both(Metric::EventSends),
            both(Metric::Interrupts),
            both(Metric::Hypercalls),
        ]
    });
    table(
        &[
            "Workload",
            "Throughput, ratio",
            "Driver insn",
            "ratio",
            "Kernel insn",
            "µs",
            "CPU µs",
            "Sends",
            "IRQs",
            "Hypercalls",
        ],
        lines,
    )
}

/// A ratio with its error and what it says about the goal.
fn ratio(workload: &Workload, metric: Metric) -> String {
    let figure = workload
        .figure(metric)
        .filter(|figure| figure.ratio.is_some());
    let error = match format::error(figure).as_str() {
        format::UNKNOWN => String::new(),
        error => format!(" ±{error}"),
    };
    let verdict = match format::verdict(figure) {
        "" => String::new(),
        "MISS" => " **MISS**".to_owned(),
        verdict => format!(" {verdict}"),
    };
    format!("{}{error}{verdict}", format::ratio(figure))
}

/// Throughput and latency, a line for each workload and driver.
fn rates(workloads: &[&Workload]) -> String {
    let lines = by_driver(workloads).map(|(workload, driver)| {
        let mean = |metric| format::mean(workload.summary(metric, driver));
        vec![
            code(&workload.name),
            name(driver).to_owned(),
            mean(Metric::Rate),
            format::spread(workload.summary(Metric::Rate, driver)),
            mean(Metric::Megabytes),
            mean(Metric::LatencyMean),
            mean(Metric::LatencyP50),
            mean(Metric::LatencyP90),
            mean(Metric::LatencyP99),
            mean(Metric::LatencyP999),
        ]
    });
    table(
        &[
            "Workload", "Driver", "op/s", "spread", "MB/s", "mean µs", "p50", "p90", "p99", "p99.9",
        ],
        lines,
    )
}

/// What an operation takes, a line for each workload and driver.
fn work(workloads: &[&Workload]) -> String {
    let lines = by_driver(workloads).map(|(workload, driver)| {
        let mean = |metric| format::mean(workload.summary(metric, driver));
        let details = workload.details.get(&driver);
        vec![
            code(&workload.name),
            name(driver).to_owned(),
            mean(Metric::DriverInstructions),
            format::spread(workload.summary(Metric::DriverInstructions, driver)),
            mean(Metric::GuestKernelInstructions),
            mean(Metric::GuestUserInstructions),
            mean(Metric::XenInstructions),
            mean(Metric::Dom0Instructions),
            mean(Metric::VmRuns),
            mean(Metric::GrantOperations),
            details.map(hypercalls).unwrap_or_default(),
        ]
    });
    table(
        &[
            "Workload",
            "Driver",
            "Driver insn",
            "spread",
            "Kernel",
            "User",
            "Xen",
            "dom0",
            "VM entries",
            "Grant calls",
            "Hypercalls by name",
        ],
        lines,
    )
}

/// The most frequent hypercalls.
fn hypercalls(details: &Details) -> String {
    let names = details.hypercalls.iter().take(HYPERCALLS);
    names.map(named).collect::<Vec<_>>().join(", ")
}

/// The functions of both drivers in which a workload spends most, side by side.
fn functions(workload: &Workload) -> String {
    let [ours, theirs] = [Driver::XenPv, Driver::Mainline].map(|driver| {
        let details = workload.details.get(&driver);
        details.map_or(&[][..], |details| &details.functions)
    });
    let longest = ours.len().max(theirs.len()).min(FUNCTIONS);
    if longest == 0 {
        return String::new();
    }
    let cells = |function: Option<&Share>| match function {
        Some(function) => [
            format!("{} {}", code(&function.name), plain(&function.module)),
            format::number(function.mean),
        ],
        None => Default::default(),
    };
    let lines = (0..longest).map(|place| {
        let (ours, theirs) = (cells(ours.get(place)), cells(theirs.get(place)));
        ours.into_iter().chain(theirs).collect()
    });
    let table = table(&["xenpv", "insn", "mainline", "insn"], lines);
    format!(
        "\n<details><summary>{}</summary>\n{table}\n</details>\n",
        plain(&workload.name)
    )
}

/// How much of a driver's figure is its own and how much its services', a line for each workload and driver.
fn modules(workloads: &[&Workload]) -> String {
    let lines = by_driver(workloads).filter_map(|(workload, driver)| {
        let modules = &workload.details.get(&driver)?.modules;
        let modules: Vec<_> = modules.iter().map(named).collect();
        (!modules.is_empty()).then(|| {
            vec![
                code(&workload.name),
                name(driver).to_owned(),
                modules.join(", "),
            ]
        })
    });
    table(&["Workload", "Driver", "Modules"], lines)
}

/// Mainline as it was once measured, a line for each workload of the record.
fn baseline(lines: &[baseline::Line]) -> String {
    let lines = lines.iter().map(|line| {
        let both = |(recorded, now): &baseline::Pair| {
            let now = now.map_or_else(|| format::UNKNOWN.to_owned(), format::number);
            format!("{} / {now}", format::number(*recorded))
        };
        std::iter::once(code(&line.workload))
            .chain(line.pairs.iter().map(both))
            .collect()
    });
    table(
        &[
            "Workload",
            "Driver's own insn",
            "Kernel insn",
            "µs",
            "Sends",
            "IRQs",
        ],
        lines,
    )
}

/// What our drivers counted themselves, a line for each workload.
fn counters(workloads: &[&Workload]) -> String {
    let lines: Vec<_> = workloads
        .iter()
        .filter_map(|workload| {
            let counters = &workload.details.get(&Driver::XenPv)?.counters;
            let moved: Vec<_> = counters
                .iter()
                .filter(|counter| counter.mean != 0.0)
                .map(named)
                .collect();
            (!moved.is_empty()).then(|| vec![code(&workload.name), moved.join(", ")])
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    table(&["Workload", "Change an operation"], lines.into_iter())
}

/// Each workload with each driver that ran it.
fn by_driver<'a>(workloads: &'a [&'a Workload]) -> impl Iterator<Item = (&'a Workload, Driver)> {
    workloads
        .iter()
        .flat_map(|workload| workload.details.keys().map(|driver| (*workload, *driver)))
}

/// A driver's name for people.
fn name(driver: Driver) -> &'static str {
    match driver {
        Driver::XenPv => "xenpv",
        Driver::Mainline => "mainline",
        Driver::None => "none",
    }
}

/// A share with its name.
fn named(share: &Share) -> String {
    format!("{} {}", code(&share.name), format::number(share.mean))
}

/// A table: names to the left, figures to the right.
fn table(headings: &[&str], lines: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("\n| {} |\n|", headings.join(" | "));
    for heading in headings {
        let names = [
            "Workload",
            "Driver",
            "xenpv",
            "mainline",
            "Hypercalls by name",
            "Modules",
            "Change an operation",
        ];
        text += if names.contains(heading) {
            "---|"
        } else {
            "---:|"
        };
    }
    text += "\n";
    for line in lines {
        text += &format!("| {} |\n", line.join(" | "));
    }
    text
}

/// A text in which nothing has a meaning to Markdown or to HTML.
fn plain(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '\n' | '\r' => safe.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => safe.extend(['\\', character]),
            other => safe.push(other),
        }
    }
    safe
}

/// A name as code.
fn code(name: &str) -> String {
    format!(
        "`{}`",
        name.replace('`', "'")
            .replace('|', "\\|")
            .replace(['\n', '\r'], " ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::compare;
    use crate::sample::results;

    #[test]
    fn a_small_fragment() {
        let text = render(&compare(&results()), Some("performance"));
        assert_eq!(text, include_str!("../tests/fragment.md"), "\n{text}");
    }

    #[test]
    fn every_line_of_a_table_has_as_many_cells_as_its_headings() {
        let mut results = results();
        results.meta.notes = vec!["a | b\nc <d>".to_owned()];
        results.runs[2].workload = "block-a|b".to_owned();
        results.runs[2].functions[0].name = "<T as A|B>`".to_owned();
        let text = render(&compare(&results), None);
        assert!(text.contains("a \\| b c &lt;d&gt;"));
        assert!(text.contains("`block-a\\|b`"));
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let lines: Vec<_> = text.lines().collect();
        for pair in lines
            .windows(2)
            .filter(|pair| pair.iter().all(|line| line.starts_with('|')))
        {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn an_empty_run_has_tables_without_lines() {
        let text = render(&Comparison::default(), None);
        assert!(text.starts_with("Full run.\n"));
        assert!(text.contains("0 met"));
    }
}

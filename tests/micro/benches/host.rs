// SPDX-License-Identifier: GPL-2.0-only
//! `make bench-host`: every case by Criterion, then one table, and with BENCH_HOST_JSON the same as a file of that name.
use std::hint::black_box;
use std::time::Duration;

use bench_report::host;
use criterion::{BenchmarkId, Criterion};
use micro::{cases, instructions, Case, Side};
use nix::time::{clock_gettime, ClockId};

/// What this thread has had of the processor: others on the machine do not count.
fn processor_time() -> Duration {
    let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
    Duration::from(clock_gettime(clock).expect("every Linux has this clock"))
}

/// Lets Criterion time `side`. Returns the nanoseconds of a round in the fastest sample: what else
/// happens on the machine only ever makes a sample slower.
fn time(criterion: &mut Criterion, name: &str, label: &str, side: &mut Side) -> f64 {
    let mut fastest = f64::INFINITY;
    criterion
        .benchmark_group(name)
        .bench_function(BenchmarkId::from_parameter(label), |bencher| {
            bencher.iter_custom(|rounds| {
                let start = processor_time();
                black_box(side(black_box(rounds)));
                let took = processor_time().saturating_sub(start);
                fastest = fastest.min(took.as_nanos() as f64 / rounds as f64);
                took
            });
        });
    fastest
}

/// What one item of a case costs.
fn measure(criterion: &mut Criterion, case: &mut Case) -> host::Line {
    let items = f64::from(case.items);
    let mut cost = |label: &str, side: &mut Side| host::Cost {
        nanoseconds: time(criterion, case.name, label, side) / items,
        instructions: instructions::per_round(side)
            .ok()
            .map(|count| count / items),
    };
    host::Line {
        name: case.name.to_owned(),
        rust: cost("Rust", &mut case.rust),
        c: cost("C", &mut case.c),
    }
}

const HEADING: &str = "\
Each line: for one request, reference, event, message or name. Ratio: Rust over C, less is better.
Rust as it ships: opt-level 2, crate by crate, overflow checks on. C: -O2, general registers only, Linux's barriers.
Time: nanoseconds of processor time, of the fastest sample. Instructions (ins): counted one by one.
";

fn print_table(measured: &host::Host) {
    println!("\n{HEADING}");
    println!(
        "{:34} {:>9} {:>9} {:>6}   {:>9} {:>9} {:>6}",
        "", "Rust ns", "C ns", "ratio", "Rust ins", "C ins", "ratio"
    );
    for host::Line { name, rust, c } in &measured.lines {
        let ratio = rust.nanoseconds / c.nanoseconds;
        print!(
            "{name:34} {:9.2} {:9.2} {ratio:6.2}",
            rust.nanoseconds, c.nanoseconds
        );
        match (rust.instructions, c.instructions) {
            (Some(rust), Some(c)) => println!("   {rust:9.1} {c:9.1} {:6.2}", rust / c),
            _ => println!("   (this system lets nobody step through a child)"),
        }
    }
}

/// The figures are those of the kernel's build only without what `ring` adds for tests.
fn assert_as_shipped() {
    let pointer_alone = size_of::<ring::SharedU32>() == size_of::<usize>();
    assert!(pointer_alone, "ring was built with its feature `host`");
}

fn main() {
    assert_as_shipped();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .nresamples(2000)
        .configure_from_args();
    let lines = cases()
        .iter_mut()
        .map(|case| measure(&mut criterion, case))
        // Criterion leaves out those that the arguments do not ask for.
        .filter(|line| line.rust.nanoseconds.is_finite() && line.c.nanoseconds.is_finite())
        .collect();
    let measured = host::Host { lines };
    print_table(&measured);
    if let Some(path) = std::env::var_os("BENCH_HOST_JSON") {
        let json = serde_json::to_string_pretty(&measured).expect("finite figures");
        std::fs::write(path, json + "\n").expect("a place that can be written");
    }
}

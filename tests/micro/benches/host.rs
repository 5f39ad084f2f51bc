// SPDX-License-Identifier: GPL-2.0-only
//! `make bench-host`: every case by Criterion, then one table.
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use micro::{cases, instructions, Case, Side};
use nix::time::{clock_gettime, ClockId};

/// What was found out about one side of a case, for one item.
#[derive(Clone, Copy)]
struct Figures {
    nanoseconds: f64,
    instructions: Option<f64>,
}

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

fn measure(criterion: &mut Criterion, case: &mut Case) -> [Figures; 2] {
    let items = f64::from(case.items);
    let mut figures = |label: &str, side: &mut Side| Figures {
        nanoseconds: time(criterion, case.name, label, side) / items,
        instructions: instructions::per_round(side)
            .ok()
            .map(|count| count / items),
    };
    [figures("Rust", &mut case.rust), figures("C", &mut case.c)]
}

const HEADING: &str = "\
Each line: for one request, reference, event, message or name. Ratio: Rust over C, less is better.
Rust as it ships: opt-level 2, crate by crate, overflow checks on. C: -O2, general registers only, Linux's barriers.
Time: nanoseconds of processor time, of the fastest sample. Instructions (ins): counted one by one.
";

fn print_table(lines: &[(&str, [Figures; 2])]) {
    println!("\n{HEADING}");
    println!(
        "{:34} {:>9} {:>9} {:>6}   {:>9} {:>9} {:>6}",
        "", "Rust ns", "C ns", "ratio", "Rust ins", "C ins", "ratio"
    );
    // Criterion leaves out those that the arguments do not ask for.
    let timed =
        |line: &&(&str, [Figures; 2])| line.1.iter().all(|side| side.nanoseconds.is_finite());
    for (name, [rust, c]) in lines.iter().filter(timed) {
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
    let lines: Vec<_> = cases()
        .iter_mut()
        .map(|case| (case.name, measure(&mut criterion, case)))
        .collect();
    print_table(&lines);
}

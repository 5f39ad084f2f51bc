// SPDX-License-Identifier: GPL-2.0-only
//! From what was counted to what is reported.

use std::collections::BTreeMap;

use bench_report::results::{self, Group, Metrics};

use super::load::Done;
use super::plugin::Window;
use super::services::{is_driver, is_interrupt};
use super::symbols::Symbols;
use super::workload::Workload;
use crate::guest::Driver;

/// The machine's time stamp counter and its instructions under `-icount shift=1`.
const CYCLES_PER_SECOND: f64 = 1e9;
const INSTRUCTIONS_PER_SECOND: f64 = 5e8;

/// Xen's numbers of the hypercalls that a guest of this kind makes.
const HYPERCALLS: &[(u64, &str)] = &[
    (12, "memory_op"),
    (17, "xen_version"),
    (18, "console_io"),
    (20, "grant_table_op"),
    (24, "vcpu_op"),
    (29, "sched_op"),
    (32, "event_channel_op"),
    (33, "physdev_op"),
    (34, "hvm_op"),
];
const EVENT_CHANNEL_OP: u64 = 32;
const EVTCHNOP_SEND: u64 = 4;

/// One repetition as it is reported.
pub fn run(
    workload: &Workload,
    driver: Driver,
    repetition: u32,
    done: &Done,
    window: &Window,
    symbols: &Symbols,
) -> results::Run {
    let ceiling = workload.group == Group::Ceiling;
    let mut functions = Vec::new();
    for (function, executed) in symbols.attribute(window) {
        if is_driver(driver, workload.group, &function) {
            functions.push(results::Function {
                name: function.name,
                module: function.module,
                instructions: executed.instructions,
            });
        }
    }
    let in_driver = functions.iter().map(|function| function.instructions).sum();
    let (kernel, user) = (window.guest_kernel(), window.executed("guest-user"));
    results::Run {
        workload: workload.name.to_owned(),
        group: workload.group,
        driver: match (ceiling, driver) {
            (true, _) => results::Driver::None,
            (_, Driver::Xenpv) => results::Driver::XenPv,
            (_, Driver::Mainline) => results::Driver::Mainline,
        },
        repetition,
        metrics: Metrics {
            ops: done.ops,
            bytes: done.bytes,
            seconds: window.cycles as f64 / CYCLES_PER_SECOND,
            latency_us: done.latency,
            cpu_seconds: Some((kernel + user) as f64 / INSTRUCTIONS_PER_SECOND),
            driver_instructions: (!ceiling).then_some(in_driver),
            guest_kernel_instructions: Some(kernel),
            guest_user_instructions: Some(user),
            xen_instructions: Some(window.executed("xen")),
            dom0_instructions: Some(window.executed("dom0-user") + window.executed("dom0-kernel")),
            vmruns: Some(window.vmruns),
            hypercalls: Some(hypercalls(window)),
            event_sends: Some(event_sends(window)),
            interrupts: Some(interrupts(driver, window, symbols)),
            counters: BTreeMap::new(),
        },
        functions,
    }
}

fn hypercalls(window: &Window) -> BTreeMap<String, u64> {
    let of_guest = window
        .calls
        .iter()
        .filter(|((domain, _), _)| domain == "guest");
    of_guest
        .map(|((_, number), count)| {
            let known = HYPERCALLS.iter().find(|(known, _)| known == number);
            let name = known.map_or_else(
                || format!("hypercall {number}"),
                |(_, name)| (*name).to_owned(),
            );
            (name, *count)
        })
        .collect()
}

/// Events that the guest has sent.
pub fn event_sends(window: &Window) -> u64 {
    let key = ("guest".to_owned(), EVENT_CHANNEL_OP, EVTCHNOP_SEND);
    window.commands.get(&key).copied().unwrap_or_default()
}

/// Interrupts that the guest's devices have had.
pub fn interrupts(driver: Driver, window: &Window, symbols: &Symbols) -> u64 {
    let functions = symbols.attribute(window).into_iter();
    functions
        .filter(|(function, _)| is_interrupt(driver, function))
        .map(|(_, executed)| executed.entries)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workload;

    const KALLSYMS: &str = "ffffffff81000000 T handle_edge_irq\nffffffff81000010 T gnttab_x\n\
        ffffffff81000020 T memcpy\nffffffffc0400000 t blkif_queue_rq [xen_blkfront]\n";
    const WINDOW: &str =
        "window 1 2000\nexecuted guest-user 50\nexecuted guest-kernel 1\nexecuted xen 300\n\
        executed dom0-user 10\nexecuted dom0-kernel 20\nvmrun 3\ncall guest 32 4\ncall guest 99 1\n\
        call dom0 32 9\ncommand guest 32 4 2\ncommand dom0 32 4 7\ncell ffffffff81000000 30 2\n\
        cell ffffffff81000010 12 1\ncell ffffffff81000020 500 1\ncell ffffffffc0400000 40 1\nend\n";

    fn reported(name: &str) -> results::Run {
        let workload = workload::ALL.iter().find(|workload| workload.name == name);
        let done = Done {
            ops: 2,
            bytes: 8192,
            latency: None,
        };
        let window = Window::last(WINDOW, 1).unwrap().unwrap();
        let symbols = Symbols::parse(KALLSYMS).unwrap();
        run(
            workload.unwrap(),
            Driver::Mainline,
            1,
            &done,
            &window,
            &symbols,
        )
    }

    #[test]
    fn everything_counted_is_reported() {
        let run = reported("block-randread-4k-qd1");
        assert_eq!(run.driver, results::Driver::Mainline);
        let metrics = run.metrics;
        assert_eq!((metrics.ops, metrics.seconds), (2, 2e-6));
        assert_eq!(metrics.driver_instructions, Some(12 + 40));
        assert_eq!(
            metrics.guest_kernel_instructions,
            Some(1 + 30 + 12 + 500 + 40)
        );
        assert_eq!(metrics.dom0_instructions, Some(30));
        assert_eq!(
            (metrics.event_sends, metrics.interrupts),
            (Some(2), Some(2))
        );
        let calls = metrics.hypercalls.unwrap();
        assert_eq!((calls["event_channel_op"], calls["hypercall 99"]), (4, 1));
        assert_eq!(run.functions.len(), 2);
    }

    #[test]
    fn a_ceiling_has_no_driver() {
        let run = reported("ceiling-null-4k-qd1");
        assert_eq!(run.driver, results::Driver::None);
        assert_eq!(run.metrics.driver_instructions, None);
        assert!(run.functions.is_empty());
    }
}

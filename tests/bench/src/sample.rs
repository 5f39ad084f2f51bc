// SPDX-License-Identifier: GPL-2.0-only
//! Small results, made up, for the tests.

use std::collections::BTreeMap;

use crate::results::{Driver, Function, Group, Latency, Meta, Metrics, Results, Run};

/// A repetition with an operation's share of driver instructions and microseconds.
pub(crate) fn run(
    workload: &str,
    group: Group,
    driver: Driver,
    repetition: u32,
    (instructions, microseconds): (u64, f64),
) -> Run {
    const OPS: u64 = 1000;
    Run {
        workload: workload.to_owned(),
        group,
        driver,
        repetition,
        metrics: Metrics {
            ops: OPS,
            bytes: OPS * 4096,
            seconds: microseconds * OPS as f64 / 1e6,
            latency_us: Some(Latency {
                mean: Some(microseconds),
                p99: Some(microseconds * 2.0),
                ..Latency::default()
            }),
            cpu_seconds: Some(0.05),
            driver_instructions: Some(instructions * OPS),
            guest_kernel_instructions: Some(16_918 * OPS),
            hypercalls: Some(BTreeMap::from([
                ("event_channel_op".to_owned(), OPS),
                ("sched_op".to_owned(), OPS / 2),
            ])),
            event_sends: Some(OPS),
            interrupts: Some(OPS / 8),
            ..Metrics::default()
        },
        functions: vec![Function {
            name: "queue_rq".to_owned(),
            module: "xen-blkfront".to_owned(),
            instructions: instructions * OPS / 2,
        }],
    }
}

/// A run with a bit of everything: goals met, missed and undecided, a missing driver, a ceiling.
pub(crate) fn results() -> Results {
    use Driver::{Mainline, XenPv};
    use Group::{Block, Ceiling, Net};
    let mut ceiling = run("ceiling-null-4k-qd1", Ceiling, Driver::None, 0, (0, 12.5));
    ceiling.metrics.hypercalls = Some(BTreeMap::new());
    ceiling.metrics.driver_instructions = None;
    ceiling.functions.clear();
    let mut submit = run("block-randread-4k-qd1", Block, XenPv, 0, (500, 180.0));
    submit.metrics.counters.insert("requests".to_owned(), 1000);
    Results {
        meta: Meta {
            kernel: "7.3.4+deb13-amd64".to_owned(),
            xen: "4.20".to_owned(),
            vcpus: 1,
            memory_mib: 512,
            clocksource: "hpet".to_owned(),
            quick: true,
            notes: vec!["made up".to_owned()],
            ..Meta::default()
        },
        runs: vec![
            ceiling,
            run("net-udp-tx-64", Net, Mainline, 0, (400, 24.0)),
            submit,
            run("block-randread-4k-qd1", Block, Mainline, 0, (700, 190.0)),
            run("block-randread-4k-qd1", Block, XenPv, 1, (502, 181.0)),
            run("block-randread-4k-qd1", Block, Mainline, 1, (700, 191.0)),
            run("block-seqread-1m", Block, XenPv, 0, (9000, 400.0)),
            run("block-seqread-1m", Block, Mainline, 0, (9000, 500.0)),
            run("block-seqread-1m", Block, XenPv, 1, (9000, 500.0)),
            run("block-seqread-1m", Block, Mainline, 1, (9000, 400.0)),
        ],
    }
}

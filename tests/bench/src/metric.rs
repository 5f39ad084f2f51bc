// SPDX-License-Identifier: GPL-2.0-only
//! What is compared, and how it follows from the totals of a repetition.

use serde::{Deserialize, Serialize};

use crate::results::Metrics;
use crate::statistics::Goal;

/// What is compared. All but the rates are an operation's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Operations in a second of virtual time.
    Rate,
    /// Payload, 10^6 bytes in a second of virtual time.
    Megabytes,
    /// Microseconds of virtual time from one operation to the next.
    Microseconds,
    /// The mean latency, microseconds.
    LatencyMean,
    /// The median latency, microseconds.
    LatencyP50,
    /// The 90th percentile of the latency, microseconds.
    LatencyP90,
    /// The 99th percentile of the latency, microseconds.
    LatencyP99,
    /// The 99.9th percentile of the latency, microseconds.
    LatencyP999,
    /// Microseconds of the guest's processors.
    CpuMicroseconds,
    /// Instructions of the driver and the services that it uses.
    DriverInstructions,
    /// Instructions of the guest's kernel.
    GuestKernelInstructions,
    /// Instructions of the guest's user space.
    GuestUserInstructions,
    /// Instructions of the hypervisor.
    XenInstructions,
    /// Instructions of dom0.
    Dom0Instructions,
    /// Entries into the guest.
    VmRuns,
    /// Hypercalls of all kinds.
    Hypercalls,
    /// Hypercalls about grants.
    GrantOperations,
    /// Events sent.
    EventSends,
    /// Interrupts.
    Interrupts,
}

impl Metric {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Metric; 19] = [
        Metric::Rate,
        Metric::Megabytes,
        Metric::Microseconds,
        Metric::LatencyMean,
        Metric::LatencyP50,
        Metric::LatencyP90,
        Metric::LatencyP99,
        Metric::LatencyP999,
        Metric::CpuMicroseconds,
        Metric::DriverInstructions,
        Metric::GuestKernelInstructions,
        Metric::GuestUserInstructions,
        Metric::XenInstructions,
        Metric::Dom0Instructions,
        Metric::VmRuns,
        Metric::Hypercalls,
        Metric::GrantOperations,
        Metric::EventSends,
        Metric::Interrupts,
    ];

    /// What our ratio to mainline is to be, if anything was promised.
    pub fn goal(self) -> Option<Goal> {
        match self {
            Metric::Rate => Some(Goal::AtLeast(1.0)),
            Metric::DriverInstructions => Some(Goal::AtMost(0.8)),
            _ => None,
        }
    }

    /// The figure of one repetition; `None` if it was not measured or cannot be told.
    pub fn of(self, metrics: &Metrics) -> Option<f64> {
        let share = |total: Option<u64>| Some(total? as f64 / metrics.ops as f64);
        let latency = metrics.latency_us.unwrap_or_default();
        let hypercalls = metrics.hypercalls.as_ref();
        let figure = match self {
            Metric::Rate => Some(metrics.ops as f64 / metrics.seconds),
            Metric::Megabytes => {
                (metrics.bytes > 0).then(|| metrics.bytes as f64 / metrics.seconds / 1e6)
            }
            Metric::Microseconds => Some(metrics.seconds * 1e6 / metrics.ops as f64),
            Metric::LatencyMean => latency.mean,
            Metric::LatencyP50 => latency.p50,
            Metric::LatencyP90 => latency.p90,
            Metric::LatencyP99 => latency.p99,
            Metric::LatencyP999 => latency.p999,
            Metric::CpuMicroseconds => metrics
                .cpu_seconds
                .map(|seconds| seconds * 1e6 / metrics.ops as f64),
            Metric::DriverInstructions => share(metrics.driver_instructions),
            Metric::GuestKernelInstructions => share(metrics.guest_kernel_instructions),
            Metric::GuestUserInstructions => share(metrics.guest_user_instructions),
            Metric::XenInstructions => share(metrics.xen_instructions),
            Metric::Dom0Instructions => share(metrics.dom0_instructions),
            Metric::VmRuns => share(metrics.vmruns),
            Metric::Hypercalls => hypercalls
                .map(|calls| calls.values().map(|count| *count as f64).sum::<f64>())
                .map(|total| total / metrics.ops as f64),
            Metric::GrantOperations => {
                share(hypercalls.map(|calls| calls.get("grant_table_op").copied().unwrap_or(0)))
            }
            Metric::EventSends => share(metrics.event_sends),
            Metric::Interrupts => share(metrics.interrupts),
        };
        figure.filter(|figure| figure.is_finite())
    }
}

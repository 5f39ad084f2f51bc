// SPDX-License-Identifier: GPL-2.0-only
//! What a run measured, as the bed writes it: raw totals of each repetition, nothing derived.
//!
//! Fields that this version does not know are ignored, and what was not measured is absent, so that results of
//! another day can still be read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that one run of the benchmarks measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where it was measured.
    #[serde(default)]
    pub meta: Meta,
    /// Each repetition of each workload with each driver, in the order in which they ran.
    pub runs: Vec<Run>,
}

/// Where and how the results were measured. A text that is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// The guest's kernel.
    pub kernel: String,
    /// The hypervisor.
    pub xen: String,
    /// The emulator.
    pub qemu: String,
    /// dom0's kernel.
    pub dom0_kernel: String,
    /// The guest's virtual processors.
    pub vcpus: u32,
    /// The guest's memory.
    pub memory_mib: u64,
    /// The guest's clocksource, with either driver.
    pub clocksource: String,
    /// Whether this was the short run.
    pub quick: bool,
    /// What a reader of the figures has to know besides.
    pub notes: Vec<String>,
}

/// What a workload exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// A disk.
    Block,
    /// A network interface.
    Net,
    /// The same guest without Xen's devices: what no driver can exceed.
    Ceiling,
}

/// Who drove the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Our modules.
    XenPv,
    /// The stock kernel's xen-blkfront or xen-netfront.
    Mainline,
    /// Neither: a ceiling.
    None,
}

/// One repetition of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The workload's name, which begins with its group's.
    pub workload: String,
    /// What it exercises.
    pub group: Group,
    /// Who drove the device.
    pub driver: Driver,
    /// Which repetition it was. Those of the two drivers with the same number ran one after the other.
    pub repetition: u32,
    /// What was measured.
    pub metrics: Metrics,
    /// Where the driver's instructions were executed.
    #[serde(default)]
    pub functions: Vec<Function>,
}

/// The totals of a repetition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Operations: block requests, UDP packets, request/response transactions, or 1448 bytes of a TCP stream.
    pub ops: u64,
    /// Bytes of payload; 0 if they were not counted.
    #[serde(default)]
    pub bytes: u64,
    /// Virtual time.
    pub seconds: f64,
    /// How long an operation took, as the load generator saw it.
    #[serde(default)]
    pub latency_us: Option<Latency>,
    /// Time that the guest's processors were busy, virtual.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Instructions in the driver and in the services that it uses.
    #[serde(default)]
    pub driver_instructions: Option<u64>,
    /// Instructions in the guest's kernel, modules included.
    #[serde(default)]
    pub guest_kernel_instructions: Option<u64>,
    /// Instructions in the guest's user space.
    #[serde(default)]
    pub guest_user_instructions: Option<u64>,
    /// Instructions in the hypervisor.
    #[serde(default)]
    pub xen_instructions: Option<u64>,
    /// Instructions in dom0.
    #[serde(default)]
    pub dom0_instructions: Option<u64>,
    /// How often the hypervisor entered the guest.
    #[serde(default)]
    pub vmruns: Option<u64>,
    /// The guest's hypercalls by name. Empty means that there was none.
    #[serde(default)]
    pub hypercalls: Option<BTreeMap<String, u64>>,
    /// Events that the guest sent.
    #[serde(default)]
    pub event_sends: Option<u64>,
    /// Interrupts of the device in the guest.
    #[serde(default)]
    pub interrupts: Option<u64>,
    /// By how much each of the driver's own counters changed.
    #[serde(default)]
    pub counters: BTreeMap<String, i64>,
}

/// How long an operation took, in microseconds of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// On average.
    pub mean: Option<f64>,
    /// Half of the operations took no longer.
    pub p50: Option<f64>,
    /// 90 percent took no longer.
    pub p90: Option<f64>,
    /// 99 percent took no longer.
    pub p99: Option<f64>,
    /// 99.9 percent took no longer.
    pub p999: Option<f64>,
}

/// Instructions executed in one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// The function.
    pub name: String,
    /// The module that has it, or `vmlinux`.
    #[serde(default)]
    pub module: String,
    /// The total of the repetition.
    pub instructions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document as the bed writes it.
    const COMPLETE: &str = r#"{
        "meta": {"kernel": "7.3.4", "xen": "4.20", "qemu": "10.0", "dom0_kernel": "7.3.4", "vcpus": 1,
                 "memory_mib": 512, "clocksource": "hpet", "quick": true, "notes": ["eager FPU"]},
        "runs": [{"workload": "block-randread-4k-qd1", "group": "block", "driver": "xenpv", "repetition": 0,
            "metrics": {"ops": 1000, "bytes": 4096000, "seconds": 0.2,
                "latency_us": {"mean": 190.0, "p50": 180.0, "p90": 200.0, "p99": 300.0, "p999": 400.5},
                "cpu_seconds": 0.05, "driver_instructions": 500000, "guest_kernel_instructions": 16000000,
                "guest_user_instructions": 1, "xen_instructions": 2, "dom0_instructions": 3, "vmruns": 4,
                "hypercalls": {"event_channel_op": 1000}, "event_sends": 1000, "interrupts": 999,
                "counters": {"requests": 1000, "grants in use": -3}},
            "functions": [{"name": "submit", "module": "xen-vbd", "instructions": 280000}]}]
    }"#;

    #[test]
    fn a_complete_document_is_read_and_written_back() {
        let results: Results = serde_json::from_str(COMPLETE).unwrap();
        let run = &results.runs[0];
        assert_eq!(run.driver, Driver::XenPv);
        assert_eq!(run.metrics.driver_instructions, Some(500_000));
        assert_eq!(run.metrics.latency_us.unwrap().p999, Some(400.5));
        assert_eq!(run.metrics.counters["grants in use"], -3);
        let value: serde_json::Value = serde_json::from_str(COMPLETE).unwrap();
        assert_eq!(serde_json::to_value(&results).unwrap(), value);
    }

    #[test]
    fn what_was_not_measured_is_absent_and_what_is_not_known_is_ignored() {
        let text = r#"{"runs": [{"workload": "ceiling-null-4k", "group": "ceiling", "driver": "none",
            "repetition": 3, "weather": "rain", "metrics": {"ops": 5, "seconds": 1, "latency_us": null}}]}"#;
        let results: Results = serde_json::from_str(text).unwrap();
        assert_eq!(results.meta, Meta::default());
        let metrics = &results.runs[0].metrics;
        assert_eq!(
            *metrics,
            Metrics {
                ops: 5,
                seconds: 1.0,
                ..Metrics::default()
            }
        );
    }

    #[test]
    fn a_driver_that_nobody_knows_is_refused() {
        let text = COMPLETE.replace("\"xenpv\"", "\"windows\"");
        let error = serde_json::from_str::<Results>(&text).unwrap_err();
        assert!(error.to_string().contains("windows"), "{error}");
    }
}

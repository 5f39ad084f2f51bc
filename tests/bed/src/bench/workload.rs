// SPDX-License-Identifier: GPL-2.0-only
//! What is run, and with which load generator.

use bench_report::results::Group;

use super::load::Netperf::{self, Receive, RequestResponse, Send};
use super::load::{Fio, Iperf, Load};

/// Disk that forgets what is written to it and completes at once.
pub const FAST: &str = "xvdf";
/// Disk with a volatile cache, in memory.
const CACHED: &str = "xvdg";
/// The guest's own disk for the ceilings.
const NULL: &str = "nullb0";

/// dom0, behind the bridge.
const DOM0: &str = "10.0.0.1";
/// The guest itself.
const LOOPBACK: &str = "127.0.0.1";
/// A network of its own in the guest, at the other end of a veth pair.
const VETH: &str = "10.1.0.2";

/// One line of the comparison.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name, which begins with its group's.
    pub name: &'static str,
    /// What it exercises.
    pub group: Group,
    /// How.
    pub load: Load,
}

const fn fio(
    name: &'static str,
    rw: &'static str,
    kib: u64,
    depth: u32,
    requests: u64,
) -> Workload {
    Workload {
        name,
        group: Group::Block,
        load: Load::Fio(Fio {
            disk: FAST,
            rw,
            kib,
            depth,
            requests,
            flush: false,
        }),
    }
}

const fn netperf(name: &'static str, test: Netperf) -> Workload {
    Workload {
        name,
        group: Group::Net,
        load: Load::Netperf(test, DOM0),
    }
}

const fn iperf(name: &'static str, load: Iperf) -> Workload {
    Workload {
        name,
        group: Group::Net,
        load: Load::Iperf(load, DOM0),
    }
}

const fn ceiling(name: &'static str, load: Load) -> Workload {
    Workload {
        name,
        group: Group::Ceiling,
        load,
    }
}

const fn null_read(depth: u32, requests: u64) -> Load {
    Load::Fio(Fio {
        disk: NULL,
        rw: "randread",
        kib: 4,
        depth,
        requests,
        flush: false,
    })
}

/// All of them. The amounts are such that each takes at least a thousand operations, and some hundred million
/// instructions of the whole machine.
pub const ALL: &[Workload] = &[
    fio("block-randread-4k-qd1", "randread", 4, 1, 2000),
    fio("block-randwrite-4k-qd1", "randwrite", 4, 1, 2000),
    fio("block-randread-4k-qd32", "randread", 4, 32, 12000),
    fio("block-randwrite-4k-qd32", "randwrite", 4, 32, 12000),
    fio("block-seqread-128k-qd4", "read", 128, 4, 1000),
    fio("block-seqwrite-128k-qd4", "write", 128, 4, 1000),
    fio("block-seqread-1m-qd4", "read", 1024, 4, 200),
    fio("block-seqwrite-1m-qd4", "write", 1024, 4, 200),
    Workload {
        name: "block-write-4k-fsync",
        group: Group::Block,
        load: Load::Fio(Fio {
            disk: CACHED,
            rw: "write",
            kib: 4,
            depth: 1,
            requests: 1000,
            flush: true,
        }),
    },
    netperf("net-tcp-rr", RequestResponse { transactions: 2000 }),
    netperf("net-tcp-tx", Send { mib: 48 }),
    netperf("net-tcp-rx", Receive { mib: 48 }),
    iperf("net-tcp-tx-4-streams", Iperf::TcpSend { streams: 4 }),
    iperf("net-tcp-rx-4-streams", Iperf::TcpReceive { streams: 4 }),
    iperf("net-udp-tx", Iperf::UdpSend),
    iperf("net-udp-rx", Iperf::UdpReceive),
    ceiling("ceiling-null-4k-qd1", null_read(1, 10000)),
    ceiling("ceiling-null-4k-qd32", null_read(32, 20000)),
    ceiling(
        "ceiling-loopback-tcp",
        Load::Netperf(Send { mib: 128 }, LOOPBACK),
    ),
    ceiling(
        "ceiling-loopback-rr",
        Load::Netperf(RequestResponse { transactions: 4000 }, LOOPBACK),
    ),
    ceiling("ceiling-veth-tcp", Load::Netperf(Send { mib: 128 }, VETH)),
    ceiling(
        "ceiling-veth-rr",
        Load::Netperf(RequestResponse { transactions: 4000 }, VETH),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_begin_with_their_groups() {
        let names: BTreeSet<_> = ALL.iter().map(|workload| workload.name).collect();
        assert_eq!(names.len(), ALL.len());
        for workload in ALL {
            let group = match workload.group {
                Group::Block => "block-",
                Group::Net => "net-",
                Group::Ceiling => "ceiling-",
            };
            assert!(workload.name.starts_with(group), "{}", workload.name);
        }
    }

    #[test]
    fn what_was_recorded_of_mainline_is_of_these_workloads() {
        for recorded in bench_report::baseline::recorded() {
            let mut compared = ALL
                .iter()
                .filter(|workload| workload.group != Group::Ceiling);
            assert!(
                compared.any(|workload| workload.name == recorded.workload),
                "baseline.csv names {}, which no workload is called",
                recorded.workload
            );
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The load generators: their command lines, and what they say at their end.

use anyhow::{ensure, Context, Result};
use bench_report::results::Latency;
use serde_json::Value;

/// Payload of a full TCP packet on Ethernet, which is what a stream's operations are counted in.
const TCP_PAYLOAD: u64 = 1448;
/// Payload of a small packet.
const UDP_PAYLOAD: u64 = 64;

/// How much less a first time is that does not count.
const WARM_UP: u64 = 4;

/// One load.
#[derive(Clone, Debug)]
pub enum Load {
    /// A disk's.
    Fio(Fio),
    /// One connection's, with a host.
    Netperf(Netperf, &'static str),
    /// Several connections', or packets, with a host.
    Iperf(Iperf, &'static str),
}

/// Requests to a disk.
#[derive(Clone, Debug)]
pub struct Fio {
    /// The disk.
    pub disk: &'static str,
    /// fio's name of the pattern.
    pub rw: &'static str,
    /// The size of a request.
    pub kib: u64,
    /// How many are under way at a time.
    pub depth: u32,
    /// How many there are.
    pub requests: u64,
    /// Whether each is followed by a flush, for which the next one waits. The two are one operation.
    pub flush: bool,
}

/// One TCP connection, a known amount.
#[derive(Clone, Debug)]
pub enum Netperf {
    /// A byte there, a byte back.
    RequestResponse {
        /// How often.
        transactions: u64,
    },
    /// A stream.
    Send {
        /// How much.
        mib: u64,
    },
    /// A stream from the other side.
    Receive {
        /// How much.
        mib: u64,
    },
}

/// What iperf3 sends in one second of the machine's time.
#[derive(Clone, Debug)]
pub enum Iperf {
    /// Streams.
    TcpSend {
        /// How many.
        streams: u32,
    },
    /// Streams from the other side.
    TcpReceive {
        /// How many.
        streams: u32,
    },
    /// Packets of 64 bytes.
    UdpSend,
    /// Packets of 64 bytes from the other side, those that arrive.
    UdpReceive,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Operations.
    pub ops: u64,
    /// Payload.
    pub bytes: u64,
    /// How long an operation took.
    pub latency: Option<Latency>,
}

impl Load {
    /// A smaller load of the same kind, if its amount can be chosen.
    pub fn warm_up(&self) -> Option<Load> {
        Some(match self {
            Load::Fio(fio) => Load::Fio(Fio {
                requests: fio.requests / WARM_UP,
                ..fio.clone()
            }),
            Load::Netperf(netperf, host) => Load::Netperf(netperf.divided(WARM_UP), host),
            Load::Iperf(..) => return None,
        })
    }

    /// The command for the guest's shell.
    pub fn command(&self) -> String {
        match self {
            Load::Fio(fio) => fio.command(),
            Load::Netperf(netperf, host) => netperf.command(host),
            Load::Iperf(iperf, host) => iperf.command(host),
        }
    }

    /// Reads what the command has said.
    pub fn read(&self, output: &str) -> Result<Done> {
        let done = match self {
            Load::Fio(fio) => fio.read(output),
            Load::Netperf(netperf, _) => netperf.read(output),
            Load::Iperf(iperf, _) => iperf.read(output),
        };
        let done = done.with_context(|| format!("the load generator said:\n{output}"))?;
        ensure!(done.ops > 0, "nothing was done:\n{output}");
        Ok(done)
    }
}

impl Fio {
    fn command(&self) -> String {
        let engine = if self.depth > 1 { "libaio" } else { "psync" };
        let flush = if self.flush { " --fsync=1" } else { "" };
        format!(
            "fio --name=load --filename=/dev/{} --rw={} --bs={}k --ioengine={engine} --iodepth={} --number_ios={}{flush} \
             --direct=1 --thread --randrepeat=1 --norandommap --clocksource=clock_gettime \
             --percentile_list=50:90:99:99.9 --output-format=json",
            self.disk, self.rw, self.kib, self.depth, self.requests
        )
    }

    fn read(&self, output: &str) -> Result<Done> {
        let report = json(output)?;
        let job = &report["jobs"][0];
        ensure!(job["error"] == 0, "fio failed");
        let direction = if self.rw.contains("read") {
            "read"
        } else {
            "write"
        };
        let side = &job[direction];
        let times = match self.flush {
            true => &job["sync"]["lat_ns"],
            false => &side["clat_ns"],
        };
        let microseconds = |value: &Value| Some(value.as_f64()? / 1000.0);
        let percentile = |name: &str| microseconds(&times["percentile"][name]);
        Ok(Done {
            ops: side["total_ios"].as_u64().context("no requests")?,
            bytes: side["io_bytes"].as_u64().context("no bytes")?,
            latency: Some(Latency {
                mean: microseconds(&times["mean"]),
                p50: percentile("50.000000"),
                p90: percentile("90.000000"),
                p99: percentile("99.000000"),
                p999: percentile("99.900000"),
            }),
        })
    }
}

impl Netperf {
    fn divided(&self, by: u64) -> Self {
        match self {
            Netperf::RequestResponse { transactions } => Netperf::RequestResponse {
                transactions: transactions / by,
            },
            Netperf::Send { mib } => Netperf::Send { mib: mib / by },
            Netperf::Receive { mib } => Netperf::Receive { mib: mib / by },
        }
    }

    fn command(&self, host: &str) -> String {
        // A negative length is an amount: transactions or bytes.
        let (test, amount, options) = match self {
            Netperf::RequestResponse { transactions } => {
                let wanted = "-r 1,1 -k MEAN_LATENCY,P50_LATENCY,P90_LATENCY,P99_LATENCY";
                ("TCP_RR", *transactions, wanted)
            }
            Netperf::Send { mib } => ("TCP_STREAM", mib << 20, "-k LOCAL_BYTES_SENT"),
            Netperf::Receive { mib } => ("TCP_MAERTS", mib << 20, "-k LOCAL_BYTES_RECVD"),
        };
        format!("netperf -H {host} -t {test} -l -{amount} -P 0 -- {options}")
    }

    fn read(&self, output: &str) -> Result<Done> {
        let number = |name: &str| -> Option<f64> {
            output
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?
                .trim()
                .parse()
                .ok()
        };
        let stream = |name| {
            let bytes = number(name).context("no bytes")? as u64;
            Ok(Done {
                ops: bytes / TCP_PAYLOAD,
                bytes,
                latency: None,
            })
        };
        match self {
            Netperf::RequestResponse { transactions } => Ok(Done {
                ops: *transactions,
                bytes: 2 * transactions,
                latency: Some(Latency {
                    mean: Some(number("MEAN_LATENCY").context("no latency")?),
                    p50: number("P50_LATENCY"),
                    p90: number("P90_LATENCY"),
                    p99: number("P99_LATENCY"),
                    p999: None,
                }),
            }),
            Netperf::Send { .. } => stream("LOCAL_BYTES_SENT"),
            Netperf::Receive { .. } => stream("LOCAL_BYTES_RECVD"),
        }
    }
}

impl Iperf {
    fn command(&self, host: &str) -> String {
        let options = match self {
            Iperf::TcpSend { streams } => format!("--parallel {streams}"),
            Iperf::TcpReceive { streams } => format!("--parallel {streams} --reverse"),
            Iperf::UdpSend => format!("--udp --bitrate 0 --length {UDP_PAYLOAD}"),
            Iperf::UdpReceive => format!("--udp --bitrate 0 --length {UDP_PAYLOAD} --reverse"),
        };
        format!("iperf3 --client {host} --time 1 --json {options}")
    }

    fn read(&self, output: &str) -> Result<Done> {
        let report = json(output)?;
        let (side, operation) = match self {
            Iperf::TcpSend { .. } => ("sum_sent", TCP_PAYLOAD),
            Iperf::TcpReceive { .. } => ("sum_received", TCP_PAYLOAD),
            Iperf::UdpSend => ("sum_sent", UDP_PAYLOAD),
            Iperf::UdpReceive => ("sum_received", UDP_PAYLOAD),
        };
        let bytes = report["end"][side]["bytes"].as_u64();
        let bytes = bytes.with_context(|| format!("iperf3 failed: {}", report["error"]))?;
        Ok(Done {
            ops: bytes / operation,
            bytes,
            latency: None,
        })
    }
}

/// The JSON in an output that may begin with warnings.
fn json(output: &str) -> Result<Value> {
    let start = output.find('{').context("no report")?;
    Ok(serde_json::from_str(&output[start..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fio(flush: bool) -> Fio {
        Fio {
            disk: "xvdf",
            rw: if flush { "write" } else { "randread" },
            kib: 4,
            depth: 1,
            requests: 1000,
            flush,
        }
    }

    const FIO: &str = r#"fio: a warning
        {"jobs": [{"error": 0,
        "read": {"total_ios": 1000, "io_bytes": 4096000,
            "clat_ns": {"mean": 190500.5, "percentile": {"50.000000": 180000, "90.000000": 200000,
                "99.000000": 300000, "99.900000": 400000}}},
        "write": {"total_ios": 7, "io_bytes": 28672, "clat_ns": {"mean": 1.0}},
        "sync": {"total_ios": 7, "lat_ns": {"mean": 2000.0, "percentile": {"50.000000": 1500}}}}]}"#;

    #[test]
    fn fio_is_read() {
        let done = Load::Fio(fio(false)).read(FIO).unwrap();
        assert_eq!((done.ops, done.bytes), (1000, 4_096_000));
        let latency = done.latency.unwrap();
        assert_eq!((latency.mean, latency.p999), (Some(190.5005), Some(400.0)));
    }

    #[test]
    fn of_flushed_writes_the_flush_is_what_takes_time() {
        let done = Load::Fio(fio(true)).read(FIO).unwrap();
        assert_eq!(done.ops, 7);
        let latency = done.latency.unwrap();
        assert_eq!((latency.mean, latency.p50), (Some(2.0), Some(1.5)));
    }

    #[test]
    fn a_load_that_failed_is_told() {
        assert!(Load::Fio(fio(false)).read("fio: no such disk").is_err());
        let failed = FIO.replace("\"error\": 0", "\"error\": 5");
        assert!(Load::Fio(fio(false)).read(&failed).is_err());
        let load = Load::Iperf(Iperf::UdpSend, "10.0.0.1");
        let error = load.read(r#"{"end": {}, "error": "refused"}"#).unwrap_err();
        assert!(format!("{error:#}").contains("refused"));
        let load = Load::Netperf(Netperf::Send { mib: 1 }, "10.0.0.1");
        assert!(load.read("establish control: are you sure?").is_err());
        assert!(load.read("LOCAL_BYTES_SENT=0").is_err());
    }

    #[test]
    fn netperf_is_read() {
        let load = Load::Netperf(Netperf::Receive { mib: 1 }, "10.0.0.1");
        let done = load.read("LOCAL_BYTES_RECVD=1448000\n").unwrap();
        assert_eq!((done.ops, done.bytes), (1000, 1_448_000));
        let load = Load::Netperf(Netperf::RequestResponse { transactions: 9 }, "10.0.0.1");
        let output = "MEAN_LATENCY=84.60\nP50_LATENCY=23\nP90_LATENCY=77\nP99_LATENCY=78\n";
        let done = load.read(output).unwrap();
        let latency = done.latency.unwrap();
        assert_eq!((done.ops, latency.p99, latency.p999), (9, Some(78.0), None));
    }

    #[test]
    fn iperf_counts_what_its_side_has_seen() {
        let output = r#"{"end": {"sum_sent": {"bytes": 6400}, "sum_received": {"bytes": 640}}}"#;
        let ops = |iperf| Load::Iperf(iperf, "10.0.0.1").read(output).unwrap().ops;
        assert_eq!(ops(Iperf::UdpSend), 100);
        assert_eq!(ops(Iperf::UdpReceive), 10);
        assert_eq!(ops(Iperf::TcpSend { streams: 4 }), 4);
    }
}

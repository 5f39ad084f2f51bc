// SPDX-License-Identifier: GPL-2.0-only
//! The emulated machine: QEMU without KVM, with an AMD processor whose SVM runs the real Xen.
//!
//! The options are those measured to work (see README.md): `-monitor` because Xen's idle loop dies on MWAIT there, and
//! `spec-ctrl=eager-fpu` on Xen's command line because TCG's XSAVE does not trap on CR0.TS, so that Xen's lazy FPU
//! switching would leak registers between domains.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use serde_json::{json, Value};

use crate::tree::Tree;

/// Memory of the emulated machine in MiB: Xen, dom0 and the guests.
pub const MEMORY: u32 = 1536;

/// Size in bytes of the disk that is the guest's default xvde.
pub const DISK_SIZE: u64 = 256 << 20;

/// Size in bytes of the disk with the guests' kernel and initramfs.
pub const GUESTS_SIZE: u64 = 128 << 20;

/// What a machine is for. Each purpose has images and snapshots of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tests: as fast as it goes.
    Test,
    /// Benchmarks: the machine's clock counts its instructions, and dom0 and the guest have the load generators.
    Bench,
}

impl Purpose {
    /// How QEMU emulates the processor. With `-icount` every instruction takes 2 ns of the machine's time, and idle
    /// time is skipped (`sleep=off`): how busy this machine is does not matter. A snapshot fits one of the two only.
    fn clock(self) -> &'static [&'static str] {
        match self {
            Purpose::Test => &["-accel", "tcg,thread=multi,tb-size=256"],
            Purpose::Bench => &[
                "-accel",
                "tcg,thread=single,tb-size=512",
                "-icount",
                "shift=1,sleep=off",
            ],
        }
    }

    /// Xen's command line. Without a rate limit dom0 preempts the guest at every event, so that nothing is ever batched:
    /// good for tests of events, but not what a Xen host does.
    fn xen_options(self) -> String {
        let rate = match self {
            Purpose::Test => 0,
            Purpose::Bench => 1000,
        };
        format!(
            "console=com1 com1=115200,8n1 dom0_mem=512M,max:512M loglvl=warning guest_loglvl=all \
             sched_ratelimit_us={rate} spec-ctrl=eager-fpu"
        )
    }
}

/// Options of QEMU that make the machine; part of every snapshot's key.
const OPTIONS: &[&str] = &[
    "-machine",
    "q35",
    "-cpu",
    "EPYC,-monitor",
    "-smp",
    "1",
    "-nodefaults",
    "-display",
    "none",
    "-no-reboot",
];

/// dom0's command line.
const DOM0_OPTIONS: &str = "console=hvc0 loglevel=4";

/// The machine's disks, in the order in which dom0 sees them (vda, vdb, vdc), and their sizes.
const DISKS: &[(&str, u64)] = &[
    ("disk.img", DISK_SIZE),
    (GUESTS, GUESTS_SIZE),
    ("spare.img", DISK_SIZE),
];
const GUESTS: &str = "guests.img";

/// All that a snapshot fits to, besides the images: it can be restored on this very machine only.
pub fn description(purpose: Purpose) -> String {
    let (options, devices) = ([purpose.clock(), OPTIONS].concat(), devices(GUESTS));
    let xen = purpose.xen_options();
    format!("{options:?} {MEMORY} {devices:?} {DISKS:?} {xen} {DOM0_OPTIONS}")
}

/// QEMU's options for the devices. `guests` is the file of the disk with the guests' files.
fn devices(guests: &str) -> Vec<String> {
    let mut options = Vec::new();
    for name in ["console", "monitor", "agent"] {
        let socket = format!("socket,id={name},path={name},server=on,wait=off");
        options.extend(["-chardev".to_owned(), socket]);
    }
    for (index, (name, _)) in DISKS.iter().enumerate() {
        let (file, read_only) = match *name {
            GUESTS => (guests, "on"),
            name => (name, "off"),
        };
        let drive = format!("if=none,id=disk{index},format=raw,file={file},read-only={read_only}");
        let device = format!("virtio-blk-pci,drive=disk{index}");
        options.extend([
            "-drive".to_owned(),
            drive + ",cache=unsafe,file.locking=off",
        ]);
        options.extend(["-device".to_owned(), device]);
    }
    let others = [
        "-serial",
        "chardev:console",
        "-mon",
        "chardev=monitor,mode=control",
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtserialport,chardev=agent,name=agent",
    ];
    options.extend(others.map(str::to_owned));
    options
}

/// The files the machine boots from.
pub struct Boot {
    /// Xen as an ELF file.
    pub xen: PathBuf,
    /// dom0's kernel as an ELF file.
    pub kernel: PathBuf,
    /// dom0's initramfs.
    pub initramfs: PathBuf,
    /// Archive of [`GUESTS_SIZE`] with what dom0 needs to create guests, if it will create any.
    pub guests: Option<PathBuf>,
    /// Plugin of QEMU with its arguments.
    pub plugin: Option<String>,
}

/// A running emulated machine. It is killed when the value is dropped.
pub struct Machine {
    child: Child,
    directory: PathBuf,
    monitor: Monitor,
    /// The port to dom0's agent.
    pub agent: UnixStream,
    /// Xen's console.
    pub console: UnixStream,
}

impl Machine {
    /// Starts QEMU, from power-on or from a snapshot, in a private directory. A machine from a snapshot is stopped
    /// until [`Machine::resume`].
    pub fn start(
        tree: &Tree,
        purpose: Purpose,
        boot: &Boot,
        directory: &Path,
        snapshot: Option<&Path>,
    ) -> Result<Self> {
        for (name, size) in DISKS {
            File::create(directory.join(name))?.set_len(*size)?;
        }
        let log = File::create(directory.join("qemu.log"))?;
        let mut command = tree.command("usr/bin/qemu-system-x86_64");
        let share = tree.root().join("usr/share");
        for path in ["qemu", "seabios"] {
            command.arg("-L").arg(share.join(path));
        }
        let guests = match &boot.guests {
            Some(path) => text(path)?,
            None => GUESTS,
        };
        command
            .args(purpose.clock())
            .args(OPTIONS)
            .args(["-m", &MEMORY.to_string()])
            .args(devices(guests));
        command
            .arg("-kernel")
            .arg(&boot.xen)
            .args(["-append", &purpose.xen_options(), "-initrd"]);
        command.arg(format!(
            "{} {DOM0_OPTIONS},{}",
            text(&boot.kernel)?,
            text(&boot.initramfs)?
        ));
        if let Some(plugin) = &boot.plugin {
            command.args(["-plugin", plugin]);
        }
        if let Some(snapshot) = snapshot {
            command.args(["-incoming", &format!("file:{}", text(snapshot)?)]);
        }
        let child = command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start QEMU")?;
        Self::connect(child, directory)
    }

    fn connect(mut child: Child, directory: &Path) -> Result<Self> {
        // A socket's path may have 107 bytes only; through the descriptor any directory will do.
        let here = File::open(directory)?;
        let sockets = PathBuf::from(format!("/proc/self/fd/{}", here.as_raw_fd()));
        let mut open = |name: &str| -> Result<UnixStream> {
            let begun = Instant::now();
            loop {
                if let Ok(stream) = UnixStream::connect(sockets.join(name)) {
                    return Ok(stream);
                }
                if child.try_wait()?.is_some() || begun.elapsed() > Duration::from_secs(120) {
                    let log = fs::read_to_string(directory.join("qemu.log")).unwrap_or_default();
                    bail!("QEMU did not start: {}", log.trim());
                }
                thread::sleep(Duration::from_millis(10));
            }
        };
        let (console, agent, monitor) = (open("console")?, open("agent")?, open("monitor")?);
        let monitor = Monitor::new(monitor)?;
        Ok(Machine {
            child,
            directory: directory.to_owned(),
            monitor,
            agent,
            console,
        })
    }

    /// Where the machine's files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lets a machine run that was started from a snapshot or paused.
    pub fn resume(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let status = self.monitor.ask("query-status", json!({}))?;
            match status["status"].as_str() {
                Some("inmigrate") if begun.elapsed() < Duration::from_secs(300) => {
                    thread::sleep(Duration::from_millis(20));
                }
                Some("paused" | "postmigrate" | "prelaunch" | "running") => break,
                other => bail!(
                    "the snapshot was not restored: QEMU is in state {}",
                    other.unwrap_or("unknown")
                ),
            }
        }
        self.monitor.ask("cont", json!({}))?;
        let status = self.monitor.ask("query-status", json!({}))?;
        if status["running"] != true {
            bail!("the restored machine does not run: {status}");
        }
        Ok(())
    }

    /// Stops the machine until [`Machine::resume`]; its clock stops too.
    pub fn pause(&mut self) -> Result<()> {
        self.monitor.ask("stop", json!({}))?;
        Ok(())
    }

    /// Stops the machine and writes its whole state to a file. No guest may be executing: pause them first.
    pub fn save(&mut self, to: &Path) -> Result<()> {
        self.monitor.ask("stop", json!({}))?;
        self.monitor.ask(
            "migrate-set-parameters",
            json!({ "max-bandwidth": 10_u64 << 30 }),
        )?;
        self.monitor
            .ask("migrate", json!({ "uri": format!("file:{}", text(to)?) }))?;
        loop {
            let state = self.monitor.ask("query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed") => bail!("the snapshot failed: {}", state["error-desc"]),
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// QEMU's version.
    pub fn version(&mut self) -> Result<String> {
        let version = self.monitor.ask("query-version", json!({}))?;
        let number = &version["qemu"];
        Ok(format!(
            "{}.{}.{}",
            number["major"], number["minor"], number["micro"]
        ))
    }

    /// QEMU's own messages so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("qemu.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .filter(|path| !path.contains(',') && !path.contains(' '))
        .with_context(|| {
            format!(
                "QEMU cannot take the path {}: set XENPV_CACHE to one without blanks and commas",
                path.display()
            )
        })
}

/// QEMU's machine protocol (QMP).
struct Monitor {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Monitor {
    fn new(stream: UnixStream) -> Result<Self> {
        let mut monitor = Monitor {
            reader: BufReader::new(stream.try_clone()?),
            writer: stream,
        };
        monitor.read()?;
        monitor.ask("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value> {
        writeln!(
            self.writer,
            "{}",
            json!({ "execute": command, "arguments": arguments })
        )?;
        loop {
            let answer = self.read()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused {command}: {}", error["desc"]);
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.reader.by_ref().read_line(&mut line)? == 0 {
            bail!("QEMU has ended");
        }
        Ok(serde_json::from_str(&line)?)
    }
}

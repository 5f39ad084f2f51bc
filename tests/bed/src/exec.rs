// SPDX-License-Identifier: GPL-2.0-only
//! Runs one script in a fresh guest (and, if wanted, another in dom0 at the same time).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use crate::bed::Bed;
use crate::cache::Entry;
use crate::dom0::{BOOT_LIMIT, COMMAND_LIMIT};
use crate::guest::{Driver, Guest, NAME};
use crate::image::strip;
use crate::run::Run;
use crate::session::{Job, Session, Side, Sink};

/// For finding out what happened after a failure, when much may be dead.
const INQUEST_LIMIT: Duration = Duration::from_secs(60);

/// Where files are put and scripts run, in dom0 and in the guest.
const HOME: &str = "/root";

/// The configuration that is installed with the modules.
const MODPROBE: &str = include_str!("../../../modprobe.d/xenpv.conf");

/// Signs of trouble in a kernel's log.
const COMPLAINTS: &[&str] = &[
    "BUG:",
    "Oops",
    "WARNING:",
    "possible recursive locking",
    "circular locking",
    "blocked for more than",
    "soft lockup",
    "rcu_preempt detected stalls",
    "Kernel panic",
    "general protection fault",
];

/// What to run and where.
#[derive(Clone)]
pub struct Order {
    /// A name for the logs.
    pub name: String,
    /// The guest it runs in.
    pub guest: Guest,
    /// The script.
    pub script: String,
    /// A script that runs in dom0 at the same time.
    pub dom0_script: Option<String>,
    /// Further disks, as `guest-disk attach` takes them.
    pub disks: Vec<String>,
    /// Further network interfaces, as `xl network-attach` takes them.
    pub vifs: Vec<String>,
    /// Files put beside the script: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Directory with the modules that are put into the guest.
    pub modules: Option<PathBuf>,
    /// The modules to insert, in this order.
    pub load: Vec<String>,
    /// The guest ends while the scripts run: its own exits before that, and dom0's says how it went.
    pub ends: bool,
    /// Time-out of the scripts.
    pub limit: Duration,
}

/// How it went.
pub struct Outcome {
    /// The guest script's exit status, or if that is 0, the dom0 script's.
    pub status: u32,
    /// Lines of the guest's kernel log that must not be there.
    pub complaints: Vec<String>,
    /// Time from the restored snapshot to the scripts' end.
    pub took: Duration,
}

/// Takes a script's output as it comes.
pub type Show = Arc<dyn Fn(Side, &[u8]) + Send + Sync>;

/// Prints a script's output as it is.
pub fn print() -> Show {
    Arc::new(|_, bytes| {
        let mut out = std::io::stdout().lock();
        // Nobody may be reading any more.
        let _ = out.write_all(bytes);
        let _ = out.flush();
    })
}

/// Shows nothing: the output is in the run's log.
pub fn quiet() -> Show {
    Arc::new(|_, _| {})
}

/// Runs an order in a guest. The logs are in the run's directory afterwards: `output.log` and `dom0.log` of the
/// scripts, `dmesg.log` of the guest, `console.log` of Xen, and `state.log` of dom0 if it failed.
pub fn in_guest(
    bed: &Bed,
    snapshot: &Entry,
    order: &Order,
    run: &Run,
    show: &Show,
) -> Result<Outcome> {
    let begun = Instant::now();
    let mut session = bed
        .dom0
        .restore(run.path(), Some(&bed.guests()), snapshot)?;
    let status = run_scripts(bed, &mut session, order, run.path(), show);
    let took = begun.elapsed();
    let log = if order.ends {
        fs::read_to_string(run.path().join("console.log"))?
    } else {
        kernel_log(&mut session, status.is_ok())
    };
    fs::write(run.path().join("dmesg.log"), &log)?;
    let complaints = complaints(&log);
    if !matches!(status, Ok(0)) || !complaints.is_empty() {
        inquest(&mut session, run.path())?;
    }
    Ok(Outcome {
        status: status?,
        complaints,
        took,
    })
}

/// What the guest's kernel has said, if the guest still answers.
fn kernel_log(session: &mut Session, good: bool) -> String {
    let alive = session.guest_death().is_none();
    let limit = if good { COMMAND_LIMIT } else { INQUEST_LIMIT };
    match session.run(Side::Guest, "dmesg", limit) {
        Ok((_, log)) if alive => log,
        _ => String::new(),
    }
}

/// Runs a script in a dom0 without a guest.
pub fn in_dom0(
    bed: &Bed,
    snapshot: &Entry,
    order: &Order,
    run: &Run,
    show: &Show,
) -> Result<Outcome> {
    let begun = Instant::now();
    let mut session = bed
        .dom0
        .restore(run.path(), Some(&bed.guests()), snapshot)?;
    put_files(&mut session, Side::Dom0, order)?;
    let job = start(
        &mut session,
        Side::Dom0,
        &order.script,
        &run.path().join("output.log"),
        show,
    )?;
    let status = session.wait(job, order.limit);
    if !matches!(status, Ok(0)) {
        inquest(&mut session, run.path())?;
    }
    Ok(Outcome {
        status: status?,
        complaints: Vec::new(),
        took: begun.elapsed(),
    })
}

fn run_scripts(
    bed: &Bed,
    session: &mut Session,
    order: &Order,
    logs: &Path,
    show: &Show,
) -> Result<u32> {
    prepare(bed, session, order)?;
    let deadline = Instant::now() + order.limit;
    let left = || deadline.saturating_duration_since(Instant::now());
    let dom0 = match &order.dom0_script {
        Some(script) => {
            put_files(session, Side::Dom0, order)?;
            Some(start(
                session,
                Side::Dom0,
                script,
                &logs.join("dom0.log"),
                show,
            )?)
        }
        None => None,
    };
    let job = start(
        session,
        Side::Guest,
        &order.script,
        &logs.join("output.log"),
        show,
    )?;
    if let (Some(dom0), true) = (dom0, order.ends) {
        // The guest's end must not be taken for a failure of its script, which has exited before.
        let status = session.wait(dom0, left()).context("the script in dom0")?;
        let guest = session.wait(job, Duration::ZERO);
        return Ok(if status == 0 { guest? } else { status });
    }
    let mut status = session
        .wait(job, left())
        .context("the script in the guest")?;
    if let Some(dom0) = dom0 {
        // When one side fails, the other may wait for it for ever.
        let patience = if status == 0 {
            left()
        } else {
            left().min(INQUEST_LIMIT / 6)
        };
        match session.wait(dom0, patience).context("the script in dom0") {
            Ok(dom0) if status == 0 => status = dom0,
            Err(error) if status == 0 => return Err(error),
            _ => {}
        }
    }
    Ok(status)
}

/// Wakes the restored guest, gives it its devices, files and modules.
pub fn prepare(bed: &Bed, session: &mut Session, order: &Order) -> Result<()> {
    let mut commands: Vec<String> = order
        .disks
        .iter()
        .map(|disk| format!("guest-disk attach '{disk}'"))
        .collect();
    commands.extend(order.vifs.iter().map(|vif| {
        format!(
            "xl network-attach {NAME} type=vif {}",
            vif.replace(',', " ")
        )
    }));
    commands.push(format!("xl unpause {NAME}"));
    session.run_ok(Side::Dom0, &commands.join(" && "), COMMAND_LIMIT)?;
    session
        .wait_answer(Side::Guest, BOOT_LIMIT)
        .context("the restored guest is dead")?;
    put_files(session, Side::Guest, order)?;
    let extra = format!("/lib/modules/{}/extra", bed.toolchain.kernel.release);
    if let Some(directory) = &order.modules {
        for (name, data) in read_modules(directory)? {
            session.put(Side::Guest, &format!("{extra}/{name}"), &data, false)?;
        }
        session.put(
            Side::Guest,
            "/etc/modprobe.d/xenpv.conf",
            MODPROBE.as_bytes(),
            false,
        )?;
        session.run_ok(Side::Guest, "depmod -a", COMMAND_LIMIT)?;
    }
    if !order.load.is_empty() {
        let how = match order.guest.driver {
            Driver::Xenpv => order
                .load
                .iter()
                .map(|name| format!("insmod {extra}/{name}.ko"))
                .collect::<Vec<_>>(),
            Driver::Mainline => order
                .load
                .iter()
                .map(|name| format!("modprobe {name}"))
                .collect(),
        };
        session
            .run_ok(Side::Guest, &how.join(" && "), order.limit)
            .context("loading the modules failed")?;
    }
    Ok(())
}

fn put_files(session: &mut Session, side: Side, order: &Order) -> Result<()> {
    for (name, content) in &order.files {
        session.put(side, &format!("{HOME}/{name}"), content, true)?;
    }
    Ok(())
}

/// Starts a script whose output is shown and logged.
fn start(session: &mut Session, side: Side, script: &str, log: &Path, show: &Show) -> Result<Job> {
    session.put(side, &format!("{HOME}/script"), script.as_bytes(), true)?;
    let mut log = File::create(log)?;
    let show = Arc::clone(show);
    let sink = Sink::Live(Box::new(move |bytes| {
        show(side, bytes);
        // A full disk shows itself elsewhere.
        let _ = log.write_all(bytes);
    }));
    session.start(
        side,
        &format!("cd {HOME}; export DOMAIN={NAME}; exec sh ./script"),
        sink,
        false,
    )
}

/// The modules of a directory, without what only costs time.
fn read_modules(directory: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut modules = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".ko") {
            modules.push((name, strip(&fs::read(entry.path())?)?));
        }
    }
    if modules.is_empty() {
        bail!("there is no module in {}", directory.display());
    }
    modules.sort();
    Ok(modules)
}

/// The lines of a kernel log that tell of trouble.
pub fn complaints(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| COMPLAINTS.iter().any(|sign| line.contains(sign)))
        .map(str::to_owned)
        .collect()
}

/// Writes down the state of dom0 and its view of the guest.
pub fn inquest(session: &mut Session, logs: &Path) -> Result<()> {
    const COMMANDS: &[&str] = &[
        "xl list -v",
        "xenstore-ls -f",
        "lsevtchn $(xl domid guest)",
        "xenctx -a -C $(xl domid guest)",
        "dmesg | tail -40",
        "tail -n 40 /var/log/xen/*.log",
        "tail -n 60 /var/log/xen/console/*",
    ];
    let command: Vec<String> = COMMANDS
        .iter()
        .map(|command| format!("echo '==== {command}'; {command} 2>&1"))
        .collect();
    let state = match session.run(Side::Dom0, &command.join("; "), INQUEST_LIMIT) {
        Ok((_, state)) => state,
        Err(error) => format!("dom0 does not answer: {error:#}\n"),
    };
    Ok(fs::write(logs.join("state.log"), state)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_log_has_no_complaints() {
        let log = "[    1.0] Linux version 7.3\n[    2.0] xen-vbd: xvde: 256 MiB\n[    3.0] warning: deprecated\n";
        assert!(complaints(log).is_empty());
    }

    #[test]
    fn complaints_are_found() {
        let log = "[ 1.0] fine\n[ 2.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1\n[ 3.0] BUG: unable to handle\n";
        assert_eq!(complaints(log).len(), 2);
    }
}

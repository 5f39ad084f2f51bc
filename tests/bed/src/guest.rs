// SPDX-License-Identifier: GPL-2.0-only
//! Guests: their configuration, their creation in dom0, and the snapshots they are restored from.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::bed::Bed;
use crate::cache::{Entry, Key};
use crate::dom0::{keep_console, COMMAND_LIMIT};
use crate::exec::complaints;
use crate::progress::Progress;
use crate::run::Run;
use crate::session::{Session, Side, LINK_GFN, LINK_PAGES};

/// The domain's name in `xl`.
pub const NAME: &str = "guest";

/// How many snapshots stay besides a new one; each takes 300 MB.
const SNAPSHOTS_KEPT: usize = 16;

/// How often a guest's boot is tried.
const BOOTS: u32 = 3;
/// How long one may take; on an idle machine it is a minute with four vCPUs.
const GUEST_BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Puts the TSC's frequency, which Xen has measured, into a guest's configuration.
const SET_TSC_KHZ: &str =
    "khz=$(xl info | sed -n 's/^cpu_mhz *: *//p' | tr -d .) && [ -n \"$khz\" ] && \
    sed -i \"s/TSC_KHZ/$khz/\" /tmp/guest/config";

/// Linux's own frontends.
pub const MAINLINE_MODULES: &[&str] = &["xen-blkfront", "xen-netfront"];

/// Whose frontends drive the guest's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Driver {
    /// This project's modules; the kernel's own Xen support is off (`xen_nopv`).
    Xenpv,
    /// Linux's own, for comparison.
    Mainline,
}

/// What makes a guest; each different one has its own snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Number of virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// Further kernel parameters.
    pub cmdline: String,
    /// Whose frontends.
    pub driver: Driver,
    /// A disk (xvda) and a network card that are emulated as well, an IDE disk and an e1000.
    pub emulated: bool,
    /// Event channels that it may have, if not as many as xl thinks right (1023).
    pub ports: Option<u32>,
}

impl Default for Guest {
    fn default() -> Self {
        Guest {
            vcpus: 1,
            memory: 256,
            cmdline: String::new(),
            driver: Driver::Xenpv,
            emulated: false,
            ports: None,
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} vCPU, {} MiB", self.vcpus, self.memory)?;
        if self.driver == Driver::Mainline {
            f.write_str(", mainline")?;
        }
        if self.emulated {
            f.write_str(", emulated devices")?;
        }
        if let Some(ports) = self.ports {
            write!(f, ", {ports} event channels")?;
        }
        match self.cmdline.as_str() {
            "" => Ok(()),
            cmdline => write!(f, ", {cmdline}"),
        }
    }
}

impl Guest {
    /// The kernel's whole command line, with TSC_KHZ for what [`create`] finds out.
    fn kernel_options(&self) -> String {
        let link = format!(
            "memmap={}M${:#x} xenbed.link={LINK_GFN:#x}",
            LINK_PAGES / 256,
            LINK_GFN << 12
        );
        let driver = match self.driver {
            // Linux cannot calibrate the TSC here, and would read hpet instead, an exit each time: with four vCPUs on one
            // CPU the timer's interrupts then leave no time for anything else.
            Driver::Xenpv => "xen_nopv earlyprintk=xen keep_bootcon tsc_early_khz=TSC_KHZ",
            Driver::Mainline => "console=hvc0 xen_emul_unplug=unnecessary",
        };
        format!("loglevel=4 edd=off no_timer_check nokaslr mitigations=off tsc=reliable {driver} {link} {}", self.cmdline)
    }

    /// The configuration file for `xl create`.
    fn config(&self) -> String {
        format!(
            r#"name = "{NAME}"
type = "hvm"
memory = {memory}
vcpus = {vcpus}
kernel = "/tmp/guest/vmlinuz"
ramdisk = "/tmp/guest/initramfs"
cmdline = "{options}"
tsc_mode = "native"
vga = "none"
vnc = 0
usb = 0
serial = "null"
disk = ["phy:/dev/vda,xvde,w"{disk}]
vif = ["mac=00:16:3e:00:00:02,bridge=xenbr0,type=vif"{vif}]
on_crash = "preserve"
on_poweroff = "destroy"
on_reboot = "destroy"
{ports}"#,
            memory = self.memory,
            disk = if self.emulated {
                r#", "phy:/dev/ram3,xvda,w""#
            } else {
                ""
            },
            vif = if self.emulated {
                r#", "mac=00:16:3e:00:00:03,bridge=xenbr1,model=e1000""#
            } else {
                ""
            },
            vcpus = self.vcpus,
            ports = match self.ports {
                Some(ports) => format!("max_event_channels = {ports}\n"),
                None => String::new(),
            },
            options = self.kernel_options().trim_end(),
        )
    }
}

/// Finds or makes the snapshot of a guest whose agent waits for work.
pub fn snapshot(bed: &Bed, guest: &Guest, progress: &dyn Progress) -> Result<Entry> {
    let key = guest_key(bed, guest);
    if let Some(entry) = bed.cache().find("snapshot", &key)? {
        return Ok(entry);
    }
    let dom0 = bed.dom0.snapshot(progress)?;
    bed.cache().prune("snapshot", SNAPSHOTS_KEPT)?;
    bed.cache().entry("snapshot", &key, |to| {
        let step = progress.step(&format!("Booting a guest ({guest})"), None);
        let (mut session, _run) = boot(bed, guest, &dom0, to)?;
        session.run_ok(Side::Dom0, &format!("xl pause {NAME}"), COMMAND_LIMIT)?;
        step.doing("writing the snapshot");
        session.machine().save(&to.join("state"))
    })
}

/// Boots a guest. Under emulation one of several vCPUs hangs now and then or is late, before any module of ours is there:
/// then it is begun anew.
fn boot(bed: &Bed, guest: &Guest, dom0: &Entry, to: &Path) -> Result<(Session, Run)> {
    let mut attempts = 1..=BOOTS;
    loop {
        let run = Run::new(bed.cache(), "guest")?;
        let mut session = bed.dom0.restore(run.path(), Some(&bed.guests()), dom0)?;
        let created = create(&mut session, guest);
        keep_console(run.path(), to);
        match (created, attempts.next()) {
            (Ok(()), _) => return Ok((session, run)),
            (Err(error), None | Some(BOOTS)) => {
                return Err(error.context("the guest did not start"))
            }
            (Err(_), Some(_)) => {}
        }
    }
}

/// Creates the guest in a dom0 that is ready, and waits for the guest's agent.
fn create(session: &mut Session, guest: &Guest) -> Result<()> {
    session.run_ok(Side::Dom0, "guest-files", COMMAND_LIMIT)?;
    session.put(
        Side::Dom0,
        "/tmp/guest/config",
        guest.config().as_bytes(),
        false,
    )?;
    session.run_ok(Side::Dom0, SET_TSC_KHZ, COMMAND_LIMIT)?;
    session.run_ok(Side::Dom0, "xl create -q /tmp/guest/config || { cat /var/log/xen/*.log; exit 1; }; rm /tmp/guest/[iv]*", COMMAND_LIMIT)?;
    let domid = session.run_ok(Side::Dom0, &format!("xl domid {NAME}"), COMMAND_LIMIT)?;
    session.attach(
        domid
            .trim()
            .parse()
            .context("xl domid did not print a number")?,
    )?;
    session.wait_hello(Side::Guest, GUEST_BOOT_LIMIT)?;
    // Kept in a snapshot, a complaint would make every test of it fail.
    let log = session.run_ok(Side::Guest, "dmesg", COMMAND_LIMIT)?;
    match complaints(&log).first() {
        Some(complaint) => bail!("the guest's kernel complained as it booted: {complaint}"),
        None => Ok(()),
    }
}

fn guest_key(bed: &Bed, guest: &Guest) -> Key {
    bed.dom0
        .key()
        .with("guest", bed.guest_id())
        .with("config", guest.config())
}

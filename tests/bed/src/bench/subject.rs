// SPDX-License-Identifier: GPL-2.0-only
//! A guest that is measured: restored, set up, and given one load after the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::cache::Entry;
use crate::dom0::COMMAND_LIMIT;
use crate::exec::{self, Order};
use crate::guest::{Driver, Guest, MAINLINE_MODULES, NAME};
use crate::machine::Machine;
use crate::modules::MODULES;
use crate::session::{Session, Side};

use super::counters;
use super::plugin::Window;
use super::seat::Parts;
use super::symbols::Symbols;

const DOM0_SETUP: &str = include_str!("../../bench/dom0.sh");
const GUEST_SETUP: &str = include_str!("../../bench/guest.sh");

/// How long one load may take: ten times as long as on an idle machine.
const LOAD_LIMIT: Duration = Duration::from_secs(120);

/// Both guests have the same, so that the same is measured: one processor, because the plugin counts one; and the time
/// stamp counter for their clock, because the clocks they would choose cost very different amounts.
pub const VCPUS: u32 = 1;
/// Memory in MiB.
pub const MEMORY: u32 = 512;
const CMDLINE: &str = "clocksource=tsc";

/// See the module's description.
pub struct Subject {
    /// Whose frontends it has.
    pub driver: Driver,
    session: Session,
    windows: PathBuf,
    next_window: u64,
    description: String,
    /// The functions of its kernel and modules.
    pub symbols: Symbols,
}

/// What one load has said and what was counted.
pub struct Measured {
    /// The load generator's output.
    pub output: String,
    /// The plugin's counts between the marks.
    pub window: Window,
    /// By how much the drivers' own counters have changed.
    pub counters: BTreeMap<String, i64>,
}

/// The guest that a driver is measured in.
pub fn guest(driver: Driver) -> Guest {
    Guest {
        vcpus: VCPUS,
        memory: MEMORY,
        cmdline: CMDLINE.to_owned(),
        driver,
        emulated: false,
        ports: None,
    }
}

impl Subject {
    /// Restores a guest in a directory, loads its modules, and sets it up.
    pub fn start(
        parts: &Parts,
        snapshot: &Entry,
        driver: Driver,
        directory: &Path,
    ) -> Result<Self> {
        let windows = directory.join("windows");
        let bed = &parts.bed;
        let mut session = bed.dom0.restore_with(
            directory,
            Some(&bed.guests()),
            Some(parts.plugin.option(&windows)?),
            snapshot,
        )?;
        let dom0 = script(&mut session, Side::Dom0, DOM0_SETUP).context("setting dom0 up")?;
        let (modules, load) = match driver {
            Driver::Xenpv => (Some(parts.modules.directory().to_owned()), MODULES),
            Driver::Mainline => (None, MAINLINE_MODULES),
        };
        let order = Order {
            name: "bench".to_owned(),
            guest: guest(driver),
            script: String::new(),
            dom0_script: None,
            disks: Vec::new(),
            vifs: Vec::new(),
            files: Vec::new(),
            modules,
            ends: false,
            load: load.iter().map(|name| (*name).to_owned()).collect(),
            limit: LOAD_LIMIT,
        };
        exec::prepare(bed, &mut session, &order)?;
        session.put(Side::Guest, "/root/marks.so", &parts.marks.library, true)?;
        session.put(Side::Guest, "/root/counted", &parts.marks.program, true)?;
        session.put(
            Side::Guest,
            "/root/counters",
            counters::SCRIPT.as_bytes(),
            true,
        )?;
        let guest =
            script(&mut session, Side::Guest, GUEST_SETUP).context("setting the guest up")?;
        let qemu = session.machine().version()?;
        let symbols = session.run_ok(Side::Guest, "cat /proc/kallsyms", LOAD_LIMIT)?;
        Ok(Subject {
            driver,
            session,
            windows,
            next_window: 1,
            description: format!("qemu {qemu}\n{dom0}{guest}"),
            symbols: Symbols::parse(&symbols)?,
        })
    }

    /// What the setup has said of the guest and its machine under a name.
    pub fn described(&self, name: &str) -> &str {
        let mut lines = self.description.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_default()
    }

    /// Stops the machine, or lets it go on.
    pub fn machine(&mut self) -> &mut Machine {
        self.session.machine()
    }

    /// Writes down what state everything is in, after a failure.
    pub fn inquest(&mut self, directory: &Path) -> Result<()> {
        self.machine().resume()?;
        exec::inquest(&mut self.session, directory)
    }

    /// Runs a command in the guest that must succeed.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        self.session.run_ok(Side::Guest, command, LOAD_LIMIT)
    }

    /// Runs a load generator in the guest, counting between the marks that are preloaded into it.
    pub fn measure(&mut self, command: &str) -> Result<Measured> {
        let id = self.next_window;
        self.next_window += 1;
        let before = counters::read(&self.ask("/root/counters")?);
        let marked = format!("BENCH_WINDOW={id} LD_PRELOAD=/root/marks.so {command}");
        let output = self.ask(&marked)?;
        let after = counters::read(&self.ask("/root/counters")?);
        let text = fs::read_to_string(&self.windows).context("the plugin has written nothing")?;
        let Some(window) = Window::last(&text, id)? else {
            bail!("the load generator has made no marks: {command}\n{output}");
        };
        // Every window is read once: what is past needs no space.
        fs::File::options()
            .write(true)
            .open(&self.windows)?
            .set_len(0)?;
        Ok(Measured {
            output,
            window,
            counters: counters::changes(&before, &after),
        })
    }
}

fn script(session: &mut Session, side: Side, text: &str) -> Result<String> {
    session.put(side, "/root/setup", text.as_bytes(), true)?;
    let command = format!("DOMAIN={NAME} sh /root/setup");
    session.run_ok(side, &command, COMMAND_LIMIT)
}

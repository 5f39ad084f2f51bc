// SPDX-License-Identifier: GPL-2.0-only
//! The plugin of QEMU that counts, and what it writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{bail, Context, Result};

use crate::cache::{Cache, Entry, Key};
use crate::sources::{add_source, PLUGIN};

use super::tools::compile;

/// The compiled plugin.
pub struct Plugin(Entry);

impl Plugin {
    /// Finds it or compiles it with this machine's compiler.
    pub fn open(cache: &Cache) -> Result<Self> {
        let key = add_source(Key::new("plugin 1"), &PLUGIN);
        let entry = cache.entry("plugin", &key, |to| make(&to.join("count.so")))?;
        Ok(Plugin(entry))
    }

    /// QEMU's option that loads it and has it write to a file.
    pub fn option(&self, out: &Path) -> Result<String> {
        fs::write(out, "")?;
        let file = self.0.join("count.so");
        Ok(format!("{},out={}", file.display(), out.display()))
    }
}

fn make(to: &Path) -> Result<()> {
    let sources = tempfile::tempdir()?;
    PLUGIN.extract(sources.path())?;
    let options = ["-fPIC", "-shared", "-fvisibility=hidden"];
    compile(sources.path(), &["plugin.c", "window.c"], &options, to)
}

/// What was executed between two marks. See `tests/bench/plugin/window.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Cycles of the processor's time stamp counter.
    pub cycles: u64,
    /// Instructions by who executed them, without those in `cells`.
    pub executed: BTreeMap<String, u64>,
    /// How often Xen let the guest run.
    pub vmruns: u64,
    /// Hypercalls of a domain by number.
    pub calls: BTreeMap<(String, u64), u64>,
    /// Hypercalls of a domain by number and first argument.
    pub commands: BTreeMap<(String, u64, u64), u64>,
    /// Cells of 16 bytes of the guest's kernel: instructions executed, and executions of the first one.
    pub cells: BTreeMap<u64, (u64, u64)>,
}

impl Window {
    /// The last complete window with a number that was written.
    pub fn last(text: &str, id: u64) -> Result<Option<Self>> {
        let head = format!("window {id} ");
        let Some(start) = text
            .match_indices(&head)
            .map(|(at, _)| at)
            .filter(|at| *at == 0 || text[..*at].ends_with('\n'))
            .last()
        else {
            return Ok(None);
        };
        let mut window = Window::default();
        for line in text[start..].lines() {
            if line == "end" {
                return Ok(Some(window));
            }
            window
                .take(line)
                .with_context(|| format!("the plugin has written \"{line}\""))?;
        }
        bail!("the plugin's window {id} has no end")
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["window", _, cycles] => self.cycles = cycles.parse()?,
            ["executed", who, count] => {
                self.executed.insert(who.to_owned(), count.parse()?);
            }
            ["vmrun", count] => self.vmruns = count.parse()?,
            ["call", domain, number, count] => {
                let key = (domain.to_owned(), number.parse()?);
                self.calls.insert(key, count.parse()?);
            }
            ["command", domain, number, command, count] => {
                let key = (domain.to_owned(), number.parse()?, command.parse()?);
                self.commands.insert(key, count.parse()?);
            }
            ["cell", address, executed, entered] => {
                let address = u64::from_str_radix(address, 16)?;
                self.cells
                    .insert(address, (executed.parse()?, entered.parse()?));
            }
            _ => bail!("unknown"),
        }
        Ok(())
    }

    /// Instructions of one of the plugin's kinds.
    pub fn executed(&self, who: &str) -> u64 {
        self.executed.get(who).copied().unwrap_or_default()
    }

    /// All instructions of the guest's kernel.
    pub fn guest_kernel(&self) -> u64 {
        let cells: u64 = self.cells.values().map(|(executed, _)| executed).sum();
        self.executed("guest-kernel") + cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "window 1 5\nexecuted xen 1\nend\nwindow 12 700\nexecuted guest-user 10\n\
        executed guest-kernel 3\nexecuted xen 20\nvmrun 4\ncall guest 32 2\ncommand guest 32 4 2\n\
        cell ffffffff81000010 7 1\ncell ffffffffc0400000 5 0\nend\n";

    #[test]
    fn the_plugin_compiles_and_has_what_qemu_looks_for() {
        let place = tempfile::tempdir().unwrap();
        let library = place.path().join("count.so");
        make(&library).unwrap();
        let data = fs::read(&library).unwrap();
        let elf = goblin::elf::Elf::parse(&data).unwrap();
        let defined = elf.dynsyms.iter().filter(|symbol| !symbol.is_import());
        let names: Vec<&str> = defined
            .filter_map(|symbol| elf.dynstrtab.get_at(symbol.st_name))
            .filter(|name| !name.is_empty())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        for name in ["qemu_plugin_install", "qemu_plugin_version"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }

    #[test]
    fn a_window_is_read_whole() {
        let window = Window::last(TEXT, 12).unwrap().unwrap();
        assert_eq!((window.cycles, window.vmruns), (700, 4));
        assert_eq!(window.executed("xen"), 20);
        assert_eq!(window.guest_kernel(), 3 + 7 + 5);
        assert_eq!(window.calls[&("guest".to_owned(), 32)], 2);
        assert_eq!(window.commands[&("guest".to_owned(), 32, 4)], 2);
        assert_eq!(window.cells[&0xffff_ffff_8100_0010], (7, 1));
    }

    #[test]
    fn the_last_of_several_with_one_number_counts() {
        let text = format!("{TEXT}window 12 900\nend\n");
        assert_eq!(Window::last(&text, 12).unwrap().unwrap().cycles, 900);
        assert!(Window::last(&text, 2).unwrap().is_none());
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_told() {
        assert!(Window::last("window 1 5\nexecuted xen 1\n", 1).is_err());
        assert!(Window::last("window 1 5\nexecuted xen\nend\n", 1).is_err());
        assert!(Window::last("window 1 5\ncell xyz 1 1\nend\n", 1).is_err());
    }
}

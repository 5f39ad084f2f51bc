// SPDX-License-Identifier: GPL-2.0-only
//! What a benchmark's machine has besides a test's: load generators in its images, and the marks around them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::cache::Key;
use crate::image::Image;
use crate::sources::MARK;
use crate::tree::Tools;

const GUEST_TOOLS: &[&str] = &[
    "usr/bin/fio",
    "usr/bin/iperf3",
    "usr/bin/netperf",
    "usr/bin/netserver",
];

/// What answers to the guest's load generators.
const DOM0_TOOLS: &[&str] = &["usr/bin/iperf3", "usr/bin/netserver"];

/// Modules the guest has for the ceilings.
pub const GUEST_MODULES: &[&str] = &["null_blk"];

/// What a guest's image is made of besides a test's.
pub fn guest_key(key: Key, tools: &Tools) -> Key {
    let programs = [GUEST_TOOLS, GUEST_MODULES].concat().join(" ");
    key.with("tools", tools.id()).with("programs", programs)
}

/// What dom0's image is made of besides a test's.
pub fn dom0_key(key: Key, tools: &Tools) -> Key {
    key.with("tools", tools.id())
        .with("programs", DOM0_TOOLS.join(" "))
}

/// Adds the load generators.
pub fn add_to_guest(image: &mut Image, tools: &Tools) -> Result<()> {
    image.program("usr/sbin/ethtool")?;
    image.take_from(&tools.root());
    for program in GUEST_TOOLS {
        image.program(program)?;
    }
    Ok(())
}

/// Adds the load generators' other ends.
pub fn add_to_dom0(image: &mut Image, tools: &Tools) -> Result<()> {
    image.take_from(&tools.root());
    for program in DOM0_TOOLS {
        image.program(program)?;
    }
    Ok(())
}

/// What is put into a guest to be counted.
pub struct Marks {
    /// The library that is preloaded into the load generators.
    pub library: Vec<u8>,
    /// The program whose counts are known.
    pub program: Vec<u8>,
}

impl Marks {
    /// Compiles them with this machine's compiler.
    pub fn compile() -> Result<Self> {
        let place = tempfile::tempdir()?;
        MARK.extract(place.path())?;
        let compile = |source: &str, options: &[&str]| {
            let to = place.path().join("made");
            compile(place.path(), &[source], options, &to)?;
            anyhow::Ok(fs::read(to)?)
        };
        Ok(Marks {
            library: compile("preload.c", &["-fPIC", "-shared"])?,
            program: compile("counted.c", &["-static"])?,
        })
    }
}

/// Compiles C sources of a directory with this machine's compiler.
pub fn compile(directory: &Path, sources: &[&str], options: &[&str], to: &Path) -> Result<()> {
    let output = Command::new("gcc")
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg("-o")
        .arg(to)
        .args(sources)
        .current_dir(directory)
        .output()
        .context("cannot run gcc")?;
    if !output.status.success() {
        bail!(
            "{} does not compile:\n{}",
            sources.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_compile_to_the_instructions_that_the_plugin_looks_for() {
        let marks = Marks::compile().unwrap();
        for code in [&marks.library, &marks.program] {
            for number in [1, 2] {
                let mark = [0x0f, 0x1f, 0x80, number, b'X', b'P', b'V'];
                assert!(code.windows(mark.len()).any(|bytes| bytes == mark));
            }
        }
    }
}

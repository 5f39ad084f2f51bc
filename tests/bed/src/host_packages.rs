// SPDX-License-Identifier: GPL-2.0-only
//! The programs that the bed needs of the machine it runs on.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};

use crate::archive::last_error;
use crate::progress::Progress;

/// Installs the Debian packages of the tools this machine lacks. Each tool is a program on the PATH or an absolute
/// path, with the package it comes from.
pub fn ensure_host_packages(tools: &[(&str, &str)], progress: &dyn Progress) -> Result<()> {
    let mut missing: Vec<&str> = tools
        .iter()
        .filter(|(tool, _)| !have(tool))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let step = progress.step(&format!("Installing {list}"), None);
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Another run, or the machine's own updates, may be at it.
            .args(["-o", "DPkg::Lock::Timeout=600"])
            .args(arguments)
            .stdin(Stdio::null());
        command
            .output()
            .context("this machine has no apt-get: the bed needs Debian or one of its kin")
    };
    let install = || {
        apt(&[
            &["install", "-y", "-q", "--no-install-recommends"],
            &missing[..],
        ]
        .concat())
    };
    let mut output = install()?;
    if !output.status.success() {
        step.doing("apt-get update");
        apt(&["update", "-q"])?;
        output = install()?;
    }
    if !output.status.success() {
        let why = last_error(&String::from_utf8_lossy(&output.stderr));
        bail!("cannot install {list} ({why}): run `apt-get install {list}` as root");
    }
    Ok(())
}

fn have(tool: &str) -> bool {
    if tool.starts_with('/') {
        return Path::new(tool).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}

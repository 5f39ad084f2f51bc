// SPDX-License-Identifier: GPL-2.0-only
//! The Debian packages the bed runs: QEMU, Xen, its tools and dom0's kernel, unpacked but not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::archive::Archive;
use crate::cache::{Cache, Entry, Key};
use crate::progress::Progress;

/// The packages whose content the bed uses; their dependencies come with them.
const PACKAGES: &[&str] = &[
    "libc6",
    "busybox-static",
    "dash",
    "kmod",
    "e2fsprogs",
    "fdisk",
    "iproute2",
    "ethtool",
    "xen-utils-4.20",
    "xenstore-utils",
    "xen-hypervisor-4.20-amd64",
    "qemu-system-xen",
    "qemu-system-x86",
    "libpython3.13-minimal",
    "linux-image-amd64",
];

/// The load generators of the benchmarks.
const TOOLS: &[&str] = &["libc6", "fio", "iperf3", "netperf"];

/// The unpacked packages.
pub struct Tree {
    entry: Entry,
    /// The dom0 kernel's release, such as `6.12.107+deb13-amd64`.
    pub dom0_release: String,
}

impl Tree {
    /// Finds or makes the tree of the newest packages the archive offers.
    pub fn open(cache: &Cache, archive: &Archive, progress: &dyn Progress) -> Result<Self> {
        let what = "Unpacking Xen, QEMU and dom0's kernel";
        let entry = unpacked(cache, archive, "tree", PACKAGES, what, progress)?;
        let dom0_release = only_name(&entry.join("root/usr/lib/modules"))?;
        Ok(Tree {
            entry,
            dom0_release,
        })
    }

    /// The tree's root directory.
    pub fn root(&self) -> PathBuf {
        self.entry.join("root")
    }

    /// The tree's name in the cache: it stands for its whole content in other keys.
    pub fn id(&self) -> String {
        name(&self.entry)
    }

    /// The directory of dom0's kernel modules.
    pub fn dom0_modules(&self) -> PathBuf {
        self.root().join("usr/lib/modules").join(&self.dom0_release)
    }

    /// A command that runs one of the tree's programs, with the tree's own libraries, in a process that is killed
    /// when the thread that started it ends.
    pub fn command(&self, program: &str) -> Command {
        let root = self.root();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(root.join("usr/lib64/ld-linux-x86-64.so.2"))
            .arg("--library-path")
            .arg(root.join("usr/lib/x86_64-linux-gnu"))
            .arg(root.join(program.trim_start_matches('/')));
        command
    }
}

/// The unpacked packages of the load generators.
pub struct Tools(Entry);

impl Tools {
    /// Finds or makes the tree of the newest packages the archive offers.
    pub fn open(cache: &Cache, archive: &Archive, progress: &dyn Progress) -> Result<Self> {
        let what = "Unpacking fio, iperf3 and netperf";
        unpacked(cache, archive, "tools", TOOLS, what, progress).map(Tools)
    }

    /// The tree's root directory.
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// The tree's name in the cache.
    pub fn id(&self) -> String {
        name(&self.0)
    }
}

fn name(entry: &Entry) -> String {
    entry
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Finds or makes a tree of the newest versions of packages.
fn unpacked(
    cache: &Cache,
    archive: &Archive,
    kind: &str,
    packages: &[&str],
    what: &str,
    progress: &dyn Progress,
) -> Result<Entry> {
    let versions = archive.versions(packages)?;
    let key = versions
        .iter()
        .fold(Key::new("tree 1"), |key, (name, version)| {
            key.with(name, version)
        });
    cache.entry(kind, &key, |to| {
        let step = progress.step(what, None);
        archive.bootstrap(
            "extract",
            packages,
            &to.join("root"),
            &to.join("tree.log"),
            &*step,
        )
    })
}

fn only_name(directory: &Path) -> Result<String> {
    let mut names = fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        _ => bail!("{} does not hold exactly one kernel", directory.display()),
    }
}

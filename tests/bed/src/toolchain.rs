// SPDX-License-Identifier: GPL-2.0-only
//! The toolchain root: a Debian tree with the compilers the stock kernel was built with, the kernel's headers, and the
//! metadata of its Rust crates, which Debian does not ship (`scripts/rust-metadata.sh` makes it, once).
//!
//! Modules are built inside it (chroot). The sources are copied in, so nothing of the machine is mounted there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::archive::Archive;
use crate::cache::{remove_tree, Cache, Entry, Key};
use crate::host_packages::ensure_host_packages;
use crate::kernel::Kernel;
use crate::process::{run_logged, tied};
use crate::progress::Progress;

/// What compiling the kernel's Rust crates and modules needs, besides the C compiler.
const TOOLS: &[&str] = &[
    "bc",
    "bindgen",
    "bison",
    "flex",
    "gcc",
    "kmod",
    "libc6-dev",
    "libdw-dev",
    "libelf-dev",
    "libssl-dev",
    "make",
    "openssl",
    "pahole",
    "perl",
    "python3",
    "rust-clippy",
    "rust-src",
    "rustc",
    "rustfmt",
    "xz-utils",
    "zlib1g-dev",
];

const METADATA: &str = include_str!("../../../scripts/rust-metadata.sh");
const KINDS_KEPT: usize = 2;

/// A toolchain root that is ready.
pub struct Toolchain {
    /// The kernel it builds modules for.
    pub kernel: Kernel,
    entry: Entry,
}

impl Toolchain {
    /// Finds or makes the toolchain root for the kernel that [`Kernel::choose`] takes.
    ///
    /// When a package has gone from the archive since the index was read, the choice is made once more.
    pub fn open(cache: &Cache, archive: &Archive, progress: &dyn Progress) -> Result<Self> {
        let kernel = Kernel::choose(archive, progress)?;
        match Toolchain::for_kernel(cache, archive, kernel.clone(), progress) {
            Ok(toolchain) => Ok(toolchain),
            Err(error) => match Kernel::choose(archive, progress) {
                Ok(now) if now != kernel => {
                    progress.note(&format!(
                        "{} has left the archive: taking {}.",
                        kernel.release, now.release
                    ));
                    Toolchain::for_kernel(cache, archive, now, progress)
                }
                _ => Err(error),
            },
        }
    }

    /// The root's directory.
    pub fn root(&self) -> PathBuf {
        self.entry.join("root")
    }

    /// A name that stands for all of the toolchain's content.
    pub fn id(&self) -> String {
        self.entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The kernel's module directory, which also holds its image, `vmlinuz`.
    pub fn modules(&self) -> PathBuf {
        self.root()
            .join("usr/lib/modules")
            .join(&self.kernel.release)
    }

    /// A command that runs inside the root.
    pub fn command(&self, program: &str) -> Command {
        inside(&self.root(), program)
    }

    fn for_kernel(
        cache: &Cache,
        archive: &Archive,
        kernel: Kernel,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let tools: Vec<&str> = TOOLS
            .iter()
            .copied()
            .chain([kernel.compiler.as_str()])
            .collect();
        let mut key = Key::new("toolchain 1")
            .with("kernel", &kernel.release)
            .with("version", &kernel.version);
        for (package, version) in archive.versions(&tools)? {
            key = key.with(&package, version);
        }
        let key = key.with("metadata", METADATA);
        let entry = cache.entry("toolchain", &key, |to| {
            ensure_host_packages(
                &[("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux")],
                progress,
            )?;
            build(archive, &kernel, &tools, to, progress)
        })?;
        cache.prune("toolchain", KINDS_KEPT)?;
        Ok(Toolchain { kernel, entry })
    }
}

fn build(
    archive: &Archive,
    kernel: &Kernel,
    tools: &[&str],
    to: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let root = to.join("root");
    let packages = kernel.packages(archive)?;
    let bootstrap = || {
        let step = progress.step("Installing the compilers into a Debian tree", None);
        archive.bootstrap("apt", tools, &root, &to.join("bootstrap.log"), &*step)
    };
    let files = std::thread::scope(|scope| {
        let download = scope.spawn(|| archive.download(&packages, &to.join("packages"), progress));
        let bootstrapped = bootstrap();
        let downloaded = download
            .join()
            .map_err(|_| anyhow::anyhow!("the download ended by a panic"))?;
        bootstrapped.and(downloaded)
    })?;
    unpack(&files, &root, progress)?;
    remove_tree(&to.join("packages"))?;
    make_metadata(kernel, &root, &to.join("metadata.log"), progress)?;
    for directory in ["usr/src/linux-source", "var/lib/apt/lists", "var/cache/apt"] {
        remove_matching(&root.join(directory))?;
    }
    fs::create_dir_all(root.join("build"))?;
    Ok(())
}

fn unpack(packages: &[PathBuf], root: &Path, progress: &dyn Progress) -> Result<()> {
    let step = progress.step(
        "Unpacking the kernel's packages",
        Some(packages.len() as u64),
    );
    for (package, position) in packages.iter().zip(1..) {
        let status = Command::new("dpkg-deb")
            .arg("-x")
            .arg(package)
            .arg(root)
            .status();
        if !status.context("cannot run dpkg-deb")?.success() {
            bail!("cannot unpack {}", package.display());
        }
        step.at(position);
    }
    Ok(())
}

fn make_metadata(kernel: &Kernel, root: &Path, log: &Path, progress: &dyn Progress) -> Result<()> {
    let step = progress.step(
        &format!("Compiling the Rust crates of Linux {}", kernel.release),
        None,
    );
    fs::write(root.join("tmp/rust-metadata.sh"), METADATA)?;
    let mut command = inside(root, "sh");
    command.arg("/tmp/rust-metadata.sh").arg(kernel.headers());
    run_logged(command, log, &*step).context("the kernel's Rust metadata could not be made")
}

/// A command that runs inside a root, with `/proc` (which rustc needs) mounted there for itself alone, with an
/// environment of its own, and with its errors going to its standard output.
fn inside(root: &Path, program: &str) -> Command {
    let mut command = tied("sh");
    command
        .args([
            "-c",
            r#"exec 2>&1; mount -t proc proc "$0/proc" && exec chroot "$0" "$@""#,
        ])
        .arg(root)
        .args([
            "/usr/bin/env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
        ])
        .arg(program);
    command
}

/// Removes every file and directory whose path begins with `start`.
fn remove_matching(start: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (start.parent(), start.file_name()) else {
        return Ok(());
    };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&*name.to_string_lossy())
        {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

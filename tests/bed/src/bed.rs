// SPDX-License-Identifier: GPL-2.0-only
//! The whole bed: the machine, the guest's image and the toolchain its modules are built with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{anyhow, bail, Context, Result};

use crate::archive::Archive;
use crate::bench::tools;
use crate::cache::{Cache, Entry};
use crate::dom0::{image_key, Dom0, HOST_TOOLS};
use crate::host_packages::ensure_host_packages;
use crate::image::{Image, Modules};
use crate::machine::{self, Purpose};
use crate::progress::Progress;
use crate::sources::{self, add_agent, add_guest_programs, add_root, module_list, write_image};
use crate::toolchain::Toolchain;

const GUEST_PROGRAMS: &[&str] = &[
    "usr/bin/busybox",
    "usr/bin/dash",
    "usr/bin/kmod",
    "usr/sbin/mke2fs",
    "usr/sbin/sfdisk",
    "usr/bin/ip",
    "usr/sbin/ethtool",
    "usr/bin/xenstore-exists",
    "usr/bin/xenstore-ls",
    "usr/bin/xenstore-read",
    "usr/bin/xenstore-rm",
    "usr/bin/xenstore-watch",
    "usr/bin/xenstore-write",
    "usr/lib/xen-4.20/bin/vchan-socket-proxy",
    // What xenstore-watch ends its thread with; glibc loads it at that moment.
    "usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
];

const GUEST_LINKS: &[(&str, &str)] = &[
    // Not busybox's: it prefers its own commands to those on the PATH.
    ("usr/bin/sh", "dash"),
    ("usr/sbin/modprobe", "../bin/kmod"),
    ("usr/sbin/insmod", "../bin/kmod"),
    ("usr/sbin/rmmod", "../bin/kmod"),
    ("usr/sbin/lsmod", "../bin/kmod"),
    ("usr/sbin/depmod", "../bin/kmod"),
    ("usr/sbin/modinfo", "../bin/kmod"),
    ("usr/sbin/mkfs.ext4", "mke2fs"),
    ("usr/sbin/mkfs.ext2", "mke2fs"),
    (
        "usr/bin/vchan-socket-proxy",
        "../lib/xen-4.20/bin/vchan-socket-proxy",
    ),
];

/// The checkout this program was built from, which holds the modules' sources and the tests.
pub const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// See the module's description.
pub struct Bed {
    /// Xen and dom0.
    pub dom0: Dom0,
    /// What builds modules for the guest's kernel.
    pub toolchain: Toolchain,
    guest: Entry,
}

impl Bed {
    /// Finds or makes everything up to the snapshot of dom0. The toolchain takes longest and leaves a core idle for
    /// much of its time, so the machine is made beside it.
    pub fn open(purpose: Purpose, progress: &dyn Progress) -> Result<Self> {
        let cache = Cache::open()?;
        let archive = Archive::open(&cache, progress)?;
        // All at once, before two threads could call apt-get.
        ensure_host_packages(HOST_TOOLS, progress)?;
        let (dom0, toolchain) = thread::scope(|scope| {
            let dom0 = scope.spawn(|| {
                let dom0 = Dom0::open(&cache, &archive, purpose, progress)?;
                dom0.snapshot(progress)?;
                anyhow::Ok(dom0)
            });
            let toolchain = Toolchain::open(&cache, &archive, progress);
            (
                dom0.join()
                    .unwrap_or_else(|_| Err(anyhow!("making dom0 panicked"))),
                toolchain,
            )
        });
        let (dom0, toolchain) = (dom0?, toolchain?);
        let release = &toolchain.kernel.release;
        let mut key = image_key("guest image 4", &dom0.tree, &sources::GUEST)
            .with("release", release)
            .with("version", &toolchain.kernel.version)
            .with("content", format!("{GUEST_PROGRAMS:?} {GUEST_LINKS:?}"));
        if let Some(tools) = &dom0.tools {
            key = tools::guest_key(key, tools);
        }
        let guest = cache.entry("guest", &key, |to| {
            let _step = progress.step("Making the guest's image", None);
            make_image(&dom0, &toolchain.modules(), release, to)
        })?;
        Ok(Bed {
            dom0,
            toolchain,
            guest,
        })
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.dom0.cache
    }

    /// The archive with the guest's kernel and initramfs.
    pub fn guests(&self) -> PathBuf {
        self.guest.join("guest.cpio")
    }

    /// A name that stands for the content of the guest's image.
    pub fn guest_id(&self) -> String {
        self.guest
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

fn make_image(dom0: &Dom0, kernel: &Path, release: &str, to: &Path) -> Result<()> {
    let mut image = Image::new(&dom0.tree.root());
    for program in GUEST_PROGRAMS {
        image.program(program)?;
    }
    for (path, target) in GUEST_LINKS {
        image.link(path, target);
    }
    let mut modules: Vec<String> = module_list(&sources::GUEST)?
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    if let Some(tools) = &dom0.tools {
        tools::add_to_guest(&mut image, tools)?;
        modules.extend(tools::GUEST_MODULES.iter().map(|name| (*name).to_owned()));
    }
    add_root(&mut image, &sources::GUEST);
    add_modules(&mut image, &modules, kernel, release, &to.join("staging"))?;
    add_agent(&mut image, to)?;
    add_guest_programs(&mut image, to)?;
    write_image(&image, &to.join("initramfs"))?;
    let mut files = Image::empty();
    files.file("vmlinuz", &kernel.join("vmlinuz"))?;
    files.file("initramfs", &to.join("initramfs"))?;
    fs::remove_file(to.join("initramfs"))?;
    write_image(&files, &to.join("guest.cpio"))?;
    let file = File::options().write(true).open(to.join("guest.cpio"))?;
    if file.metadata()?.len() > machine::GUESTS_SIZE {
        bail!("the guest's image has grown past its disk: raise GUESTS_SIZE in machine.rs");
    }
    // The disk it is read from has one size, whatever is on it.
    Ok(file.set_len(machine::GUESTS_SIZE)?)
}

/// Puts modules, those they need and depmod's tables into an image.
fn add_modules(
    image: &mut Image,
    names: &[String],
    kernel: &Path,
    release: &str,
    staging: &Path,
) -> Result<()> {
    let directory = format!("usr/lib/modules/{release}");
    let mut files: Vec<(String, Vec<u8>)> = Modules::scan(kernel)?
        .with_dependencies(names.iter().map(String::as_str))?
        .into_iter()
        .map(|module| (format!("kernel/{}.ko", module.name), module.data))
        .collect();
    for name in [
        "modules.builtin",
        "modules.order",
        "modules.builtin.modinfo",
    ] {
        files.push((
            name.to_owned(),
            fs::read(kernel.join(name)).unwrap_or_default(),
        ));
    }
    for (name, data) in files {
        let path = staging.join(&directory).join(&name);
        fs::create_dir_all(path.parent().unwrap_or(staging))?;
        fs::write(path, data)?;
    }
    std::os::unix::fs::symlink("usr/lib", staging.join("lib"))?;
    let status = Command::new("depmod")
        .arg("-b")
        .arg(staging)
        .arg(release)
        .status()
        .context("cannot run depmod")?;
    if !status.success() {
        bail!("depmod failed for the guest's modules");
    }
    fs::remove_file(staging.join("lib"))?;
    image
        .overlay(staging)
        .context("collecting the guest's modules")?;
    crate::cache::remove_tree(staging)
}

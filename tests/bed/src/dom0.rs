// SPDX-License-Identifier: GPL-2.0-only
//! Xen and dom0: what the emulated machine boots, and the snapshot of it that is ready for guests.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::archive::Archive;
use crate::bench;
use crate::cache::{Cache, Entry, Key};
use crate::image::{read_unpacked, vmlinux, Image, Modules};
use crate::machine::{self, Boot, Machine, Purpose};
use crate::progress::Progress;
use crate::run::Run;
use crate::session::{Session, Side};
use crate::sources::{self, add_agent, add_root, add_source, module_list, write_image};
use crate::tree::{Tools, Tree};

const XEN_BIN: &str = "usr/lib/xen-4.20/bin";

const DOM0_PROGRAMS: &[&str] = &[
    "usr/lib/xen-4.20/bin/xl",
    "usr/lib/xen-4.20/bin/xenstored",
    "usr/lib/xen-4.20/bin/xenconsoled",
    "usr/lib/xen-4.20/bin/xenconsole",
    "usr/lib/xen-4.20/bin/xen-init-dom0",
    "usr/lib/xen-4.20/bin/libxl-save-helper",
    "usr/lib/xen-4.20/bin/lsevtchn",
    "usr/lib/xen-4.20/bin/xen-hvmctx",
    "usr/lib/xen-4.20/bin/xenctx",
    "usr/lib/xen-4.20/bin/xen-diag",
    "usr/lib/xen-4.20/bin/vchan-socket-proxy",
    "usr/libexec/xen-qemu-system-i386",
    "usr/bin/xenstore-ls",
    "usr/bin/xenstore-read",
    "usr/bin/xenstore-write",
    "usr/bin/xenstore-rm",
    "usr/bin/xenstore-watch",
    "usr/bin/xenstore-list",
    "usr/bin/xenstore-exists",
    "usr/bin/xenstore-chmod",
    "usr/bin/busybox",
    "usr/bin/dash",
];

const DOM0_DATA: &[&str] = &[
    "usr/lib/xen-4.20/boot/hvmloader",
    "usr/share/seabios/bios-256k.bin",
    "usr/share/seabios/vgabios-stdvga.bin",
    "usr/share/qemu/linuxboot.bin",
    "usr/share/qemu/linuxboot_dma.bin",
    "usr/share/qemu/kvmvapic.bin",
    "usr/share/qemu/efi-e1000.rom",
    "usr/share/qemu/efi-rtl8139.rom",
    "usr/share/qemu/keymaps/en-us",
];

/// Time-outs are for a loaded machine: an idle one needs a tenth of them.
pub const BOOT_LIMIT: Duration = Duration::from_secs(900);
/// For a command in dom0.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// How many versions of each image stay.
const IMAGES_KEPT: usize = 6;

/// What the bed and the toolchain need of this machine, as programs and the packages they come from.
pub const HOST_TOOLS: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("gcc", "gcc"),
    ("/usr/include/stdio.h", "libc6-dev"),
    ("objcopy", "binutils"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// Everything but the guest.
pub struct Dom0 {
    /// The cache all comes from.
    pub cache: Cache,
    /// The unpacked packages.
    pub tree: Tree,
    /// Those of the load generators, if the machine is for benchmarks.
    pub tools: Option<Tools>,
    purpose: Purpose,
    image: Entry,
}

impl Dom0 {
    /// Finds or makes the packages' tree and dom0's image.
    pub fn open(
        cache: &Cache,
        archive: &Archive,
        purpose: Purpose,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let tree = Tree::open(cache, archive, progress)?;
        let tools = match purpose {
            Purpose::Test => None,
            Purpose::Bench => Some(Tools::open(cache, archive, progress)?),
        };
        let mut key = image_key("dom0 image 1", &tree, &sources::DOM0)
            .with("content", format!("{DOM0_PROGRAMS:?} {DOM0_DATA:?}"))
            .with("other side", sources::other_side()?);
        if let Some(tools) = &tools {
            key = bench::tools::dom0_key(key, tools);
        }
        let image = cache.entry("dom0", &key, |to| {
            let _step = progress.step("Making dom0's image", None);
            make_image(&tree, tools.as_ref(), to)
        })?;
        for kind in ["tree", "tools", "dom0", "guest"] {
            cache.prune(kind, IMAGES_KEPT)?;
        }
        Ok(Dom0 {
            cache: cache.clone(),
            tree,
            tools,
            purpose,
            image,
        })
    }

    /// Starts a machine in the directory of a run, from power-on or from a snapshot. `guests` is the archive that dom0
    /// can create guests from; `plugin` is one of QEMU's.
    pub fn start(
        &self,
        directory: &Path,
        guests: Option<&Path>,
        plugin: Option<String>,
        snapshot: Option<&Entry>,
    ) -> Result<Machine> {
        let boot = Boot {
            xen: self.image.join("xen"),
            kernel: self.image.join("vmlinux"),
            initramfs: self.image.join("initramfs"),
            guests: guests.map(Path::to_owned),
            plugin,
        };
        Machine::start(
            &self.tree,
            self.purpose,
            &boot,
            directory,
            snapshot.map(|entry| entry.join("state")).as_deref(),
        )
    }

    /// Starts a machine from a snapshot and waits for dom0's agent.
    pub fn restore(
        &self,
        directory: &Path,
        guests: Option<&Path>,
        snapshot: &Entry,
    ) -> Result<Session> {
        self.restore_with(directory, guests, None, snapshot)
    }

    /// [`Dom0::restore`] with a plugin of QEMU.
    pub fn restore_with(
        &self,
        directory: &Path,
        guests: Option<&Path>,
        plugin: Option<String>,
        snapshot: &Entry,
    ) -> Result<Session> {
        let mut machine = self.start(directory, guests, plugin, Some(snapshot))?;
        machine.resume()?;
        let mut session = Session::new(machine)?;
        if self.purpose == Purpose::Test {
            session.keep_awake();
        }
        session.wait_answer(Side::Dom0, BOOT_LIMIT)?;
        Ok(session)
    }

    /// A key that stands for all of the machine before any guest is created.
    pub fn key(&self) -> Key {
        Key::new("machine 2")
            .with(
                "image",
                self.image
                    .file_name()
                    .unwrap_or_default()
                    .as_encoded_bytes(),
            )
            .with("machine", machine::description(self.purpose))
    }

    /// Finds or makes the snapshot of a dom0 that is ready.
    pub fn snapshot(&self, progress: &dyn Progress) -> Result<Entry> {
        self.cache
            .entry("snapshot", &self.key().with("state", "dom0"), |to| {
                let step = progress.step("Booting Xen and dom0", None);
                let run = Run::new(&self.cache, "dom0")?;
                let mut session = Session::new(self.start(run.path(), None, None, None)?)?;
                let booted = session
                    .wait_hello(Side::Dom0, BOOT_LIMIT)
                    .and_then(|()| session.run_ok(Side::Dom0, "xl info >/dev/null", COMMAND_LIMIT));
                keep_console(run.path(), to);
                booted.context("Xen or dom0 did not start")?;
                step.doing("writing the snapshot");
                session.machine().save(&to.join("state"))
            })
    }
}

/// The key of an image made of packages, the agent and a directory of the bed.
pub fn image_key(recipe: &str, tree: &Tree, source: &include_dir::Dir) -> Key {
    add_source(
        add_source(Key::new(recipe).with("tree", tree.id()), &sources::AGENT),
        source,
    )
}

/// Keeps the console beside a snapshot; of a failed build the cache keeps it as a log.
pub fn keep_console(run: &Path, to: &Path) {
    for name in ["console.log", "qemu.log"] {
        // A log that cannot be kept must not hide what it tells of.
        let _ = fs::copy(run.join(name), to.join(name));
    }
}

fn make_image(tree: &Tree, tools: Option<&Tools>, to: &Path) -> Result<()> {
    let root = tree.root();
    fs::write(
        to.join("xen"),
        read_unpacked(&root.join("boot/xen-4.20-amd64.gz"))?,
    )?;
    fs::write(
        to.join("vmlinux"),
        vmlinux(
            &root
                .join("boot")
                .join(format!("vmlinuz-{}", tree.dom0_release)),
        )?,
    )?;
    let mut image = Image::new(&root);
    for program in DOM0_PROGRAMS {
        image.program(program)?;
    }
    for data in DOM0_DATA {
        image.from_tree(data)?;
    }
    for program in [
        "xl",
        "xenstored",
        "xenconsoled",
        "xenconsole",
        "xen-init-dom0",
    ] {
        image.link(
            &format!("usr/sbin/{program}"),
            &format!("/{XEN_BIN}/{program}"),
        );
    }
    if let Some(tools) = tools {
        bench::tools::add_to_dom0(&mut image, tools)?;
    }
    add_root(&mut image, &sources::DOM0);
    let list = module_list(&sources::DOM0)?;
    let modules = Modules::scan(&tree.dom0_modules())?;
    let loaded = modules.with_dependencies(list.iter().map(|(name, _)| name.as_str()))?;
    let mut order = String::new();
    for module in loaded {
        let options = list
            .iter()
            .find(|(name, _)| name.replace('-', "_") == module.name)
            .map_or("", |(_, options)| options.as_str());
        order.push_str(&format!("{} {options}\n", module.name));
        image.data(
            &format!("usr/lib/modules/{}.ko", module.name),
            module.data,
            0o644,
        );
    }
    image.data("usr/lib/modules/order", order, 0o644);
    add_agent(&mut image, to)?;
    sources::add_other_side(&mut image, to)?;
    write_image(&image, &to.join("initramfs"))
}

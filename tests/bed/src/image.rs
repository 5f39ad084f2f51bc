// SPDX-License-Identifier: GPL-2.0-only
//! Initramfs images, made in memory without root rights: programs with the libraries they need, kernel modules with
//! theirs, scripts and links, written as one "newc" cpio archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};
use goblin::elf::Elf;

const LIBRARY_DIRECTORIES: &[&str] = &[
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/xen-4.20/lib/x86_64-linux-gnu",
    "usr/lib",
    "usr/lib/x86_64-linux-gnu/pulseaudio",
    "usr/lib/x86_64-linux-gnu/ceph",
];
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";

enum Node {
    Directory,
    File { data: Vec<u8>, mode: u32 },
    Link(String),
}

/// An initramfs under construction. Paths are relative to its root.
pub struct Image {
    tree: PathBuf,
    nodes: BTreeMap<String, Node>,
}

impl Image {
    /// An archive with nothing in it yet.
    pub fn empty() -> Self {
        Image {
            tree: PathBuf::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// An image with the usual directories, taking programs and libraries from the Debian tree at `tree`.
    pub fn new(tree: &Path) -> Self {
        let mut image = Image {
            tree: tree.to_owned(),
            ..Image::empty()
        };
        for path in [
            "proc",
            "sys",
            "dev",
            "run",
            "tmp",
            "root",
            "var/log",
            "var/lib",
            "etc",
            "usr/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
        ] {
            image.directory(path);
        }
        for (path, target) in [
            ("bin", "usr/bin"),
            ("sbin", "usr/sbin"),
            ("lib", "usr/lib"),
            ("lib64", "usr/lib64"),
            ("var/run", "/run"),
            ("var/lock", "/run/lock"),
        ] {
            image.link(path, target);
        }
        image
    }

    /// Takes further programs and libraries from another Debian tree.
    pub fn take_from(&mut self, tree: &Path) {
        self.tree = tree.to_owned();
    }

    /// Adds a directory and those that lead to it.
    pub fn directory(&mut self, path: &str) {
        self.parents(path);
        self.nodes.entry(path.to_owned()).or_insert(Node::Directory);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.nodes
            .insert(path.to_owned(), Node::Link(target.to_owned()));
    }

    /// Adds a file with the given content.
    pub fn data(&mut self, path: &str, data: impl Into<Vec<u8>>, mode: u32) {
        self.parents(path);
        self.nodes.insert(
            path.to_owned(),
            Node::File {
                data: data.into(),
                mode,
            },
        );
    }

    /// Adds a file of this machine.
    pub fn file(&mut self, path: &str, from: &Path) -> Result<()> {
        let data = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let mode = fs::metadata(from)?.permissions().mode() & 0o777;
        self.data(path, data, mode);
        Ok(())
    }

    /// Adds every file below a directory of this machine.
    pub fn overlay(&mut self, directory: &Path) -> Result<()> {
        for relative in crate::cache::list_tree(directory, &|_| true)? {
            self.file(&relative.to_string_lossy(), &directory.join(&relative))?;
        }
        Ok(())
    }

    /// Adds a file of the tree under its own path.
    pub fn from_tree(&mut self, path: &str) -> Result<()> {
        let from = self.resolve(path)?;
        self.file(path, &from)
    }

    /// Adds a program of the tree and the shared libraries it needs.
    pub fn program(&mut self, path: &str) -> Result<()> {
        if self.nodes.contains_key(path) {
            return Ok(());
        }
        self.from_tree(path)?;
        let Some(Node::File { data, .. }) = self.nodes.get(path) else {
            bail!("{path} is not a file");
        };
        let elf = Elf::parse(data).with_context(|| format!("{path} is not a program"))?;
        let needed: Vec<String> = elf
            .libraries
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        if elf.interpreter.is_some() {
            self.program(LOADER)?;
        }
        for name in needed {
            let place = LIBRARY_DIRECTORIES
                .iter()
                .map(|directory| format!("{directory}/{name}"));
            let mut found = place.filter(|place| self.tree.join(place).symlink_metadata().is_ok());
            match found.next() {
                Some(library) => self.program(&library)?,
                None if name.starts_with("ld-linux") => {}
                None => bail!("{path} needs {name}, which no unpacked package has"),
            }
        }
        Ok(())
    }

    /// The archive.
    pub fn write(&self, to: &mut dyn Write) -> Result<()> {
        for (inode, (path, node)) in self.nodes.iter().enumerate() {
            let (mode, data): (u32, &[u8]) = match node {
                Node::Directory => (0o040_755, &[]),
                Node::File { data, mode } => (0o100_000 | mode, data),
                Node::Link(target) => (0o120_777, target.as_bytes()),
            };
            let length =
                u32::try_from(data.len()).with_context(|| format!("{path} is too large"))?;
            let head = cpio::newc::Builder::new(path)
                .ino(u32::try_from(inode)?.wrapping_add(1))
                .mode(mode)
                .nlink(1);
            let mut writer = head.write(&mut *to, length);
            writer.write_all(data)?;
            writer.finish()?;
        }
        cpio::newc::trailer(to)?;
        Ok(())
    }

    fn parents(&mut self, path: &str) {
        let directories: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        for directory in directories {
            if !directory.is_empty() && !self.nodes.contains_key(directory) {
                self.nodes.insert(directory.to_owned(), Node::Directory);
            }
        }
    }

    /// Follows symbolic links inside the tree.
    fn resolve(&self, path: &str) -> Result<PathBuf> {
        let mut at = PathBuf::from(path);
        for _ in 0..16 {
            let full = self.tree.join(&at);
            match fs::read_link(&full) {
                Ok(target) if target.is_absolute() => at = target.strip_prefix("/")?.to_owned(),
                Ok(target) => at = at.parent().unwrap_or(Path::new("")).join(target),
                Err(_) => return Ok(full),
            }
        }
        bail!("{path} is a loop of symbolic links")
    }
}

/// The modules of one kernel, found by name.
pub struct Modules {
    files: BTreeMap<String, PathBuf>,
}

/// A module ready to be put into an image: small, uncompressed, without signature.
pub struct Module {
    /// Name with underscores, as the kernel shows it.
    pub name: String,
    /// Content.
    pub data: Vec<u8>,
}

impl Modules {
    /// Looks through a kernel's module directory.
    pub fn scan(directory: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for relative in crate::cache::list_tree(&directory.join("kernel"), &|_| true)? {
            let name = relative
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if let Some((name, _)) = name.split_once(".ko") {
                files.insert(
                    name.replace('-', "_"),
                    directory.join("kernel").join(&relative),
                );
            }
        }
        Ok(Modules { files })
    }

    /// Reads the named modules and those they depend on, in the order in which they must be inserted. Names that are
    /// built into the kernel must not be asked for.
    pub fn with_dependencies<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Module>> {
        let mut modules = Vec::new();
        for name in names {
            self.add(name, &mut modules)?;
        }
        Ok(modules)
    }

    fn add(&self, name: &str, modules: &mut Vec<Module>) -> Result<()> {
        let name = name.replace('-', "_");
        if modules.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let path = self
            .files
            .get(&name)
            .with_context(|| format!("the kernel has no module {name}"))?;
        let data = read_unpacked(path)?;
        for dependency in depends(&data) {
            self.add(&dependency, modules)?;
        }
        modules.push(Module {
            name,
            data: strip(&data)?,
        });
        Ok(())
    }
}

/// The names in a module's "depends=" line.
fn depends(module: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"\0depends=";
    let Some(at) = module
        .windows(FIELD.len())
        .position(|window| window == FIELD)
    else {
        return Vec::new();
    };
    let value = module[at + FIELD.len()..]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    let names = String::from_utf8_lossy(value).into_owned();
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Removes what only costs loading time under emulation: debug information, BTF and the signature after the end.
pub fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("module.ko");
    fs::write(&path, module)?;
    let output = Command::new("objcopy")
        .args(["--strip-debug", "-R", ".BTF", "-R", ".BTF.base"])
        .arg(&path)
        .output()
        .context("cannot run objcopy (apt-get install binutils)")?;
    if !output.status.success() {
        bail!(
            "objcopy failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(fs::read(&path)?)
}

/// Reads a file, unpacking it by what its first bytes say it is.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    unpack(data).with_context(|| format!("cannot unpack {}", path.display()))
}

/// Unpacks xz, zstd or gzip data; anything else is returned as it is.
pub fn unpack(data: Vec<u8>) -> Result<Vec<u8>> {
    let program = match data.as_slice() {
        [0xfd, b'7', b'z', ..] => "xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0x1f, 0x8b, ..] => "gzip",
        _ => return Ok(data),
    };
    let mut child = Command::new(program)
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let mut input = child.stdin.take().context("no pipe")?;
    let feeder = std::thread::spawn(move || input.write_all(&data).is_ok());
    let output = child.wait_with_output()?;
    if !matches!(feeder.join(), Ok(true)) || !output.status.success() {
        bail!("{program} failed");
    }
    Ok(output.stdout)
}

/// The ELF kernel inside a bzImage: unpacking it here takes a second, under emulation half a minute.
pub fn vmlinux(bzimage: &Path) -> Result<Vec<u8>> {
    let data = fs::read(bzimage).with_context(|| format!("cannot read {}", bzimage.display()))?;
    let word = |at: usize| -> Result<usize> {
        let bytes = data
            .get(at..at + 4)
            .context("the kernel image is too short")?;
        Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    // Linux's Documentation/arch/x86/boot.rst: setup_sects, payload_offset and payload_length.
    let sectors = usize::from(*data.get(0x1f1).context("the kernel image is too short")?);
    let start = (sectors.max(1) + 1) * 512 + word(0x248)?;
    let payload = data
        .get(start..start + word(0x24c)?)
        .context("the kernel image is cut off")?;
    // gzip ends with the unpacked length; behind the other formats the kernel's build appends it.
    let appended = if payload.starts_with(&[0x1f, 0x8b]) {
        0
    } else {
        4
    };
    let kernel = unpack(payload[..payload.len().saturating_sub(appended)].to_vec())?;
    if !kernel.starts_with(b"\x7fELF") {
        bail!("{} does not hold an ELF kernel", bzimage.display());
    }
    Ok(kernel)
}

// SPDX-License-Identifier: GPL-2.0-only
//! The cache outside the checkout: directories named by a hash of everything they were made from.
//!
//! An entry lives at `<cache>/<kind>/<key>/`. It is built in `<cache>/<kind>/.<key>.tmp/` under an exclusive lock
//! and then renamed, so an entry that exists is whole: a run that was killed half-way leaves only a `.tmp` directory,
//! which the next builder of the same key removes. Two runs that want the same key wait for one another and build once.
//! As the key covers the inputs, an entry is never stale; it can only be unused, and [`Cache::prune`] removes those.
//!
//! Each entry has a lock file `<cache>/<kind>/.<key>.lock`. Whoever uses an entry holds it shared (see [`Entry`]),
//! so pruning cannot take an entry from under a running guest. Lock files are a few bytes and stay for ever: removing
//! one would let two runs lock two different files of the same name.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{bail, Context, Result};
use fs4::fs_std::FileExt;
use sha2::{Digest, Sha256};

/// A hash over everything an entry is made from.
///
/// Every input is fed with its name and its length, so that two different lists of inputs never give the same bytes.
#[derive(Clone)]
pub struct Key(Sha256);

impl Key {
    /// Starts a key. `recipe` names the builder and its version: change it when the way of building changes.
    pub fn new(recipe: &str) -> Self {
        Key(Sha256::new()).with("recipe", recipe)
    }

    /// Adds one named input.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.feed(name.as_bytes());
        self.feed(value.as_ref());
        self
    }

    /// Adds the content of a file.
    pub fn with_file(self, path: &Path) -> Result<Self> {
        let mut content = Vec::new();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut content))
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.with(
            &path.file_name().unwrap_or_default().to_string_lossy(),
            content,
        ))
    }

    /// Adds a directory: the relative name, the executable bit and the content of every file that `wanted` (called
    /// with the relative path of each file and directory) lets through. The place of the directory does not count.
    pub fn with_tree(mut self, root: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Self> {
        for relative in list_tree(root, wanted)? {
            let path = root.join(&relative);
            let meta = fs::symlink_metadata(&path)?;
            self.feed(relative.as_os_str().as_bytes());
            if meta.is_symlink() {
                self.feed(b"link");
                self.feed(fs::read_link(&path)?.as_os_str().as_bytes());
            } else {
                self.feed(if meta.permissions().mode() & 0o111 != 0 {
                    b"exec"
                } else {
                    b"file"
                });
                self.feed(
                    &fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
                );
            }
        }
        Ok(self)
    }

    /// The key as a file name: 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

/// Lists the files (and symbolic links) below `root` that `wanted` lets through, as sorted relative paths.
pub fn list_tree(root: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(directory) = todo.pop() {
        let path = root.join(&directory);
        for entry in
            fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?
        {
            let entry = entry?;
            let relative = directory.join(entry.file_name());
            if !wanted(&relative) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                todo.push(relative);
            } else {
                files.push(relative);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache at `$XENPV_CACHE`, or else `$XDG_CACHE_HOME/xenpv`, or else `~/.cache/xenpv`.
    pub fn open() -> Result<Self> {
        let from = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = from("XENPV_CACHE")
            .or_else(|| from("XDG_CACHE_HOME").map(|path| path.join("xenpv")))
            .or_else(|| from("HOME").map(|path| path.join(".cache/xenpv")))
            .context("no place for the cache: set XENPV_CACHE to a directory with 10 GB free")?;
        Cache::at(&root)
    }

    /// Opens the cache at a given place.
    pub fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| {
            format!(
                "cannot make the cache directory {}: set XENPV_CACHE to a writable one",
                root.display()
            )
        })?;
        Ok(Cache {
            root: root.canonicalize()?,
        })
    }

    /// The cache's own directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory that is not keyed: state that keeps itself up to date (the archive's index files, logs, a build
    /// directory worth keeping between runs). Lock it with [`Cache::lock`] when two runs must not share it.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Takes the lock `name` for this process alone, waiting for it if need be, until the returned file is dropped.
    pub fn lock(&self, name: &str) -> Result<File> {
        let file = open_lock(&self.root.join(format!(".{name}.lock")))?;
        FileExt::lock_exclusive(&file)?;
        Ok(file)
    }

    /// The entry `kind`/`key` if it is there already.
    pub fn find(&self, kind: &str, key: &Key) -> Result<Option<Entry>> {
        let place = Place::new(self, kind, &key.hex())?;
        place.take()
    }

    /// The entry `kind`/`key`: the existing one, or else what `build` makes in the empty directory it is given.
    ///
    /// If `build` fails, its directory is removed, except that `*.log` files are kept in `<cache>/failed/<kind>/`.
    pub fn entry(
        &self,
        kind: &str,
        key: &Key,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Entry> {
        let place = Place::new(self, kind, &key.hex())?;
        if let Some(entry) = place.take()? {
            return Ok(entry);
        }
        let lock = open_lock(&place.lock)?;
        FileExt::lock_exclusive(&lock)?;
        if !place.path.exists() {
            remove_tree(&place.temporary)?;
            fs::create_dir(&place.temporary)?;
            if let Err(error) = build(&place.temporary) {
                self.keep_logs(kind, &place.temporary);
                remove_tree(&place.temporary)?;
                return Err(error);
            }
            fs::rename(&place.temporary, &place.path)
                .with_context(|| format!("cannot put {} in place", place.path.display()))?;
        }
        drop(lock);
        place
            .take()?
            .with_context(|| format!("{} vanished while it was being used", place.path.display()))
    }

    /// Removes all but the `keep` last used entries of a kind, and what killed builders left. Entries in use stay.
    pub fn prune(&self, kind: &str, keep: usize) -> Result<()> {
        let directory = self.root.join(kind);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(hex) = name
                .strip_prefix('.')
                .and_then(|rest| rest.strip_suffix(".tmp"))
            {
                self.remove_unused(kind, hex, &entry.path())?;
            } else if !name.starts_with('.') {
                let place = Place::new(self, kind, &name)?;
                let used = fs::metadata(&place.lock).and_then(|meta| meta.modified());
                entries.push((used.unwrap_or(SystemTime::UNIX_EPOCH), name));
            }
        }
        entries.sort();
        entries.reverse();
        for (_, name) in entries.into_iter().skip(keep) {
            self.remove_unused(kind, &name, &directory.join(&name))?;
        }
        Ok(())
    }

    fn remove_unused(&self, kind: &str, hex: &str, path: &Path) -> Result<()> {
        let place = Place::new(self, kind, hex)?;
        let lock = open_lock(&place.lock)?;
        if !FileExt::try_lock_exclusive(&lock)? {
            return Ok(());
        }
        if path == place.path {
            fs::rename(&place.path, &place.temporary)?;
        }
        remove_tree(&place.temporary)
    }

    fn keep_logs(&self, kind: &str, from: &Path) {
        let to = self.root.join("failed").join(kind);
        let logs = fs::read_dir(from).into_iter().flatten().flatten();
        for log in logs.filter(|entry| entry.path().extension() == Some(OsStr::new("log"))) {
            if fs::create_dir_all(&to).is_ok() {
                // A log that cannot be kept must not hide the failure it tells of.
                let _ = fs::copy(log.path(), to.join(log.file_name()));
            }
        }
    }
}

/// A complete entry, locked against pruning for as long as this value lives.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    _shared: File,
}

impl Deref for Entry {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for Entry {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Where one entry, its lock and its unfinished form live.
struct Place {
    path: PathBuf,
    temporary: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn new(cache: &Cache, kind: &str, hex: &str) -> Result<Self> {
        let directory = cache.scratch(kind)?;
        Ok(Place {
            path: directory.join(hex),
            temporary: directory.join(format!(".{hex}.tmp")),
            lock: directory.join(format!(".{hex}.lock")),
        })
    }

    /// Takes the entry if it exists. The lock file's time is the time of the last use.
    fn take(&self) -> Result<Option<Entry>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let shared = open_lock(&self.lock)?;
        FileExt::lock_shared(&shared)?;
        if !self.path.exists() {
            return Ok(None);
        }
        shared.set_modified(SystemTime::now())?;
        Ok(Some(Entry {
            path: self.path.clone(),
            _shared: shared,
        }))
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open the lock {}", path.display()))
}

/// Removes a directory tree, never crossing into another file system: a killed builder may have left something
/// mounted below it.
pub fn remove_tree(path: &Path) -> Result<()> {
    if matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let status = Command::new("rm")
        .args(["-rf", "--one-file-system", "--"])
        .arg(path)
        .status()?;
    if !status.success() || path.exists() {
        bail!(
            "cannot remove {}: is something still mounted there?",
            path.display()
        );
    }
    Ok(())
}

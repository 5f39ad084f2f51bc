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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::at(directory.path()).expect("a cache");
        (directory, cache)
    }

    fn names(cache: &Cache, kind: &str) -> Vec<String> {
        let entries = fs::read_dir(cache.root().join(kind)).expect("the kind");
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort();
        names
    }

    #[test]
    fn keys_tell_inputs_apart() {
        let split = Key::new("test").with("ab", "c").hex();
        let other = Key::new("test").with("a", "bc").hex();
        assert_ne!(split, other);
        assert_eq!(split, Key::new("test").with("ab", "c").hex());
        assert_ne!(split, Key::new("test 2").with("ab", "c").hex());
    }

    #[test]
    fn a_tree_key_is_of_names_content_and_mode_but_not_of_place() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for root in [&one, &two] {
            fs::create_dir(root.path().join("sub")).unwrap();
            fs::write(root.path().join("sub/file"), "content").unwrap();
        }
        let key = |root: &tempfile::TempDir| {
            Key::new("test")
                .with_tree(root.path(), &|_| true)
                .unwrap()
                .hex()
        };
        assert_eq!(key(&one), key(&two));
        fs::set_permissions(
            two.path().join("sub/file"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        assert_ne!(key(&one), key(&two));
        fs::write(one.path().join("sub/file"), "Content").unwrap();
        let changed = key(&one);
        fs::rename(one.path().join("sub/file"), one.path().join("sub/other")).unwrap();
        assert_ne!(changed, key(&one));
    }

    #[test]
    fn an_entry_is_built_once_however_many_want_it() {
        let (_directory, cache) = cache();
        let built = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let entry = cache.entry("kind", &Key::new("test"), |to| {
                        built.fetch_add(1, Ordering::Relaxed);
                        Ok(fs::write(to.join("file"), "whole")?)
                    });
                    let entry = entry.expect("an entry");
                    assert_eq!(fs::read_to_string(entry.join("file")).unwrap(), "whole");
                });
            }
        });
        assert_eq!(built.into_inner(), 1);
    }

    #[test]
    fn a_failed_build_leaves_its_logs_only() {
        let (_directory, cache) = cache();
        let failed = cache.entry("kind", &Key::new("test"), |to| {
            fs::write(to.join("half"), "")?;
            fs::write(to.join("build.log"), "why")?;
            bail!("no")
        });
        assert!(failed.is_err());
        assert!(names(&cache, "kind").is_empty());
        let log = cache.root().join("failed/kind/build.log");
        assert_eq!(fs::read_to_string(log).unwrap(), "why");
    }

    #[test]
    fn what_a_killed_run_left_is_not_taken_for_an_entry() {
        let (_directory, cache) = cache();
        let key = Key::new("test");
        let left = cache
            .root()
            .join("kind")
            .join(format!(".{}.tmp", key.hex()));
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("stale"), "").unwrap();
        assert!(cache.find("kind", &key).unwrap().is_none());
        let entry = cache.entry("kind", &key, |_| Ok(())).unwrap();
        assert!(!entry.join("stale").exists());
        assert_eq!(names(&cache, "kind"), [key.hex()]);
    }

    #[test]
    fn pruning_keeps_the_newest_and_those_in_use() {
        let (_directory, cache) = cache();
        let key = |number: u32| Key::new("test").with("number", number.to_string());
        let mut entries: Vec<Entry> = (0..4)
            .map(|number| cache.entry("kind", &key(number), |_| Ok(())).unwrap())
            .collect();
        for (entry, age) in entries.iter().zip([4, 3, 2, 1]) {
            let used = SystemTime::now() - std::time::Duration::from_secs(age * 100);
            entry._shared.set_modified(used).unwrap();
        }
        entries.truncate(1);
        cache.prune("kind", 1).unwrap();
        let mut kept = [key(0).hex(), key(3).hex()];
        kept.sort();
        assert_eq!(names(&cache, "kind"), kept);
    }
}

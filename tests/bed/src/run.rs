// SPDX-License-Identifier: GPL-2.0-only
//! One run's own directory: sockets, disks and logs. Nothing in it is shared with another run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use fs4::fs_std::FileExt;

use crate::cache::{remove_tree, Cache};

/// How many kept logs stay.
const LOGS_KEPT: usize = 40;

/// How often a free slot is looked for: nobody can wait for whichever of several locks is free first.
const SLOT_PAUSE: Duration = Duration::from_millis(200);

/// The files of a run that are logs.
const LOGS: &[&str] = &[
    "console.log",
    "qemu.log",
    "output.log",
    "dom0.log",
    "dmesg.log",
    "state.log",
];

/// A run's directory, locked for its life and removed with this value; and the right to run an emulated machine, of
/// which there is one a core: with more, all of them would only be slower.
pub struct Run {
    path: PathBuf,
    logs: PathBuf,
    _lock: File,
    _slot: File,
}

impl Run {
    /// Makes the directory, and removes those that killed runs have left.
    pub fn new(cache: &Cache, name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let runs = cache.scratch("runs")?;
        let slot = take_slot(&runs)?;
        let _one_at_a_time = cache.lock("runs")?;
        remove_dead(&runs)?;
        let path = runs.join(format!(
            "{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        remove_tree(&path)?;
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let lock = File::create(path.join("lock"))?;
        FileExt::lock_exclusive(&lock)?;
        let stamp = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let logs = cache
            .scratch("logs")?
            .join(format!("{stamp}-{name}-{}", process::id()));
        Ok(Run {
            path,
            logs,
            _lock: lock,
            _slot: slot,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the logs; returns where they are.
    pub fn keep_logs(&self) -> Result<PathBuf> {
        fs::create_dir_all(&self.logs)?;
        for name in LOGS {
            let from = self.path.join(name);
            if from.exists() {
                fs::copy(from, self.logs.join(name))?;
            }
        }
        if let Some(all) = self.logs.parent() {
            prune(all)?;
        }
        Ok(self.logs.clone())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = remove_tree(&self.path);
    }
}

/// Waits for one of the slots, which other runs of this program may hold too. Only the first of those who wait looks for
/// a free one; the others queue behind it for the lock, in the order in which they came.
fn take_slot(runs: &Path) -> Result<File> {
    let slots = thread::available_parallelism().map_or(1, usize::from);
    let queue = File::create(runs.join(".queue"))?;
    if !FileExt::try_lock_exclusive(&queue)? {
        eprintln!("Other runs have all the cores: waiting for one of them to end.");
        FileExt::lock_exclusive(&queue)?;
    }
    loop {
        for number in 0..slots {
            let slot = File::create(runs.join(format!(".slot-{number}")))?;
            if FileExt::try_lock_exclusive(&slot)? {
                return Ok(slot);
            }
        }
        thread::sleep(SLOT_PAUSE);
    }
}

/// Removes run directories whose owner has gone.
fn remove_dead(runs: &Path) -> Result<()> {
    for entry in fs::read_dir(runs)?.flatten() {
        let lock = File::open(entry.path().join("lock"));
        if lock.is_ok_and(|lock| FileExt::try_lock_exclusive(&lock).unwrap_or(false)) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// The kept logs, newest first.
pub fn kept_logs(cache: &Cache) -> Result<Vec<PathBuf>> {
    sorted(&cache.scratch("logs")?)
}

fn prune(logs: &Path) -> Result<()> {
    sorted(logs)?
        .iter()
        .skip(LOGS_KEPT)
        .try_for_each(|old| remove_tree(old))
}

fn sorted(logs: &Path) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = fs::read_dir(logs)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    all.sort();
    all.reverse();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_run_is_removed_and_a_live_one_is_not() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::at(place.path()).unwrap();
        let live = Run::new(&cache, "live").unwrap();
        let dead = live.path().with_file_name("1-1");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        let other = Run::new(&cache, "other").unwrap();
        assert!(live.path().exists() && other.path().exists() && !dead.exists());
        let path = live.path().to_owned();
        drop(live);
        assert!(!path.exists());
    }

    #[test]
    fn logs_outlive_the_run() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::at(place.path()).unwrap();
        let run = Run::new(&cache, "name").unwrap();
        fs::write(run.path().join("console.log"), "text").unwrap();
        let logs = run.keep_logs().unwrap();
        drop(run);
        assert_eq!(
            fs::read_to_string(logs.join("console.log")).unwrap(),
            "text"
        );
        assert_eq!(kept_logs(&cache).unwrap(), [logs]);
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Packages of the Debian archive: which versions there are, and their content.
//!
//! All is done by apt, with a private configuration: the machine's own mirror and proxy settings, but the suites the
//! bed is made of (whatever release the machine itself runs) and no say over the machine's own package state. So every
//! index and every package is verified by apt against Debian's keys.
//!
//! The index files are refreshed once a day, and at once when a download fails (the archive replaces the kernel in
//! backports every few weeks, and removes the old one). Without a network the index files of the last time serve.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{bail, Context, Result};

use crate::cache::{remove_tree, Cache, Key};
use crate::host_packages::ensure_host_packages;
use crate::process::tied;
use crate::progress::{Progress, Step};

/// The Debian release that the bed and the toolchain are made of.
pub const SUITE: &str = "trixie";

/// Where newer kernels for [`SUITE`] come from.
pub const BACKPORTS: &str = "trixie-backports";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LISTS_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The Debian archive, through apt.
pub struct Archive {
    cache: Cache,
    home: PathBuf,
    mirror: String,
}

impl Archive {
    /// Opens the archive: finds the mirror and sees to it that there are index files.
    pub fn open(cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        ensure_host_packages(
            &[("apt-get", "apt"), (KEYRING, "debian-archive-keyring")],
            progress,
        )?;
        let archive = Archive {
            cache: cache.clone(),
            home: cache.scratch("archive")?,
            mirror: find_mirror()?,
        };
        let _lock = archive.cache.lock("archive")?;
        archive.configure()?;
        if archive.lists_age().is_none_or(|age| age > LISTS_LIFE) {
            archive.refresh(progress)?;
        }
        Ok(archive)
    }

    /// The address of the mirror, as apt and mmdebstrap take it.
    pub fn mirror(&self) -> &str {
        &self.mirror
    }

    /// The version of a package that [`SUITE`] offers (backports only when [`SUITE`] has none).
    pub fn version(&self, package: &str) -> Result<String> {
        self.versions(&[package])?
            .remove(package)
            .with_context(|| format!("the Debian archive ({SUITE}) has no package {package}"))
    }

    /// The versions of several packages, by name. An unknown package is an error.
    pub fn versions(&self, packages: &[&str]) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        let (mut name, mut output) = (String::new(), self.ask("policy", packages)?);
        output.push('\n');
        for line in output.lines() {
            if let Some(package) = line.strip_suffix(':').filter(|text| !text.starts_with(' ')) {
                name = package.to_owned();
            } else if let Some(version) = line
                .trim()
                .strip_prefix("Candidate: ")
                .filter(|text| *text != "(none)")
            {
                found.insert(name.clone(), version.to_owned());
            }
        }
        match packages
            .iter()
            .find(|package| !found.contains_key(**package))
        {
            Some(missing) => {
                bail!("the Debian archive ({SUITE}, {BACKPORTS}) has no package {missing}")
            }
            None => Ok(found),
        }
    }

    /// All versions of a package in all suites, newest first.
    pub fn all_versions(&self, package: &str) -> Result<Vec<String>> {
        let table = self.ask("madison", &[package])?;
        Ok(table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(|version| version.trim().to_owned())
            .collect())
    }

    /// The names of all packages that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self
            .ask("pkgnames", &[prefix])?
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// One field of a package's description in the archive's index (such as `Depends`), newest version.
    pub fn field(&self, package: &str, field: &str) -> Result<Option<String>> {
        let text = self.ask("show", &["--no-all-versions", package])?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        Ok(value.map(str::to_owned))
    }

    /// Downloads packages, each as `name` or `name=version`, into the directory `to` and returns the files' paths in
    /// the same order. Refreshes the index files and tries again when the archive has moved on since.
    pub fn download(
        &self,
        packages: &[String],
        to: &Path,
        progress: &dyn Progress,
    ) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(to)?;
        if let Err(first) = self.download_once(packages, to, progress) {
            progress
                .note("A download failed: refreshing the archive's index files and trying again.");
            let _lock = self.cache.lock("archive")?;
            self.refresh(progress)?;
            self.download_once(packages, to, progress)
                .with_context(|| format!("after a first failure ({first})"))?;
        }
        packages
            .iter()
            .map(|package| downloaded(package, to))
            .collect()
    }

    /// Makes a Debian tree of [`SUITE`] at `to` by mmdebstrap. `variant` is one of its variants ("apt", "extract", …).
    /// The output goes to `log`.
    pub fn bootstrap(
        &self,
        variant: &str,
        packages: &[&str],
        to: &Path,
        log: &Path,
        step: &dyn Step,
    ) -> Result<()> {
        let mut child = tied("mmdebstrap")
            .args([
                "--mode=root",
                "--architectures=amd64",
                &format!("--variant={variant}"),
            ])
            .arg(r#"--aptopt=APT::Install-Recommends "false""#)
            // The tree is thrown away if the machine stops half-way: dpkg need not wait for the disk at each file.
            .args([
                "--dpkgopt=force-unsafe-io",
                "--dpkgopt=path-exclude=/usr/share/doc/*",
            ])
            .args([
                "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
            ])
            .arg(format!("--keyring={KEYRING}"))
            .arg(format!("--include={}", packages.join(",")))
            .arg(SUITE)
            .arg(to)
            .arg(&self.mirror)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run mmdebstrap (apt-get install mmdebstrap)")?;
        let mut text = String::new();
        for line in child
            .stderr
            .take()
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
        {
            let line = line.unwrap_or_default();
            if let Some(doing) = line.strip_prefix("I: ") {
                step.doing(doing.trim_end_matches('.'));
            }
            text.push_str(&line);
            text.push('\n');
        }
        fs::write(log, &text)?;
        if !child.wait()?.success() {
            bail!("mmdebstrap failed: {}", last_error(&text));
        }
        Ok(())
    }

    fn configure(&self) -> Result<()> {
        for directory in ["lists/partial", "cache/archives/partial", "none"] {
            fs::create_dir_all(self.home.join(directory))?;
        }
        let options = format!("[arch=amd64 signed-by={KEYRING}]");
        let source = |suite: &str| format!("deb {options} {} {suite} main\n", self.mirror);
        write_if_changed(
            &self.home.join("sources.list"),
            &(source(SUITE) + &source(BACKPORTS)),
        )?;
        write_if_changed(&self.home.join("status"), "")?;
        let home = self.home.display();
        let config = format!(
            r#"Dir::Etc::SourceList "{home}/sources.list";
Dir::Etc::SourceParts "{home}/none";
Dir::Etc::Preferences "{home}/no-preferences";
Dir::Etc::PreferencesParts "{home}/none";
Dir::State::Lists "{home}/lists";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Post-Invoke;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
Acquire::Languages "none";
"#
        );
        write_if_changed(&self.home.join("apt.conf"), &config)
    }

    fn lists_age(&self) -> Option<Duration> {
        let stamp = fs::metadata(self.home.join("refreshed"))
            .and_then(|meta| meta.modified())
            .ok()?;
        let sources = fs::metadata(self.home.join("sources.list"))
            .and_then(|meta| meta.modified())
            .ok()?;
        (stamp >= sources).then(|| SystemTime::now().duration_since(stamp).unwrap_or_default())
    }

    fn refresh(&self, progress: &dyn Progress) -> Result<()> {
        let _step = progress.step("Reading the Debian archive's index", None);
        let output = self
            .apt("apt-get")
            .args(["update", "-q", "--error-on=any"])
            .output()?;
        if output.status.success() {
            remove_tree(&self.home.join("answers"))?;
            return Ok(fs::write(self.home.join("refreshed"), "")?);
        }
        let why = last_error(&String::from_utf8_lossy(&output.stderr));
        if self.home.join("refreshed").exists() {
            progress.note(&format!(
                "The Debian archive cannot be reached ({why}): going on with what is known of it."
            ));
            return Ok(());
        }
        bail!("the Debian archive cannot be reached: {why}")
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.home.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    fn ask(&self, question: &str, arguments: &[&str]) -> Result<String> {
        self.remember(&format!("{question} {}", arguments.join(" ")), || {
            let output = self
                .apt("apt-cache")
                .arg(question)
                .args(arguments)
                .output()
                .context("cannot run apt-cache")?;
            if !output.status.success() {
                bail!("{}", last_error(&String::from_utf8_lossy(&output.stderr)));
            }
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }

    /// The answer to a question about the archive, found once for as long as the index files stay what they are.
    pub fn remember(
        &self,
        question: &str,
        find: impl FnOnce() -> Result<String>,
    ) -> Result<String> {
        let directory = self.home.join("answers");
        let path = directory.join(Key::new("answer").with("question", question).hex());
        if let Ok(answer) = fs::read_to_string(&path) {
            return Ok(answer);
        }
        let answer = find()?;
        fs::create_dir_all(&directory)?;
        let unfinished = path.with_extension(std::process::id().to_string());
        fs::write(&unfinished, &answer)?;
        fs::rename(&unfinished, &path)?;
        Ok(answer)
    }

    fn download_once(&self, packages: &[String], to: &Path, progress: &dyn Progress) -> Result<()> {
        let step = progress.step("Downloading packages", Some(100));
        let mut child = self
            .apt("apt-get")
            .args(["download", "-q", "-o", "APT::Status-Fd=1"])
            .args(packages)
            .current_dir(to)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run apt-get")?;
        for line in child
            .stdout
            .take()
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
        {
            let line = line.unwrap_or_default();
            let mut words = line
                .split(':')
                .skip_while(|word| *word != "dlstatus")
                .skip(2);
            if let Some(percent) = words.next().and_then(|word| word.parse::<f64>().ok()) {
                step.at(percent as u64);
                step.doing(words.next().unwrap_or_default());
            }
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "cannot download {}: {}",
                packages.join(" "),
                last_error(&String::from_utf8_lossy(&output.stderr))
            );
        }
        Ok(())
    }
}

/// The machine's own Debian mirror, or `$XENPV_MIRROR`.
fn find_mirror() -> Result<String> {
    if let Some(mirror) = std::env::var("XENPV_MIRROR")
        .ok()
        .filter(|mirror| !mirror.is_empty())
    {
        return Ok(mirror);
    }
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(LABEL)|$(REPO_URI)",
            "Created-By: Packages",
        ])
        .output()
        .context("cannot run apt-get")?;
    let targets = String::from_utf8_lossy(&output.stdout).into_owned();
    let mirror = targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian|"));
    mirror.map(|uri| uri.trim_end_matches('/').to_owned()).context(
        "apt knows no Debian mirror here: run `apt-get update`, or set XENPV_MIRROR to the address of one",
    )
}

/// The file that `apt-get download` made of `name` or `name=version`.
fn downloaded(package: &str, directory: &Path) -> Result<PathBuf> {
    let (name, version) = package.split_once('=').unwrap_or((package, ""));
    let start = format!("{name}_{}", version.replace(':', "%3a"));
    let mut files = fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(&start))
    };
    files
        .find(named)
        .with_context(|| format!("{package} was downloaded, but there is no such file"))
}

/// The last line of a tool's output that looks like its reason.
pub(crate) fn last_error(text: &str) -> String {
    let mut lines = text
        .lines()
        .rev()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let reason = lines.clone().find(|line| line.starts_with("E:"));
    reason
        .or_else(|| lines.next())
        .unwrap_or("no reason given")
        .trim_start_matches("E: ")
        .to_owned()
}

fn write_if_changed(path: &Path, content: &str) -> Result<()> {
    if fs::read_to_string(path).ok().as_deref() != Some(content) {
        fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_found_by_name_and_version() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["xen_1%3a4.20_amd64.deb", "xen-utils_4.20_amd64.deb"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let found = |package: &str| {
            let path = downloaded(package, directory.path()).ok()?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(
            found("xen=1:4.20").as_deref(),
            Some("xen_1%3a4.20_amd64.deb")
        );
        assert_eq!(
            found("xen-utils").as_deref(),
            Some("xen-utils_4.20_amd64.deb")
        );
        assert_eq!(found("xen-utils=4.21"), None);
    }

    #[test]
    fn apts_own_reason_comes_before_what_follows_it() {
        let output = "Reading lists...\nE: Unable to locate package x\nW: something\n";
        assert_eq!(last_error(output), "Unable to locate package x");
        assert_eq!(last_error("one\ntwo\n\n"), "two");
        assert_eq!(last_error(""), "no reason given");
    }
}

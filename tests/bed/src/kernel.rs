// SPDX-License-Identifier: GPL-2.0-only
//! Which stock kernel the modules are built for and the guest runs.
//!
//! Debian's kernels come and go: backports replaces its own every few weeks. So none is pinned: the newest is taken
//! that has Rust and whose Rust compiler the suite has, unless `KVER=` names another.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::archive::{Archive, SUITE};
use crate::progress::Progress;

/// A stock kernel of the Debian archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its release (`uname -r`), such as `7.3.4+deb13-amd64`.
    pub release: String,
    /// The version of its packages.
    pub version: String,
    /// The C compiler it was built with, as a package: `gcc-14`.
    pub compiler: String,
}

impl Kernel {
    /// The kernel that `KVER` in the environment names (`7.3.4` or `7.3.4+deb13-amd64`), or else the newest usable.
    pub fn choose(archive: &Archive, progress: &dyn Progress) -> Result<Self> {
        let wanted = std::env::var("KVER")
            .ok()
            .filter(|wanted| !wanted.is_empty());
        let rustc = upstream(&archive.version("rustc")?);
        let mut releases: Vec<String> = archive
            .names("linux-headers-")?
            .iter()
            .filter_map(|name| release(name))
            .collect();
        releases.sort_by_key(|release| Reverse(numbers(release)));
        if let Some(wanted) = &wanted {
            releases
                .retain(|release| release == wanted || release.starts_with(&format!("{wanted}+")));
        }
        let mut reasons = Vec::new();
        for release in releases {
            match Kernel::examine(archive, &release, &rustc, progress)? {
                Ok(kernel) => return Ok(kernel),
                Err(reason) => reasons.push(format!("{release} {reason}")),
            }
        }
        match (wanted, reasons.is_empty()) {
            (Some(wanted), true) => {
                bail!("the Debian archive has no kernel {wanted}: unset KVER to take the newest")
            }
            (None, true) => bail!("the Debian archive ({SUITE}) has no kernel"),
            (_, false) => bail!(
                "the Debian archive has no usable kernel: {}",
                reasons.join("; ")
            ),
        }
    }

    /// The packages to unpack for building modules and for booting, each as `name=version`.
    pub fn packages(&self, archive: &Archive) -> Result<Vec<String>> {
        let abi = self.release.trim_end_matches("-amd64");
        let release = &self.release;
        let needed = [
            format!("linux-headers-{release}"),
            format!("linux-headers-{abi}-common"),
            source_package(release),
        ];
        let mut packages: Vec<String> = needed
            .iter()
            .map(|name| format!("{name}={}", self.version))
            .collect();
        // How the rest is cut into packages has changed more than once.
        let others = [
            format!("linux-kbuild-{abi}"),
            format!("linux-base-{release}"),
            format!("linux-binary-{release}"),
            format!("linux-image-{release}"),
            format!("linux-modules-{release}"),
        ];
        for name in others {
            if archive.all_versions(&name)?.contains(&self.version) {
                packages.push(format!("{name}={}", self.version));
            }
        }
        Ok(packages)
    }

    /// Where the headers are, in a Debian tree that has them.
    pub fn headers(&self) -> PathBuf {
        PathBuf::from(format!("/usr/src/linux-headers-{}", self.release))
    }

    /// Looks at one release: the inner result is the reason why it will not do.
    fn examine(
        archive: &Archive,
        release: &str,
        rustc: &str,
        progress: &dyn Progress,
    ) -> Result<Result<Self, String>> {
        let headers = format!("linux-headers-{release}");
        let version = archive
            .all_versions(&headers)?
            .into_iter()
            .next()
            .context("a package without a version")?;
        if !archive
            .all_versions(&source_package(release))?
            .contains(&version)
        {
            return Ok(Err("has no source package of its version".to_owned()));
        }
        let package = format!("{headers}={version}");
        let config = archive.remember(&format!("configuration of {package}"), || {
            read_config(archive, &package, progress)
        })?;
        let setting = |name: &str| {
            config
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        if setting("CONFIG_RUST") != Some("y") {
            return Ok(Err("was built without Rust".to_owned()));
        }
        let built_with = setting("CONFIG_RUSTC_VERSION_TEXT")
            .and_then(|text| text.split(' ').nth(1))
            .unwrap_or_default();
        if built_with != rustc {
            return Ok(Err(format!(
                "was built with rustc {built_with}, but {SUITE} has {rustc}"
            )));
        }
        let compiler = setting("CONFIG_CC_VERSION_TEXT")
            .and_then(|text| text.trim_matches('"').split(' ').next());
        let compiler = compiler
            .and_then(|name| name.rsplit_once("gnu-"))
            .map_or("gcc", |(_, name)| name)
            .to_owned();
        Ok(Ok(Kernel {
            release: release.to_owned(),
            version,
            compiler,
        }))
    }
}

/// Downloads a headers package and reads the settings that matter here from its kernel configuration.
fn read_config(archive: &Archive, package: &str, progress: &dyn Progress) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let files = archive.download(&[package.to_owned()], directory.path(), progress)?;
    let unpacked = directory.path().join("unpacked");
    for file in &files {
        let status = Command::new("dpkg-deb")
            .arg("-x")
            .arg(file)
            .arg(&unpacked)
            .status();
        if !status.context("cannot run dpkg-deb")?.success() {
            bail!("cannot unpack {package}");
        }
    }
    let path = unpacked
        .join("usr/src")
        .join(package.split('=').next().unwrap_or_default())
        .join(".config");
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{package} has no kernel configuration"))?;
    let wanted = [
        "CONFIG_RUST=",
        "CONFIG_RUSTC_VERSION_TEXT=",
        "CONFIG_CC_VERSION_TEXT=",
    ];
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .collect();
    Ok(lines.join("\n"))
}

/// The release in the name of a headers package, if it is of the plain kernel for this machine.
fn release(package: &str) -> Option<String> {
    let release = package.strip_prefix("linux-headers-")?;
    let abi = release.strip_suffix("-amd64")?;
    let plain = abi.starts_with(|first: char| first.is_ascii_digit()) && !abi.contains('-');
    plain.then(|| release.to_owned())
}

/// The source package of a release: `linux-source-7.3` of `7.3.4+deb13-amd64`.
fn source_package(release: &str) -> String {
    let series: Vec<&str> = release.split(['.', '+', '-']).take(2).collect();
    format!("linux-source-{}", series.join("."))
}

/// The upstream part of a Debian version: `1.85.1` of `1.85.1+dfsg1-1+deb13u1`.
fn upstream(version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version
        .split(['+', '-', '~'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The numbers in a release, for ordering.
fn numbers(release: &str) -> Vec<u64> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_kernels_are_releases() {
        assert_eq!(
            release("linux-headers-7.3.4+deb13-amd64").as_deref(),
            Some("7.3.4+deb13-amd64")
        );
        for other in [
            "linux-headers-7.3.4+deb13-cloud-amd64",
            "linux-headers-amd64",
            "linux-headers-7.3.4+deb13-common",
        ] {
            assert_eq!(release(other), None, "{other}");
        }
    }

    #[test]
    fn newer_is_by_number() {
        assert!(numbers("7.10.1+deb13-amd64") > numbers("7.9.12+deb13-amd64"));
        assert!(numbers("7.3.4+deb13-amd64") > numbers("7.3.3+deb13-amd64"));
    }

    #[test]
    fn names_are_derived() {
        assert_eq!(source_package("7.3.4+deb13-amd64"), "linux-source-7.3");
        assert_eq!(source_package("7.3+deb13-amd64"), "linux-source-7.3");
        assert_eq!(upstream("1:1.85.1+dfsg1-1+deb13u1"), "1.85.1");
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The modules, built from this checkout inside the toolchain root.
//!
//! What is built is keyed by the content of the sources, so the same sources are built once, wherever they lie. Behind
//! that, each checkout has a build directory in the toolchain root, into which only what changed is copied: Kbuild then
//! compiles only what that touches.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{list_tree, Cache, Entry, Key};
use crate::process::run_logged;
use crate::progress::{Progress, Step};
use crate::toolchain::Toolchain;

/// The modules that are inserted unless a test says otherwise, in this order. xen-wdt and the self-test modules are
/// built with them.
pub const MODULES: &[&str] = &["xen-platform-pci", "xen-balloon", "xen-vbd", "xen-vnif"];

/// How many builds stay in the cache.
const BUILDS_KEPT: usize = 8;

/// The modules as files.
pub struct Modules {
    entry: Entry,
}

impl Modules {
    /// Builds the modules of the checkout at `source`, unless these very sources have been built.
    pub fn build(
        cache: &Cache,
        toolchain: &Toolchain,
        source: &Path,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let entry = cache.entry("modules", &key("modules 1", toolchain, source)?, |to| {
            let step = progress.step("Building the modules", None);
            let build = Build::run(cache, toolchain, source, &["XENPV_SELFTEST=1"], to, &*step)?;
            build.collect(toolchain, to, &*step)
        })?;
        cache.prune("modules", BUILDS_KEPT)?;
        Ok(Modules { entry })
    }

    /// Has clippy read all that [`Modules::build`] compiles. A warning is an error.
    pub fn lint(
        cache: &Cache,
        toolchain: &Toolchain,
        source: &Path,
        progress: &dyn Progress,
    ) -> Result<()> {
        cache.entry("lint", &key("lint 1", toolchain, source)?, |to| {
            let step = progress.step("Clippy reads the modules", None);
            Build::run(
                cache,
                toolchain,
                source,
                &["XENPV_SELFTEST=1", "CLIPPY=1"],
                to,
                &*step,
            )?;
            Ok(())
        })?;
        cache.prune("lint", BUILDS_KEPT)
    }

    /// The directory that holds them, without debugging information; `debug/` below it has them with it.
    pub fn directory(&self) -> &Path {
        &self.entry
    }

    /// The file of one of [`MODULES`].
    pub fn file(&self, module: &str) -> PathBuf {
        self.entry.join(format!("{module}.ko"))
    }
}

fn key(recipe: &str, toolchain: &Toolchain, source: &Path) -> Result<Key> {
    Key::new(recipe)
        .with("toolchain", toolchain.id())
        .with_tree(source, &is_source)
}

/// A build directory after Kbuild has run in it, for as long as no other run may touch it.
struct Build {
    /// Where it is inside the toolchain root.
    inside: PathBuf,
    /// The same directory, from without.
    directory: PathBuf,
    _lock: File,
}

impl Build {
    /// Copies the sources in and runs Kbuild. Each checkout and set of options has its own directory.
    fn run(
        cache: &Cache,
        toolchain: &Toolchain,
        source: &Path,
        options: &[&str],
        to: &Path,
        step: &dyn Step,
    ) -> Result<Self> {
        let checkout = source.canonicalize()?;
        let place = Key::new("build directory")
            .with("checkout", checkout.to_string_lossy().as_bytes())
            .with("options", options.join(" "))
            .hex();
        let lock = cache.lock(&format!("build-{place}"))?;
        let inside = Path::new("/build").join(&place);
        let directory = toolchain.root().join("build").join(&place);
        copy_sources(source, &directory)?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut make = toolchain.command("make");
        make.arg("-C")
            .arg(toolchain.kernel.headers())
            .arg(format!("M={}", inside.display()));
        make.args(options).arg(format!("-j{jobs}")).arg("modules");
        run_logged(make, &to.join("make.log"), step).context("the modules do not build")?;
        Ok(Build {
            inside,
            directory,
            _lock: lock,
        })
    }

    /// Copies what was built to `to`, stripped, and as it is to `debug/` there.
    fn collect(&self, toolchain: &Toolchain, to: &Path, step: &dyn Step) -> Result<()> {
        fs::create_dir(to.join("debug"))?;
        fs::create_dir_all(self.directory.join(".stripped"))?;
        let order = fs::read_to_string(self.directory.join("modules.order"));
        for object in order.context("Kbuild built no modules")?.lines() {
            let module = Path::new(object).with_extension("ko");
            let file = module.file_name().unwrap_or_default();
            let stripped = Path::new(".stripped").join(file);
            let mut strip = toolchain.command("strip");
            strip
                .args(["--strip-debug", "-o"])
                .arg(self.inside.join(&stripped))
                .arg(self.inside.join(file));
            run_logged(strip, &to.join("strip.log"), step)
                .with_context(|| format!("cannot strip {object}"))?;
            fs::copy(self.directory.join(file), to.join("debug").join(file))?;
            fs::copy(self.directory.join(stripped), to.join(file))?;
        }
        Ok(())
    }
}

/// Makes the sources in `to` those of `from`. Files that are the same are left alone, so that their times say so too;
/// what Kbuild made there stays.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let wanted: BTreeSet<PathBuf> = list_tree(from, &is_source)?.into_iter().collect();
    for gone in list_tree(to, &is_source)?
        .into_iter()
        .filter(|path| !wanted.contains(path))
    {
        fs::remove_file(to.join(gone))?;
    }
    for path in wanted {
        let content = fs::read(from.join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let copy = to.join(&path);
        if fs::read(&copy).ok().as_ref() != Some(&content) {
            fs::create_dir_all(copy.parent().unwrap_or(to))?;
            fs::write(&copy, content)?;
        }
    }
    Ok(())
}

/// Whether a path of the checkout is a source of the modules, or a directory that may have some. Names without a dot
/// are directories and Kbuild's own files.
fn is_source(path: &Path) -> bool {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    let (Some(top), Some(name)) = (names.first(), names.last()) else {
        return true;
    };
    let outside = ["target", "tests", "docs", "COPYING", "Makefile"].contains(&&**top);
    let vendored = top == "third_party";
    let host_only = !vendored
        && names
            .iter()
            .any(|part| ["tests", "benches", "examples", "fuzz"].contains(&&**part));
    let generated = name.ends_with(".mod.c") || (!vendored && name.contains("_generated."));
    if name.starts_with('.') || outside || host_only || generated {
        return false;
    }
    name.rsplit_once('.')
        .is_none_or(|(_, extension)| ["rs", "c", "h", "mk", "sh"].contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_from_products() {
        let yes = [
            "Kbuild",
            "ring/src/lib.rs",
            "scripts/crates.mk",
            "third_party/bitflags/src/example_generated.rs",
            "xen-sys/src/generated.rs",
        ];
        let no = [
            "target",
            "tests/bed/src/main.rs",
            "ring/tests/property.rs",
            "xen-vbd.mod.c",
            "xen-vbd.ko",
            ".git",
            "xen-platform-pci/abi_generated.h",
            "README.md",
            "ring/Cargo.toml",
        ];
        for path in yes {
            assert!(is_source(Path::new(path)), "{path}");
        }
        for path in no {
            assert!(!is_source(Path::new(path)), "{path}");
        }
    }
}

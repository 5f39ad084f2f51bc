// SPDX-License-Identifier: GPL-2.0-only
//! The four modules, built from this checkout inside the toolchain root.
//!
//! What is built is keyed by the content of the sources, so the same sources are built once, wherever they lie. Behind
//! that, each checkout has a build directory in the toolchain root, into which only what changed is copied: Kbuild then
//! compiles only what that touches.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{list_tree, Cache, Entry, Key};
use crate::progress::Progress;
use crate::toolchain::{run_logged, Toolchain};

/// The modules of the product, in the order in which they are inserted. The self-test modules are built with them.
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
        let key = Key::new("modules 1")
            .with("toolchain", toolchain.id())
            .with_tree(source, &is_source)?;
        let entry = cache.entry("modules", &key, |to| {
            make(cache, toolchain, source, to, progress)
        })?;
        cache.prune("modules", BUILDS_KEPT)?;
        Ok(Modules { entry })
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

fn make(
    cache: &Cache,
    toolchain: &Toolchain,
    source: &Path,
    to: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let step = progress.step("Building the modules", None);
    let place = Key::new("build directory")
        .with(
            "checkout",
            source.canonicalize()?.to_string_lossy().as_bytes(),
        )
        .hex();
    let name = format!("build-{place}");
    let _lock = cache.lock(&name)?;
    let directory = toolchain.root().join("build").join(&place);
    copy_sources(source, &directory)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = toolchain.command("make");
    make.arg("-C")
        .arg(toolchain.kernel.headers())
        .args(["modules", "XENPV_SELFTEST=1"]);
    make.arg(format!("M=/build/{place}"))
        .arg(format!("-j{jobs}"));
    run_logged(make, &to.join("make.log"), &*step).context("the modules do not build")?;
    fs::create_dir(to.join("debug"))?;
    fs::create_dir_all(directory.join(".stripped"))?;
    let order =
        fs::read_to_string(directory.join("modules.order")).context("Kbuild built no modules")?;
    for object in order.lines() {
        let file = Path::new(object).with_extension("ko");
        let file = file.file_name().unwrap_or_default();
        let stripped = Path::new(".stripped").join(file);
        let inside = Path::new("/build").join(&place);
        let mut strip = toolchain.command("strip");
        strip
            .args(["--strip-debug", "-o"])
            .arg(inside.join(&stripped))
            .arg(inside.join(file));
        run_logged(strip, &to.join("strip.log"), &*step)
            .with_context(|| format!("cannot strip {object}"))?;
        fs::copy(directory.join(file), to.join("debug").join(file))?;
        fs::copy(directory.join(stripped), to.join(file))?;
    }
    Ok(())
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

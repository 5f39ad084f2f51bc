// SPDX-License-Identifier: GPL-2.0-only
//! The bed's own files (agent, scripts, module lists), carried inside the program, so that what it builds is what it
//! was built from.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};
use include_dir::{include_dir, Dir};

use crate::cache::Key;
use crate::image::Image;

/// The agent's source.
pub static AGENT: Dir = include_dir!("$CARGO_MANIFEST_DIR/agent");
/// dom0's files.
pub static DOM0: Dir = include_dir!("$CARGO_MANIFEST_DIR/dom0");
/// The guest's files.
pub static GUEST: Dir = include_dir!("$CARGO_MANIFEST_DIR/guest");
/// The plugin of QEMU that counts.
pub static PLUGIN: Dir = include_dir!("$CARGO_MANIFEST_DIR/../bench/plugin");
/// The marks between which it counts.
pub static MARK: Dir = include_dir!("$CARGO_MANIFEST_DIR/../bench/mark");

/// The lines "name options" of a module list.
pub fn module_list(source: &Dir) -> Result<Vec<(String, String)>> {
    let text = source
        .get_file("modules")
        .and_then(|file| file.contents_utf8())
        .context("there is no module list")?;
    let split = |line: &str| match line.split_once(' ') {
        Some((name, options)) => (name.to_owned(), options.to_owned()),
        None => (line.to_owned(), String::new()),
    };
    Ok(text
        .lines()
        .filter(|line| !line.is_empty())
        .map(split)
        .collect())
}

/// Compiles the agent and puts it and its other names into an image.
pub fn add_agent(image: &mut Image, to: &Path) -> Result<()> {
    let sources = tempfile::tempdir()?;
    AGENT.extract(sources.path())?;
    let files = ["agent.c", "jobs.c", "marks.c", "shared.c"];
    add_program(image, "xenbed-agent", sources.path(), &files, to)?;
    for name in ["sync_send", "sync_wait", "guest-attach", "guest-detach"] {
        image.link(&format!("usr/bin/{name}"), "xenbed-agent");
    }
    Ok(())
}

/// Compiles the guest's own programs, one a file, and puts them into an image.
pub fn add_guest_programs(image: &mut Image, to: &Path) -> Result<()> {
    let sources = tempfile::tempdir()?;
    GUEST.extract(sources.path())?;
    for (path, _) in files(&GUEST) {
        let name = path.strip_prefix("programs/");
        if let Some(name) = name.and_then(|name| name.strip_suffix(".c")) {
            add_program(image, name, sources.path(), &[&path], to)?;
        }
    }
    Ok(())
}

/// The guest's program that dom0 has too, to be the other side of the guest's grants.
const OTHER_SIDE: (&str, &str) = ("grant-file", "programs/grant-file.c");

/// The source of the program for dom0.
pub fn other_side() -> Result<&'static [u8]> {
    let file = GUEST.get_file(OTHER_SIDE.1);
    Ok(file.context("there is no grant-file.c")?.contents())
}

/// Compiles the program for dom0 and puts it into an image.
pub fn add_other_side(image: &mut Image, to: &Path) -> Result<()> {
    let sources = tempfile::tempdir()?;
    GUEST.extract(sources.path())?;
    add_program(image, OTHER_SIDE.0, sources.path(), &[OTHER_SIDE.1], to)
}

/// Compiles a program that needs no library and puts it into an image; `to` is a directory to work in.
fn add_program(
    image: &mut Image,
    name: &str,
    directory: &Path,
    sources: &[&str],
    to: &Path,
) -> Result<()> {
    let program = to.join(name);
    let output = Command::new("gcc")
        .args([
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-static",
            "-s",
            "-o",
        ])
        .arg(&program)
        .args(sources)
        .arg("-lutil")
        .current_dir(directory)
        .output()
        .context("cannot run gcc")?;
    if !output.status.success() {
        bail!(
            "{name} does not compile:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    image.file(&format!("usr/bin/{name}"), &program)?;
    Ok(fs::remove_file(program)?)
}

/// Adds every file of a carried directory to a key.
pub fn add_source(key: Key, source: &Dir) -> Key {
    files(source)
        .into_iter()
        .fold(key, |key, (path, content)| key.with(&path, content))
}

/// Puts the files below `root/` into an image. Scripts are what begins with "#!".
pub fn add_root(image: &mut Image, source: &Dir) {
    for (path, content) in files(source) {
        if let Some(path) = path.strip_prefix("root/") {
            image.data(
                path,
                content,
                if content.starts_with(b"#!") {
                    0o755
                } else {
                    0o644
                },
            );
        }
    }
}

/// All files of a carried directory, by path.
fn files<'a>(directory: &'a Dir) -> Vec<(String, &'a [u8])> {
    let here = directory
        .files()
        .map(|file| (file.path().to_string_lossy().into_owned(), file.contents()));
    let mut all: Vec<_> = here.chain(directory.dirs().flat_map(files)).collect();
    all.sort();
    all
}

/// Writes an image to a file.
pub fn write_image(image: &Image, to: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(to)?);
    image.write(&mut file)?;
    Ok(file.flush()?)
}

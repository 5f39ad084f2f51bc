// SPDX-License-Identifier: GPL-2.0-only
//! Asks a C compiler what it makes of the Xen headers.
//!
//! bindgen reads the headers by libclang and says in `xen-sys/src/generated.rs` what it found. The tests of this
//! crate ask the system's C compiler the same questions, of the same headers, and a few more: what the ring macros
//! compute, how large the unions are that our slots stand for.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of `xen-sys/src/generated.rs`.
pub fn generated() -> Result<String> {
    let path = root().join("xen-sys/src/generated.rs");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Evaluates integer expressions of C where all that `xen-sys/bindings.h` includes is known, and returns their
/// values in the same order.
///
/// # Errors
/// Says what the compiler said if it refused one of them.
pub fn evaluate(declarations: &str, expressions: &[String]) -> Result<Vec<i64>> {
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let (source, program) = (
        directory.path().join("layout.c"),
        directory.path().join("layout"),
    );
    let prints: String = expressions
        .iter()
        .map(|expression| format!("\tprintf(\"%lld\\n\", (long long)({expression}));\n"))
        .collect();
    fs::write(
        &source,
        format!(
            "#include \"bindings.h\"\n#include <stdio.h>\n{declarations}\nint main(void)\n{{\n{prints}\treturn 0;\n}}\n"
        ),
    )?;
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let output = Command::new(&compiler)
        .arg("-w")
        .arg("-I")
        .arg("/usr/include")
        .arg("-I")
        .arg(root().join("xen-sys"))
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .output()
        .with_context(|| format!("cannot run the C compiler {compiler}: install gcc or set CC"))?;
    if !output.status.success() {
        bail!(
            "{compiler} refused:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let output = Command::new(&program)
        .output()
        .context("cannot run what was compiled")?;
    let values: Vec<i64> = String::from_utf8(output.stdout)?
        .lines()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if values.len() != expressions.len() {
        bail!(
            "{} answers to {} questions",
            values.len(),
            expressions.len()
        );
    }
    Ok(values)
}

/// What bindgen found out: C expressions, and their values according to it.
#[derive(Debug, Default)]
pub struct Claims {
    /// Constants by name.
    pub constants: BTreeMap<String, i64>,
    /// Sizes and offsets.
    pub layouts: BTreeMap<String, i64>,
}

/// Reads the constants and the layout assertions out of bindgen's text.
pub fn claims(generated: &str) -> Claims {
    let text = generated.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut claims = Claims::default();
    for item in text.split("pub const ").skip(1) {
        if let Some((name, value)) = constant(item) {
            claims.constants.insert(name, value);
        }
    }
    for item in text.split("[\"").skip(1) {
        if let Some((expression, value)) = layout(item) {
            claims.layouts.insert(expression, value);
        }
    }
    claims
}

/// `NAME: type = value;`
fn constant(item: &str) -> Option<(String, i64)> {
    let (name, rest) = item.split_once(':')?;
    let value = rest.split_once('=')?.1.split_once(';')?.0;
    Some((name.into(), value.trim().parse().ok()?))
}

/// `Size of T"][...::<T>() - 8usize]` or `Offset of field: T::f"][...!(T, f) - 4usize]`, but for those types that
/// have no name in C.
fn layout(item: &str) -> Option<(String, i64)> {
    let (what, rest) = item.split_once("\"]")?;
    let number = rest.split_once(" - ")?.1.split_once("usize]")?.0;
    let expression = if let Some(name) = what.strip_prefix("Size of ") {
        format!("sizeof({})", c_type(name)?)
    } else if let Some(field) = what.strip_prefix("Offset of field: ") {
        let (name, field) = field.split_once("::")?;
        // bindgen appends _ to what is a word of Rust.
        let field = field.strip_suffix('_').unwrap_or(field);
        format!("offsetof({}, {field})", c_type(name)?)
    } else {
        return None;
    };
    Some((expression, number.parse().ok()?))
}

/// The C name of a type that bindgen calls `name`.
fn c_type(name: &str) -> Option<String> {
    if name.starts_with("__") || name.contains("__bindgen_ty_") {
        return None;
    }
    Some(match name {
        "grant_entry_v2" => format!("union {name}"),
        // Declared within another: bindgen puts that one's name before it.
        "gnttab_copy_gnttab_copy_ptr" => "struct gnttab_copy_ptr".to_owned(),
        _ => format!("struct {name}"),
    })
}

// SPDX-License-Identifier: GPL-2.0-only
//! Running other programs: so that they end with this one, and so that their failures can be told.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};

use crate::progress::Step;

/// How much of a failed build's output its error carries.
const REASON_LINES: usize = 60;

/// A command that does not outlive this process, nor does anything it starts: it runs in a PID namespace whose first
/// process is killed when this one ends, even if that is by SIGKILL. What it was writing is then nobody's, and the
/// next run may remove it.
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation=private",
        ])
        .args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// Runs a command with its standard output going to `log`, and each line of it to the step. The error of a command that
/// fails carries the lines that tell why.
pub fn run_logged(mut command: Command, log: &Path, step: &dyn Step) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let mut text = String::new();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).split(b'\n'))
    {
        let line = String::from_utf8_lossy(&line?).into_owned();
        step.doing(line.trim());
        text.push_str(&line);
        text.push('\n');
    }
    fs::write(log, &text)?;
    if !child.wait()?.success() {
        bail!("{}", reason(&text));
    }
    Ok(())
}

/// The part of a build's output that tells why it failed: from the first error on, or else its end.
fn reason(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let is_error = |line: &&str| {
        line.contains("error:")
            || line.contains("error[")
            || line.contains("ERROR:")
            || line.contains("*** ")
            || line.starts_with("xenpv:")
    };
    let end = lines.len().saturating_sub(20);
    let first = lines.iter().position(is_error).unwrap_or(end);
    lines
        .into_iter()
        .skip(first)
        .take(REASON_LINES)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_failure_is_told_from_its_first_error_on() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo fine; echo 'lib.rs:1: error: wrong'; echo more; exit 3",
        ]);
        let error = run_logged(command, log.path(), &Silent).unwrap_err();
        assert_eq!(error.to_string(), "lib.rs:1: error: wrong\nmore");
        assert!(fs::read_to_string(log.path())
            .unwrap()
            .starts_with("fine\n"));
    }

    #[test]
    fn a_long_output_without_an_error_is_told_by_its_end() {
        let output: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert!(reason(&output).starts_with("line 80\n"));
    }
}

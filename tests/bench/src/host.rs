// SPDX-License-Identifier: GPL-2.0-only
//! What `make bench-host` measures: the pure crates beside C, on the machine that it runs on.

use serde::{Deserialize, Serialize};

use crate::format;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Each thing that was measured.
    pub lines: Vec<Line>,
}

/// One thing, in Rust and in C.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub name: String,
    /// As it ships.
    pub rust: Cost,
    /// Built from Xen's macros.
    pub c: Cost,
}

/// What one item of it costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Processor time.
    pub nanoseconds: f64,
    /// Counted one by one, where the system lets us.
    #[serde(default)]
    pub instructions: Option<f64>,
}

/// The table, as Markdown.
pub fn render(host: &Host) -> String {
    let mut text = "| One | Rust ns | C ns | ratio | Rust insn | C insn | ratio |\n".to_owned();
    text += "|---|---:|---:|---:|---:|---:|---:|\n";
    for Line { name, rust, c } in &host.lines {
        let cells = [
            format!("{:.2}", rust.nanoseconds),
            format!("{:.2}", c.nanoseconds),
            format!("{:.2}", rust.nanoseconds / c.nanoseconds),
            number(rust.instructions, 1),
            number(c.instructions, 1),
            number(
                rust.instructions
                    .zip(c.instructions)
                    .map(|(rust, c)| rust / c),
                2,
            ),
        ];
        let name = name.replace('|', "\\|");
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    text
}

fn number(figure: Option<f64>, places: usize) -> String {
    figure.map_or_else(
        || format::UNKNOWN.to_owned(),
        |figure| format!("{figure:.places$}"),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Host {
        let cost = |nanoseconds, instructions| Cost {
            nanoseconds,
            instructions,
        };
        let line = |name: &str, rust, c| Line {
            name: name.to_owned(),
            rust,
            c,
        };
        Host {
            lines: vec![
                line("ring: push", cost(3.0, Some(30.0)), cost(2.0, Some(20.0))),
                line("a | b", cost(1.0, None), cost(4.0, Some(9.0))),
            ],
        }
    }

    #[test]
    fn a_line_for_each_thing() {
        let text = render(&sample());
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| ring: push | 3.00 | 2.00 | 1.50 | 30.0 | 20.0 | 1.50 |",
                "| a \\| b | 1.00 | 4.00 | 0.25 | - | 9.0 | - |",
            ]
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The block of a document that is generated, between two lines that stay.

use anyhow::{ensure, Result};

/// The line before the block.
pub const BEGIN: &str = "<!-- bench:begin -->";
/// The line after it.
pub const END: &str = "<!-- bench:end -->";

/// What the block says until something has been measured.
pub const EMPTY: &str = "Nothing has been measured yet: run `make bench`.\n";

/// What stands in the block. There must be exactly one.
pub fn block(document: &str) -> Result<&str> {
    let (begin, end) = bounds(document)?;
    Ok(&document[begin..end])
}

/// The document with other lines in its block.
pub fn replace(document: &str, lines: &str) -> Result<String> {
    let (begin, end) = bounds(document)?;
    ensure!(
        !lines.contains(BEGIN) && !lines.contains(END),
        "what goes into the block has a mark of the block in it"
    );
    let newline = if lines.is_empty() || lines.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Ok(format!(
        "{}{lines}{newline}{}",
        &document[..begin],
        &document[end..]
    ))
}

/// Where the block begins and ends.
fn bounds(document: &str) -> Result<(usize, usize)> {
    let (begin, begins) = find(document, BEGIN);
    let (end, ends) = find(document, END);
    ensure!(
        begins == 1,
        "the document has {begins} lines {BEGIN}, not one"
    );
    ensure!(ends == 1, "the document has {ends} lines {END}, not one");
    let begin = begin + BEGIN.len() + 1;
    ensure!(begin <= end, "the document has {END} before {BEGIN}");
    Ok((begin, end))
}

/// The last line that is a mark, and how many there are.
fn find(document: &str, mark: &str) -> (usize, usize) {
    let (mut at, mut last, mut count) = (0, 0, 0);
    for line in document.split_inclusive('\n') {
        if line.strip_suffix('\n').unwrap_or(line) == mark {
            (last, count) = (at, count + 1);
        }
        at += line.len();
    }
    (last, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "before\n<!-- bench:begin -->\nold\nlines\n<!-- bench:end -->\nafter\n";

    #[test]
    fn only_the_block_changes() {
        assert_eq!(block(DOCUMENT).unwrap(), "old\nlines\n");
        let new = replace(DOCUMENT, "new").unwrap();
        assert_eq!(
            new,
            "before\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nafter\n"
        );
        assert_eq!(replace(&new, "old\nlines\n").unwrap(), DOCUMENT);
    }

    #[test]
    fn an_empty_block_and_marks_at_both_ends_do() {
        let document = format!("{BEGIN}\n{END}");
        assert_eq!(block(&document).unwrap(), "");
        assert_eq!(
            replace(&document, "x\n").unwrap(),
            format!("{BEGIN}\nx\n{END}")
        );
        assert_eq!(replace(&document, "").unwrap(), document);
    }

    #[test]
    fn a_block_that_is_not_whole_is_refused() {
        for document in [
            String::new(),
            format!("{BEGIN}\n"),
            format!("{END}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
            format!("{BEGIN}\n{END}\n{END}\n"),
            format!("{BEGIN} {END}\n"),
            format!("  {BEGIN}\n{END}\n"),
        ] {
            assert!(replace(&document, "new").is_err(), "{document:?}");
        }
    }

    #[test]
    fn a_mark_cannot_come_into_the_block() {
        assert!(replace(DOCUMENT, END).is_err());
        assert!(replace(DOCUMENT, &format!("x {BEGIN} y")).is_err());
    }
}

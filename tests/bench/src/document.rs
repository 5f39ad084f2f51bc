// SPDX-License-Identifier: GPL-2.0-only
//! The blocks of a document that are generated, each between two lines that stay.

use anyhow::{ensure, Result};

/// What a block says until something has been measured.
pub const EMPTY: &str = "Nothing has been measured yet: run `make bench`.\n";

/// One of a document's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// What `make bench` measures.
    Bench,
    /// What `make bench-host` measures.
    Host,
}

impl Block {
    /// The line before the block.
    pub const fn begin(self) -> &'static str {
        match self {
            Block::Bench => "<!-- bench:begin -->",
            Block::Host => "<!-- bench-host:begin -->",
        }
    }

    /// The line after it.
    pub const fn end(self) -> &'static str {
        match self {
            Block::Bench => "<!-- bench:end -->",
            Block::Host => "<!-- bench-host:end -->",
        }
    }

    /// What stands in the block. There must be exactly one.
    pub fn of(self, document: &str) -> Result<&str> {
        let (begin, end) = self.bounds(document)?;
        Ok(&document[begin..end])
    }

    /// The document with other lines in its block.
    pub fn replace(self, document: &str, lines: &str) -> Result<String> {
        let (begin, end) = self.bounds(document)?;
        ensure!(
            !lines.contains(self.begin()) && !lines.contains(self.end()),
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
    fn bounds(self, document: &str) -> Result<(usize, usize)> {
        let (before, after) = (self.begin(), self.end());
        let (begin, begins) = find(document, before);
        let (end, ends) = find(document, after);
        ensure!(
            begins == 1,
            "the document has {begins} lines {before}, not one"
        );
        ensure!(ends == 1, "the document has {ends} lines {after}, not one");
        let begin = begin + before.len() + 1;
        ensure!(begin <= end, "the document has {after} before {before}");
        Ok((begin, end))
    }
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

    const BEGIN: &str = Block::Bench.begin();
    const END: &str = Block::Bench.end();

    const DOCUMENT: &str = "before\n<!-- bench:begin -->\nold\nlines\n<!-- bench:end -->\nafter\n";

    #[test]
    fn only_the_block_changes() {
        assert_eq!(Block::Bench.of(DOCUMENT).unwrap(), "old\nlines\n");
        let new = Block::Bench.replace(DOCUMENT, "new").unwrap();
        assert_eq!(
            new,
            "before\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nafter\n"
        );
        assert_eq!(
            Block::Bench.replace(&new, "old\nlines\n").unwrap(),
            DOCUMENT
        );
    }

    #[test]
    fn an_empty_block_and_marks_at_both_ends_do() {
        let document = format!("{BEGIN}\n{END}");
        assert_eq!(Block::Bench.of(&document).unwrap(), "");
        assert_eq!(
            Block::Bench.replace(&document, "x\n").unwrap(),
            format!("{BEGIN}\nx\n{END}")
        );
        assert_eq!(Block::Bench.replace(&document, "").unwrap(), document);
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
            assert!(
                Block::Bench.replace(&document, "new").is_err(),
                "{document:?}"
            );
        }
    }

    #[test]
    fn a_mark_cannot_come_into_the_block() {
        assert!(Block::Bench.replace(DOCUMENT, END).is_err());
        assert!(Block::Bench
            .replace(DOCUMENT, &format!("x {BEGIN} y"))
            .is_err());
    }
}

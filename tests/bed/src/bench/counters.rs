// SPDX-License-Identifier: GPL-2.0-only
//! The drivers' own counters: whatever the guest shows of them, by name.

use std::collections::BTreeMap;

/// Prints all counters, each as its name and its value.
pub const SCRIPT: &str = include_str!("../../bench/counters.sh");

/// Reads what [`SCRIPT`] has printed. What is no number is none.
pub fn read(text: &str) -> BTreeMap<String, i64> {
    let counters = text.lines().filter_map(|line| {
        let (name, value) = line.trim().rsplit_once([' ', ':', '\t'])?;
        let name = name.trim_end_matches([' ', ':', '\t']);
        Some((name.to_owned(), value.trim().parse().ok()?))
    });
    counters.collect()
}

/// By how much each has changed, those that have.
pub fn changes(
    before: &BTreeMap<String, i64>,
    after: &BTreeMap<String, i64>,
) -> BTreeMap<String, i64> {
    let change = |(name, value): (&String, &i64)| {
        let change = value - before.get(name).copied().unwrap_or_default();
        (change != 0).then(|| (name.clone(), change))
    };
    after.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_under_their_names() {
        let text = "xvdf/requests 12\neth0: rx_kicks: -3\nNIC statistics:\nstate connected\n";
        let counters = read(text);
        assert_eq!(counters.len(), 2);
        assert_eq!(counters["xvdf/requests"], 12);
        assert_eq!(counters["eth0: rx_kicks"], -3);
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let (before, after) = (read("a 1\nb 2\n"), read("a 1\nb 1\nc 3\n"));
        let changes = changes(&before, &after);
        assert_eq!(changes.len(), 2);
        assert_eq!((changes["b"], changes["c"]), (-1, 3));
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The figures in docs/performance.md are generated, never typed.

use std::path::Path;

#[test]
fn the_document_says_what_was_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    bench_report::check_document(&path).unwrap();
}

// SPDX-License-Identifier: GPL-2.0-only
//! Has Cargo rebuild the program when a file it carries is added, changed or removed.

fn main() {
    for directory in [
        "agent",
        "bench",
        "demo",
        "dom0",
        "guest",
        "../bench/plugin",
        "../bench/mark",
    ] {
        println!("cargo:rerun-if-changed={directory}");
    }
}

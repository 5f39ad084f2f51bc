// SPDX-License-Identifier: GPL-2.0-only
//! Compiles the C side as the kernel's makefiles would: its optimisation, its dialect, no vector registers.
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=c");
    if !Path::new("/usr/include/xen/io/ring.h").exists() {
        println!("cargo::error=Xen's headers are not there: run scripts/xen-headers.sh, or install libxen-dev");
        return;
    }
    cc::Build::new()
        .files(["ring", "grants", "events", "store", "handler"].map(|name| format!("c/{name}.c")))
        .opt_level(2)
        .debug(false)
        .std("gnu11")
        .warnings_into_errors(true)
        .flag("-Wall")
        .flag("-Wno-unused-function")
        .flag("-fno-strict-aliasing")
        .flag("-fno-strict-overflow")
        .flag("-fno-stack-protector")
        .flag("-fno-lto")
        .flag("-mgeneral-regs-only")
        .flag("-march=x86-64")
        .flag("-mtune=generic")
        .compile("micro");
}

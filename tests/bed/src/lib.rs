// SPDX-License-Identifier: GPL-2.0-only
//! The real-Xen test bed: QEMU emulates an AMD machine, on it run the real Xen, a real dom0 and a real HVM guest with
//! Debian's stock kernel, and in the guest scripts run with this project's modules.
//!
//! From the bottom up: [`cache`] holds everything that was made, by the content of what it was made from; [`archive`]
//! and [`tree`] get Debian's packages, [`kernel`], [`toolchain`] and [`modules`] the guest's kernel and the modules for
//! it; [`image`] and [`bed`] make what the machine boots; [`machine`] runs it; [`wire`] and [`session`] talk to the
//! agents inside; [`guest`] knows guests and their snapshots; [`exec`] runs scripts in them, and [`suite`], [`demo`],
//! [`soak`] and [`shell`] use that.

pub mod archive;
pub mod bed;
pub mod bench;
pub mod cache;
pub mod demo;
pub mod dom0;
pub mod emulator;
pub mod exec;
pub mod guest;
pub mod host_packages;
pub mod image;
pub mod kernel;
pub mod machine;
pub mod modules;
pub mod process;
pub mod progress;
pub mod run;
pub mod session;
pub mod shell;
pub mod show;
pub mod soak;
pub mod sources;
pub mod suite;
pub mod toolchain;
pub mod tree;
pub mod wire;

// SPDX-License-Identifier: GPL-2.0-only
//! `xenbed`: the real-Xen test bed's command line.

fn main() {}

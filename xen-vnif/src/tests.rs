// SPDX-License-Identifier: GPL-2.0-only
//! Unit and property tests of the core, and the core on real rings against honest and hostile backends.
mod features;
mod liar;
mod limits;
mod rings;
mod rx;
mod tx;

// SPDX-License-Identifier: GPL-2.0-only
//! How a long step tells the person waiting how far it has got.
//!
//! The builders (archive, toolchain, modules) speak to this trait only; the command line shows it as bars.

/// Something that can show the steps of a long job.
pub trait Progress: Sync {
    /// Starts a step. `total` is its length in any unit that suits it, or `None` when nobody can know.
    fn step(&self, what: &str, total: Option<u64>) -> Box<dyn Step>;

    /// Says one line that should stay on the screen.
    fn note(&self, line: &str);
}

/// One running step. Dropping it ends it.
pub trait Step {
    /// Sets how far the step has got, in the unit of its `total`.
    fn at(&self, position: u64);

    /// Says what the step is doing just now.
    fn doing(&self, what: &str);
}

/// Shows nothing (used by tests and by `--quiet`).
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _what: &str, _total: Option<u64>) -> Box<dyn Step> {
        Box::new(Silent)
    }

    fn note(&self, _line: &str) {}
}

impl Step for Silent {
    fn at(&self, _position: u64) {}

    fn doing(&self, _what: &str) {}
}

// SPDX-License-Identifier: GPL-2.0-only
//! The pure crates beside C that does the same work: Xen's ring macros, and small functions in the shape of Linux's
//! own for what has no macros.
//!
//! * [`rings`], [`grants`], [`events`], [`store`]: the Rust side of each piece of work, and its [`Case`]s.
//! * [`c`]: the C side (`c/`), behind safe types.
//! * [`memory`]: pages that both sides share.
//! * [`instructions`]: counts what the processor executes, exactly.
//!
//! The tests check that both sides come to the same results, and that each side's frontend understands the other's
//! backend. Only the bench (`make bench-host`) times them.
//!
//! # What is compared
//! Rust as it ships: one crate at a time, `opt-level = 2`, overflow checks on (the kernel's `RUST_OVERFLOW_CHECKS`). C
//! as the kernel compiles it: `-O2 -fno-strict-aliasing`, no vector registers, Linux's barriers. Both sides check what
//! a peer may have written (the C side by the macros that mainline uses for it), copy slots out before they look at
//! them, and call what is a function of its own in the kernel through a call.
#![warn(missing_docs)]

pub mod c;
pub mod events;
pub mod grants;
pub mod instructions;
pub mod memory;
pub mod rings;
pub mod store;

/// One piece of work, done by both sides.
pub struct Case {
    /// What it is.
    pub name: &'static str,
    /// How many requests, references, events or messages there are in one round.
    pub items: u32,
    /// The pure crate's way. Takes a number of rounds, returns a sum over everything seen on the way.
    pub rust: Side,
    /// C's way: with the same rounds the same sums.
    pub c: Side,
}

/// One side of a case.
pub type Side = Box<dyn FnMut(u64) -> u64>;

/// All cases, fresh: nothing has run yet.
pub fn cases() -> Vec<Case> {
    let mut cases = rings::cases();
    cases.extend(grants::cases());
    cases.extend(events::cases());
    cases.extend(store::cases());
    cases
}

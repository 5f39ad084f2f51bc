// SPDX-License-Identifier: GPL-2.0-only
//! Ends and length of a list threaded through the slots of a table.

/// End mark of a list. Never a reference: tables stop well below it.
pub(crate) const NIL: u32 = u32::MAX;

/// A list of slots, linked by their own `link` field.
///
/// It holds the ends only; [`RefTable`](crate::RefTable) owns the links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) len: u32,
}

impl List {
    /// The empty list.
    pub(crate) const EMPTY: Self = Self {
        head: NIL,
        tail: NIL,
        len: 0,
    };
}

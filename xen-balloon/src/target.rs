// SPDX-License-Identifier: GPL-2.0-only
//! How many pages the guest should have.

/// Pages in a MiB.
const MIB: u64 = 256;

/// The fewest pages that a guest which booted with `present` can live with: its page structures, kernel and buffers
/// grow with the memory it was given at boot, whatever is taken away later.
///
/// Piecewise linear, without steps: all of 16 MiB, 40 of 64 MiB, 72 of 128 MiB, 168 of 512 MiB, 360 of 2 GiB, and a
/// thirty-second of what lies above.
#[must_use]
pub const fn floor(present: u64) -> u64 {
    let part = if present < 128 * MIB {
        (8 * MIB).saturating_add(present / 2)
    } else if present < 512 * MIB {
        (40 * MIB).saturating_add(present / 4)
    } else if present < 2048 * MIB {
        (104 * MIB).saturating_add(present / 8)
    } else {
        (296 * MIB).saturating_add(present / 32)
    };
    if part < present {
        part
    } else {
        present
    }
}

/// What the toolstack asks for, in terms of the memory that the guest sees.
///
/// `memory/target` counts everything that the domain has, also what is not RAM to the guest (video memory, firmware
/// tables). How much that is follows from the two ways to say "all": `memory/static-max` in the toolstack's terms, the
/// pages present at boot in ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    present: u64,
    beside: u64,
    pages: u64,
}

impl Target {
    /// For a guest that booted with `present` pages of RAM and is to keep all of them. `static_max` is that node's
    /// value if there is one.
    #[must_use]
    pub const fn new(present: u64, static_max: Option<u64>) -> Self {
        let beside = match static_max {
            Some(all) => all.saturating_sub(present),
            None => 0,
        };
        Self {
            present,
            beside,
            pages: present,
        }
    }

    /// Pages that the guest should have: what was asked for, within the [`floor`] and what it booted with.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Pages of RAM that the guest booted with.
    #[must_use]
    pub const fn present(&self) -> u64 {
        self.present
    }

    /// The toolstack wants the domain to have `pages`, in its own terms.
    pub fn set_from_toolstack(&mut self, pages: u64) {
        self.set(pages.saturating_sub(self.beside));
    }

    /// The administrator of the guest wants it to have `pages`, in the guest's terms.
    pub fn set(&mut self, pages: u64) {
        self.pages = pages.clamp(floor(self.present), self.present);
    }
}

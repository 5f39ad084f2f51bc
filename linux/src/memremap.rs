// SPDX-License-Identifier: GPL-2.0-only
//! Mappings of guest-physical memory that Linux does not own as RAM.

use core::ptr::NonNull;
use kernel::{bindings, error::code::ENOMEM, prelude::*};

/// A cached (write-back) kernel mapping of a physical range, such as pages that Xen shares with us in the window that
/// the firmware reserves for it. Unmapped on drop.
///
/// Write-back holds outside the uncached MTRR ranges only: over a device's BAR the same call gives an uncached
/// mapping without a word, and the pages of Xen must not be put there.
///
/// # Invariants
///
/// `base` is what `memremap` returned for `len` bytes, and this value owns that mapping.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: The mapping belongs to this value alone and may be undone on any thread.
unsafe impl Send for Mapping {}
// SAFETY: A shared reference tells the address and length only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes from the guest-physical address `start`, both multiples of the page size.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room, or when the range is mapped already with another cache type.
    pub fn new(start: u64, len: usize) -> Result<Self> {
        // SAFETY: `memremap` checks the range and returns null for one that it cannot map.
        let base = unsafe { bindings::memremap(start, len, MEMREMAP_WB) };
        // INVARIANT: The call succeeded for `len` bytes.
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(ENOMEM)?,
            len,
        })
    }

    /// The first byte; valid for [`Self::len`] bytes as long as this value lives.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes mapped.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the mapping is ours, and whoever used it borrowed from this value.
        unsafe { bindings::memunmap(self.base.as_ptr().cast()) };
    }
}

/// The flag as `memremap` wants it; bindgen gives the enumeration another type.
const MEMREMAP_WB: usize = bindings::MEMREMAP_WB as usize;

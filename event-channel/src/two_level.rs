// SPDX-License-Identifier: GPL-2.0-only
//! The 2-level ABI's bits, in `struct shared_info` (`xen/include/public/xen.h`).
use crate::shared::{PortIndex, PortWords, WORDS};
use crate::sync::{store_before_load, Ordering::SeqCst};

/// The domain's pending and mask bits.
#[derive(Clone, Copy, Debug)]
pub struct Bitmaps<'a> {
    pub(crate) pending: &'a PortWords,
    pub(crate) mask: &'a PortWords,
}

impl Bitmaps<'_> {
    pub(crate) fn mask_all(self) {
        for word in self.mask {
            word.store(u64::MAX, SeqCst);
        }
    }

    #[inline]
    pub(crate) fn mask(self, port: PortIndex) {
        let (word, bit) = port.of(self.mask);
        word.fetch_or(bit, SeqCst);
        store_before_load();
    }

    /// Xen reads the mask after it has set the pending bit, and we read that bit after the mask is cleared, so one of
    /// us sees the other.
    #[inline]
    pub(crate) fn try_open(self, port: PortIndex) -> bool {
        let (word, bit) = port.of(self.mask);
        word.fetch_and(!bit, SeqCst);
        store_before_load();
        if self.is_pending(port) {
            self.mask(port);
            return false;
        }
        true
    }

    pub(crate) fn is_masked(self, port: PortIndex) -> bool {
        let (word, bit) = port.of(self.mask);
        word.load(SeqCst) & bit != 0
    }

    #[inline]
    pub(crate) fn is_pending(self, port: PortIndex) -> bool {
        let (word, bit) = port.of(self.pending);
        word.load(SeqCst) & bit != 0
    }

    pub(crate) fn set_pending(self, port: PortIndex) {
        let (word, bit) = port.of(self.pending);
        word.fetch_or(bit, SeqCst);
        store_before_load();
    }

    /// The ports of word `word` that have an event and are not masked.
    pub(crate) fn waiting(self, word: usize) -> u64 {
        // PANIC: none, the index is below WORDS, the length of both arrays.
        let word = word % WORDS;
        self.pending[word].load(SeqCst) & !self.mask[word].load(SeqCst)
    }
}

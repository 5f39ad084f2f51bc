// SPDX-License-Identifier: GPL-2.0-only
//! The event array: one word a port.
use xen_sys::event_channel::{FIFO_BUSY, FIFO_LINKED, FIFO_LINK_MASK, FIFO_MASKED, FIFO_PENDING};
use xen_sys::PAGE_SIZE;

use crate::shared::PortIndex;
use crate::sync::{store_before_load, AtomicU32, Ordering::SeqCst};

/// Ports in one page of the array.
pub const PORTS_PER_PAGE: u32 = (PAGE_SIZE / size_of::<u32>()) as u32;
/// Pages of the array that there may be.
pub const FIFO_PAGES: u32 = 32;
/// Ports that we serve of those that the FIFO ABI knows, which are four times as many.
pub const FIFO_PORTS: u32 = PORTS_PER_PAGE * FIFO_PAGES;

/// The words of all ports, as far as Xen knows their pages.
#[derive(Clone, Copy, Debug)]
pub struct EventArray<'a> {
    words: &'a [AtomicU32],
    /// Pages that Xen knows.
    pages: &'a AtomicU32,
}

impl<'a> EventArray<'a> {
    /// The array in `words`, of which Xen knows the first `pages` pages. The words after those are not touched.
    pub const fn new(words: &'a [AtomicU32], pages: &'a AtomicU32) -> Self {
        Self { words, pages }
    }

    /// Ports whose words Xen knows.
    pub(crate) fn known(self) -> u32 {
        let pages = self.pages.load(SeqCst).min(FIFO_PAGES);
        (pages * PORTS_PER_PAGE).min(self.words.len() as u32)
    }

    /// Ports that there may be words for.
    pub(crate) const fn limit(self) -> u32 {
        self.words.len() as u32
    }

    /// The words Xen knows.
    fn all(self) -> &'a [AtomicU32] {
        self.words.get(..self.known() as usize).unwrap_or(&[])
    }

    #[inline]
    fn word(self, port: u32) -> Option<&'a AtomicU32> {
        if port >= self.known() {
            return None;
        }
        self.words.get(port as usize)
    }

    #[inline]
    fn of(self, port: PortIndex) -> Option<&'a AtomicU32> {
        self.word(port.port().0)
    }

    fn has(self, port: PortIndex, flag: u32) -> bool {
        self.of(port)
            .is_some_and(|word| word.load(SeqCst) & flag != 0)
    }

    fn set(self, port: PortIndex, flag: u32) {
        if let Some(word) = self.of(port) {
            word.fetch_or(flag, SeqCst);
            store_before_load();
        }
    }

    pub(crate) fn mask_all(self) {
        for word in self.all() {
            word.fetch_or(FIFO_MASKED, SeqCst);
        }
    }

    #[inline]
    pub(crate) fn mask(self, port: PortIndex) {
        self.set(port, FIFO_MASKED);
    }

    /// Clears the mask in one step with finding that no event waits. While Xen is at work on the word (BUSY), only Xen
    /// may do that.
    #[inline]
    pub(crate) fn try_open(self, port: PortIndex) -> bool {
        let Some(word) = self.of(port) else {
            return true;
        };
        let mut seen = word.load(SeqCst);
        loop {
            if seen & FIFO_MASKED == 0 {
                return true;
            }
            if seen & (FIFO_PENDING | FIFO_BUSY) != 0 {
                return false;
            }
            match word.compare_exchange(seen, seen & !FIFO_MASKED, SeqCst, SeqCst) {
                Ok(_) => {
                    store_before_load();
                    return true;
                }
                Err(now) => seen = now,
            }
        }
    }

    pub(crate) fn is_masked(self, port: PortIndex) -> bool {
        self.has(port, FIFO_MASKED)
    }

    #[inline]
    pub(crate) fn is_pending(self, port: PortIndex) -> bool {
        self.has(port, FIFO_PENDING)
    }

    pub(crate) fn set_pending(self, port: PortIndex) {
        self.set(port, FIFO_PENDING);
    }

    /// The ports of the `word`th 64 that have an event, are not masked, and are in no queue.
    pub(crate) fn waiting(self, word: usize) -> u64 {
        (0..u64::BITS).fold(0, |waiting, bit| {
            let word = self.of(PortIndex::at(word, bit));
            let word = word.map_or(0, |word| word.load(SeqCst));
            let waits = word & (FIFO_PENDING | FIFO_MASKED | FIFO_LINKED) == FIFO_PENDING;
            waiting | u64::from(waits) << bit
        })
    }

    /// Takes the word of `port` out of its queue. `None` when there is no such word: the queue ends here, for it leads
    /// on from there to where Xen alone knows.
    ///
    /// With `claim`, an event on an open port is taken in the same step. The locked instruction also orders the
    /// event before whatever the peer wrote ahead of it.
    #[inline]
    pub(crate) fn unlink(self, port: u32, claim: bool) -> Option<Unlinked> {
        let index = PortIndex::new(xen_sys::Port(port))?;
        let word = self.of(index)?;
        let mut seen = word.load(SeqCst);
        loop {
            let active = seen & (FIFO_PENDING | FIFO_MASKED) == FIFO_PENDING;
            let taken = if active && claim { FIFO_PENDING } else { 0 };
            let new = seen & !(FIFO_LINKED | FIFO_LINK_MASK | taken);
            match word.compare_exchange(seen, new, SeqCst, SeqCst) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        store_before_load();
        let active = seen & (FIFO_PENDING | FIFO_MASKED) == FIFO_PENDING;
        Some(Unlinked {
            port: index,
            next: seen & FIFO_LINK_MASK,
            active,
        })
    }

    /// Makes the words of these ports as they are for ports that are masked and in no queue. Events that wait are kept
    /// with `keep`.
    pub(crate) fn reset(self, ports: core::ops::Range<u32>, keep: bool) {
        let range = ports.start as usize..ports.end as usize;
        for word in self.words.get(range).unwrap_or(&[]) {
            let kept = if keep { FIFO_PENDING } else { 0 };
            // First masked, so that Xen links none of them any more.
            word.fetch_or(FIFO_MASKED, SeqCst);
            word.fetch_and(kept | FIFO_MASKED, SeqCst);
        }
    }
}

/// A word that was taken out of its queue.
pub(crate) struct Unlinked {
    pub(crate) port: PortIndex,
    /// The port behind it in the queue, 0 for none.
    pub(crate) next: u32,
    /// It had an event and was not masked.
    pub(crate) active: bool,
}

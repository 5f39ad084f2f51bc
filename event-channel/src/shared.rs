// SPDX-License-Identifier: GPL-2.0-only
//! The memory that Xen and the guest share, and the algebra of its bits.
use xen_sys::Port;

use crate::sync::{store_before_load, AtomicU64, AtomicU8, Ordering::SeqCst};

/// Words in each bitmap, and bits in a vCPU's selector
/// (`EVTCHN_2L_NR_CHANNELS`, `xen/include/public/event_channel.h`, over 64).
pub const WORDS: usize = 64;
/// Ports in one word of a bitmap, for a 64-bit guest.
pub const PORTS_PER_WORD: usize = 64;
/// Ports that the 2-level ABI knows. Xen may hand out higher ones only to a guest
/// that has switched to the FIFO ABI.
pub const PORTS: u32 = 4096;

/// One bit for each port.
pub type PortWords = [AtomicU64; WORDS];

/// A port number that the bitmaps have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(u16);

impl PortIndex {
    /// The place of `port`, or `None` for port 0, which is never valid, and for
    /// ports past the last bit.
    pub const fn new(port: Port) -> Option<Self> {
        if port.0 == 0 || port.0 >= PORTS {
            return None;
        }
        Some(Self(port.0 as u16))
    }

    /// The place of bit `bit` of word `word`, both taken modulo 64.
    #[inline]
    pub const fn at(word: usize, bit: u32) -> Self {
        Self(((word % WORDS) as u16) << 6 | (bit % 64) as u16)
    }

    /// The port.
    #[inline]
    pub const fn port(self) -> Port {
        Port(self.0 as u32)
    }

    /// The word that holds its bit, below [`WORDS`].
    #[inline]
    pub const fn word(self) -> usize {
        (self.0 >> 6) as usize % WORDS
    }

    /// Its place in that word, below [`PORTS_PER_WORD`].
    #[inline]
    pub const fn bit(self) -> usize {
        self.0 as usize % PORTS_PER_WORD
    }

    /// Its word of `words`, and its bit in there.
    #[inline]
    pub(crate) fn of(self, words: &PortWords) -> (&AtomicU64, u64) {
        // PANIC: none, word() is below WORDS, the length of the array.
        (&words[self.word()], 1 << self.bit())
    }
}

/// Whether Xen must be asked to raise an upcall, by `EVTCHNOP_unmask`, for a port
/// that has an event waiting. The port is masked when it is: Xen raises only for
/// the unmasking that it does itself.
#[must_use = "an event is lost unless EVTCHNOP_unmask is called when it is needed"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raise {
    /// Call `EVTCHNOP_unmask` for the port, then [`crate::PortState::raised`].
    Needed,
    /// Nothing is waiting, or somebody else will see to it.
    NotNeeded,
}

/// The domain's pending and mask bits, in `struct shared_info`
/// (`xen/include/public/xen.h`).
#[derive(Clone, Copy, Debug)]
pub struct SharedPorts<'a> {
    pub(crate) pending: &'a PortWords,
    pub(crate) mask: &'a PortWords,
}

impl<'a> SharedPorts<'a> {
    /// A view of `evtchn_pending` and `evtchn_mask`.
    pub const fn new(pending: &'a PortWords, mask: &'a PortWords) -> Self {
        Self { pending, mask }
    }

    /// Masks every port. A guest starts with all of them unmasked, and a module
    /// finds the bits as the one before it left them.
    pub fn mask_all(self) {
        for word in self.mask {
            word.store(u64::MAX, SeqCst);
        }
    }

    /// Masks `port`.
    #[inline]
    pub(crate) fn mask(self, port: PortIndex) {
        let (word, bit) = port.of(self.mask);
        word.fetch_or(bit, SeqCst);
        store_before_load();
    }

    /// Unmasks `port`. Events that came before are not raised by this.
    #[inline]
    pub(crate) fn unmask(self, port: PortIndex) {
        let (word, bit) = port.of(self.mask);
        word.fetch_and(!bit, SeqCst);
        store_before_load();
    }

    /// Whether `port` is masked.
    pub fn is_masked(self, port: PortIndex) -> bool {
        let (word, bit) = port.of(self.mask);
        word.load(SeqCst) & bit != 0
    }

    /// Whether an event waits on `port`.
    #[inline]
    pub fn is_pending(self, port: PortIndex) -> bool {
        let (word, bit) = port.of(self.pending);
        word.load(SeqCst) & bit != 0
    }

    /// Sets the pending bit as Xen does, without telling any vCPU: for an
    /// interrupt that Linux wants to see again.
    pub fn set_pending(self, port: PortIndex) {
        let (word, bit) = port.of(self.pending);
        word.fetch_or(bit, SeqCst);
        store_before_load();
    }
}

/// What Xen tells one vCPU, in `struct vcpu_info` (`xen/include/public/xen.h`).
#[derive(Clone, Copy, Debug)]
pub struct VcpuInfo<'a> {
    upcall_pending: &'a AtomicU8,
    selector: &'a AtomicU64,
}

impl<'a> VcpuInfo<'a> {
    /// A view of `evtchn_upcall_pending` and `evtchn_pending_sel`.
    pub const fn new(upcall_pending: &'a AtomicU8, selector: &'a AtomicU64) -> Self {
        Self {
            upcall_pending,
            selector,
        }
    }

    /// Forgets what a vCPU was told before anybody listened. Without this a
    /// selector bit left from then would keep Xen from ever raising its upcall
    /// again. No port may be bound to the vCPU unmasked yet.
    pub fn reset(self) {
        self.upcall_pending.store(0, SeqCst);
        self.selector.store(0, SeqCst);
        store_before_load();
    }

    /// Takes the selector, or `None` when Xen has announced nothing.
    ///
    /// The flag is cleared before the selector is read: whatever Xen adds to the
    /// selector afterwards, it announces by the flag and a new upcall.
    #[inline]
    pub(crate) fn take(self) -> Option<u64> {
        if self.upcall_pending.swap(0, SeqCst) == 0 {
            return None;
        }
        store_before_load();
        Some(self.take_selector())
    }

    /// Clears the flag alone. Xen raises the next upcall for a word that is not in
    /// the selector yet.
    pub(crate) fn acknowledge(self) {
        self.upcall_pending.swap(0, SeqCst);
        store_before_load();
    }

    /// Takes the selector, after the flag was cleared.
    #[inline]
    pub(crate) fn take_selector(self) -> u64 {
        let selector = self.selector.swap(0, SeqCst);
        store_before_load();
        selector
    }
}

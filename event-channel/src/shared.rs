// SPDX-License-Identifier: GPL-2.0-only
//! The memory that Xen and the guest share, and the algebra of its bits.
use xen_sys::Port;

use crate::fifo::{ControlBlock, EventArray, FIFO_PORTS};
use crate::sync::{store_before_load, AtomicU64, AtomicU8, Ordering::SeqCst};
use crate::two_level::Bitmaps;

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

/// Words of [`PORTS_PER_WORD`] ports that one ABI or the other knows.
const WORDS_MAX: usize = FIFO_PORTS as usize / PORTS_PER_WORD;

/// A port number that the longest ABI has room for. Which ones the one in use has, [`SharedPorts::index`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(u16);

impl PortIndex {
    /// The place of `port`, or `None` for port 0, which is never valid, and for
    /// ports past the last bit.
    pub const fn new(port: Port) -> Option<Self> {
        if port.0 == 0 || port.0 >= FIFO_PORTS {
            return None;
        }
        Some(Self(port.0 as u16))
    }

    /// The place of bit `bit` of word `word`, both taken modulo what there is.
    #[inline]
    pub const fn at(word: usize, bit: u32) -> Self {
        Self(((word % WORDS_MAX) as u16) << 6 | (bit % 64) as u16)
    }

    /// The port.
    #[inline]
    pub const fn port(self) -> Port {
        Port(self.0 as u32)
    }

    /// The word that holds its bit; for one of the 2-level ABI's ports below [`WORDS`].
    #[inline]
    pub const fn word(self) -> usize {
        (self.0 >> 6) as usize
    }

    /// Its place in that word, below [`PORTS_PER_WORD`].
    #[inline]
    pub const fn bit(self) -> usize {
        self.0 as usize % PORTS_PER_WORD
    }

    /// Its word of `words`, and its bit in there.
    #[inline]
    pub(crate) fn of(self, words: &PortWords) -> (&AtomicU64, u64) {
        // PANIC: none, the index is below WORDS, the length of the array.
        (&words[self.word() % WORDS], 1 << self.bit())
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

/// What Xen and the guest share of each port: whether an event is pending, and whether the port is masked.
#[derive(Clone, Copy, Debug)]
pub enum SharedPorts<'a> {
    /// Two bits in `struct shared_info`.
    TwoLevel(Bitmaps<'a>),
    /// A word in the event array.
    Fifo(EventArray<'a>),
}

impl<'a> SharedPorts<'a> {
    /// A view of the 2-level ABI's `evtchn_pending` and `evtchn_mask`.
    pub const fn new(pending: &'a PortWords, mask: &'a PortWords) -> Self {
        Self::TwoLevel(Bitmaps { pending, mask })
    }

    /// Ports there may be, port 0 included.
    pub const fn limit(self) -> u32 {
        match self {
            Self::TwoLevel(_) => PORTS,
            Self::Fifo(array) => array.limit(),
        }
    }

    /// Words of [`PORTS_PER_WORD`] ports that Xen knows.
    pub(crate) fn words(self) -> usize {
        match self {
            Self::TwoLevel(_) => WORDS,
            Self::Fifo(array) => array.known() as usize / PORTS_PER_WORD,
        }
    }

    /// The place of `port`, or `None` for port 0, which is never valid, and for ports past the last.
    pub fn index(self, port: Port) -> Option<PortIndex> {
        PortIndex::new(port).filter(|_| port.0 < self.limit())
    }

    /// Masks every port. A guest starts with all of them unmasked, and a module
    /// finds the bits as the one before it left them.
    pub fn mask_all(self) {
        match self {
            Self::TwoLevel(bits) => bits.mask_all(),
            Self::Fifo(array) => array.mask_all(),
        }
    }

    /// Masks `port`.
    #[inline]
    pub(crate) fn mask(self, port: PortIndex) {
        match self {
            Self::TwoLevel(bits) => bits.mask(port),
            Self::Fifo(array) => array.mask(port),
        }
    }

    /// Opens `port`, unless an event waits that only Xen can raise: then it stays masked.
    #[inline]
    pub(crate) fn try_open(self, port: PortIndex) -> bool {
        match self {
            Self::TwoLevel(bits) => bits.try_open(port),
            Self::Fifo(array) => array.try_open(port),
        }
    }

    /// Whether `port` is masked.
    pub fn is_masked(self, port: PortIndex) -> bool {
        match self {
            Self::TwoLevel(bits) => bits.is_masked(port),
            Self::Fifo(array) => array.is_masked(port),
        }
    }

    /// Whether an event waits on `port`.
    #[inline]
    pub fn is_pending(self, port: PortIndex) -> bool {
        match self {
            Self::TwoLevel(bits) => bits.is_pending(port),
            Self::Fifo(array) => array.is_pending(port),
        }
    }

    /// Sets the pending bit as Xen does, without telling any vCPU: for an
    /// interrupt that Linux wants to see again.
    pub fn set_pending(self, port: PortIndex) {
        match self {
            Self::TwoLevel(bits) => bits.set_pending(port),
            Self::Fifo(array) => array.set_pending(port),
        }
    }

    /// The ports of word `word` that have an event, are not masked, and that no vCPU is known to be told of.
    pub(crate) fn waiting(self, word: usize) -> u64 {
        match self {
            Self::TwoLevel(bits) => bits.waiting(word),
            Self::Fifo(array) => array.waiting(word),
        }
    }
}

/// Where Xen tells a vCPU which ports to look at.
#[derive(Clone, Copy, Debug)]
enum Told<'a> {
    /// One bit for each word of the 2-level ABI.
    Selector(&'a AtomicU64),
    /// One bit for each queue of the FIFO ABI, and the queues' heads.
    Queues(&'a ControlBlock),
}

/// What Xen tells one vCPU, in `struct vcpu_info` (`xen/include/public/xen.h`) and, with the FIFO ABI, in its control
/// block.
#[derive(Clone, Copy, Debug)]
pub struct VcpuInfo<'a> {
    upcall_pending: &'a AtomicU8,
    told: Told<'a>,
}

impl<'a> VcpuInfo<'a> {
    /// A view of the 2-level ABI's `evtchn_upcall_pending` and `evtchn_pending_sel`.
    pub const fn new(upcall_pending: &'a AtomicU8, selector: &'a AtomicU64) -> Self {
        Self {
            upcall_pending,
            told: Told::Selector(selector),
        }
    }

    /// A view of `evtchn_upcall_pending` and the FIFO ABI's control block.
    pub const fn fifo(upcall_pending: &'a AtomicU8, block: &'a ControlBlock) -> Self {
        Self {
            upcall_pending,
            told: Told::Queues(block),
        }
    }

    /// Forgets what a vCPU was told before anybody listened. Without this a
    /// selector bit left from then would keep Xen from ever raising its upcall
    /// again. No port may be bound to the vCPU unmasked yet.
    ///
    /// With the FIFO ABI only the flag: what is in the queues, [`crate::VcpuEvents::drain`] takes.
    pub fn reset(self) {
        self.upcall_pending.store(0, SeqCst);
        if let Told::Selector(selector) = self.told {
            selector.store(0, SeqCst);
        }
        store_before_load();
    }

    /// Takes the bits, or `None` when Xen has announced nothing.
    ///
    /// The flag is cleared before the bits are read: whatever Xen adds to them
    /// afterwards, it announces by the flag and a new upcall.
    #[inline]
    pub(crate) fn take(self) -> Option<u64> {
        if self.upcall_pending.swap(0, SeqCst) == 0 {
            return None;
        }
        store_before_load();
        Some(self.take_bits())
    }

    /// Clears the flag alone. Xen raises the next upcall for a bit that is not set yet.
    pub(crate) fn acknowledge(self) {
        self.upcall_pending.swap(0, SeqCst);
        store_before_load();
    }

    /// Takes the bits, after the flag was cleared.
    #[inline]
    pub(crate) fn take_bits(self) -> u64 {
        match self.told {
            Told::Selector(selector) => {
                let bits = selector.swap(0, SeqCst);
                store_before_load();
                bits
            }
            Told::Queues(block) => block.take_ready().into(),
        }
    }

    /// The first port of the vCPU's queue `priority`, which was empty; 0 with the 2-level ABI.
    #[inline]
    pub(crate) fn head(self, priority: usize) -> u32 {
        match self.told {
            Told::Selector(_) => 0,
            Told::Queues(block) => block.head(priority),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! One port's life.
use crate::shared::{PortIndex, Raise, SharedPorts};
use crate::sync::{
    count, store_before_load, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

/// Whose port it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Nobody's.
    Free,
    /// Somebody's; this CPU (in the caller's numbering) serves it.
    Bound(u32),
    /// Somebody's who is giving it up: it stays masked and does not move.
    Closing,
}

impl Binding {
    const FREE: u32 = 0;
    const CLOSING: u32 = 1;
    const FIRST_CPU: u32 = 2;

    fn encode(self) -> u32 {
        match self {
            Self::Free => Self::FREE,
            Self::Closing => Self::CLOSING,
            Self::Bound(cpu) => cpu.saturating_add(Self::FIRST_CPU),
        }
    }

    fn decode(word: u32) -> Self {
        match word {
            Self::FREE => Self::Free,
            Self::CLOSING => Self::Closing,
            bound => Self::Bound(bound.wrapping_sub(Self::FIRST_CPU)),
        }
    }
}

/// Why a port is masked. It is open only when none of these holds, so that no
/// holder can undo another's masking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MaskReason {
    /// The interrupt core has it off: not requested, disabled, or being freed.
    Interrupt = 1,
    /// The driver wants no events for now.
    Driver = 2,
    /// It is changing its vCPU.
    Move = 4,
    /// Its peer sends events without work ([`crate::Throttle`]).
    Throttle = 8,
}

/// The port has an owner already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortInUse;

/// What the guest knows about one port.
///
/// A port's owner, the interrupt core and a move mask and unmask it from any CPU
/// at the same time, without a lock. Once they all are done, the mask bit is set
/// exactly when a reason is left. While they are not, a port may be open for a
/// moment longer than its holders asked for (its handler runs once more), but
/// never closed for longer, and no event is lost.
#[derive(Debug)]
pub struct PortState {
    binding: AtomicU32,
    /// The [`MaskReason`]s that hold.
    reasons: AtomicU32,
    events: AtomicU64,
}

impl Default for PortState {
    fn default() -> Self {
        Self::new()
    }
}

impl PortState {
    /// A free port. Its mask bit must be set ([`SharedPorts::mask_all`]).
    pub fn new() -> Self {
        Self {
            binding: AtomicU32::new(Binding::FREE),
            reasons: AtomicU32::new(MaskReason::Interrupt as u32),
            events: AtomicU64::new(0),
        }
    }

    /// Whose the port is.
    pub fn binding(&self) -> Binding {
        Binding::decode(self.binding.load(SeqCst))
    }

    fn change(&self, from: Binding, to: Binding) -> bool {
        let (from, to) = (from.encode(), to.encode());
        let done = self.binding.compare_exchange(from, to, SeqCst, SeqCst);
        done.is_ok()
    }

    /// Takes a free port for CPU `cpu`. It is masked ([`MaskReason::Interrupt`]),
    /// and its counter starts anew. The caller then adds it to the CPU's
    /// [`crate::VcpuEvents`].
    pub fn bind(&self, ports: SharedPorts<'_>, port: PortIndex, cpu: u32) -> Result<(), PortInUse> {
        if !self.change(Binding::Free, Binding::Bound(cpu)) {
            return Err(PortInUse);
        }
        self.reasons.store(MaskReason::Interrupt as u32, SeqCst);
        self.events.store(0, Relaxed);
        ports.mask(port);
        Ok(())
    }

    /// Changes the CPU of a bound port. False when it is not bound to `from`.
    pub(crate) fn rebind(&self, from: u32, to: u32) -> bool {
        self.change(Binding::Bound(from), Binding::Bound(to))
    }

    /// Starts giving the port up, and masks it for good. Returns the CPU whose
    /// [`crate::VcpuEvents`] must no longer have it, or `None` when it was not bound.
    /// Must not overlap a move of the same port.
    pub fn begin_close(&self, ports: SharedPorts<'_>, port: PortIndex) -> Option<u32> {
        let Binding::Bound(cpu) = self.binding() else {
            return None;
        };
        if !self.change(Binding::Bound(cpu), Binding::Closing) {
            return None;
        }
        self.mask(ports, port, MaskReason::Interrupt);
        Some(cpu)
    }

    /// Ends giving it up: the port may be bound again. Before Xen is told to close
    /// it, for it may hand the same number out again at once.
    pub fn finish_close(&self) {
        self.change(Binding::Closing, Binding::Free);
    }

    /// Masks the port for `reason`. A delivery that has begun may still end.
    #[inline]
    pub fn mask(&self, ports: SharedPorts<'_>, port: PortIndex, reason: MaskReason) {
        self.reasons.fetch_or(reason as u32, SeqCst);
        store_before_load();
        ports.mask(port);
    }

    /// Takes `reason` back, and opens the port when it was the last one.
    ///
    /// No hypercall is due unless an event waits, from any CPU: either Xen sees the
    /// port open when it sets the pending bit, or we see that bit.
    #[inline]
    pub fn unmask(&self, ports: SharedPorts<'_>, port: PortIndex, reason: MaskReason) -> Raise {
        let before = self.reasons.fetch_and(!(reason as u32), SeqCst);
        store_before_load();
        if before & !(reason as u32) != 0 {
            return Raise::NotNeeded;
        }
        self.open(ports, port)
    }

    /// To be called after `EVTCHNOP_unmask`, which clears the mask bit even when
    /// somebody has found a reason for it meanwhile. The answer is a new one.
    pub fn raised(&self, ports: SharedPorts<'_>, port: PortIndex) -> Raise {
        if self.is_open() || self.close_again(ports, port) {
            return Raise::NotNeeded;
        }
        self.open(ports, port)
    }

    /// Asks for a raise when an event waits on an open port: for events that Xen
    /// may have announced to a vCPU which has lost the port.
    pub fn raise_again(&self, ports: SharedPorts<'_>, port: PortIndex) -> Raise {
        let bound = matches!(self.binding(), Binding::Bound(_));
        if !bound || !self.is_open() || !ports.is_pending(port) {
            return Raise::NotNeeded;
        }
        ports.mask(port);
        Raise::Needed
    }

    /// Whether nobody has a reason to mask it.
    fn is_open(&self) -> bool {
        self.reasons.load(SeqCst) == 0
    }

    /// Clears the mask bit, unless a reason comes up. Whoever brings one sets the
    /// bit himself, but he may have done so before it was cleared here.
    #[inline]
    fn open(&self, ports: SharedPorts<'_>, port: PortIndex) -> Raise {
        loop {
            let opened = ports.try_open(port);
            if self.is_open() {
                return if opened {
                    Raise::NotNeeded
                } else {
                    Raise::Needed
                };
            }
            if self.close_again(ports, port) {
                return Raise::NotNeeded;
            }
        }
    }

    /// Sets the mask bit for a reason that somebody else has. False when it has
    /// gone meanwhile: then he may have cleared the bit before it was set here.
    fn close_again(&self, ports: SharedPorts<'_>, port: PortIndex) -> bool {
        ports.mask(port);
        !self.is_open()
    }

    /// Counts one delivery. Deliveries on two CPUs at once, which only a move can
    /// cause, may count as one.
    #[inline]
    pub fn count_event(&self) {
        count(&self.events, 1);
    }

    /// Deliveries since the port was bound.
    pub fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What rings return.
use core::fmt;

/// Whether the peer is to be notified through the event channel.
#[must_use = "a peer that is not notified may sleep for ever"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// The peer may be asleep: send the event.
    Needed,
    /// The peer is at work and will see it.
    NotNeeded,
}

impl Notify {
    /// Whether to send the event.
    #[inline]
    pub const fn is_needed(self) -> bool {
        matches!(self, Self::Needed)
    }

    /// `Needed` if `needed`.
    #[inline]
    pub(crate) const fn when(needed: bool) -> Self {
        if needed {
            Self::Needed
        } else {
            Self::NotNeeded
        }
    }
}

/// There is no free request slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFull;

impl fmt::Display for RingFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring has no free slot")
    }
}

impl core::error::Error for RingFull {}

/// The memory given cannot hold the ring: it has fewer bytes than the header and one slot, or the ring's address
/// is not a multiple of 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRingMemory;

impl fmt::Display for BadRingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory is too small or not aligned for the ring")
    }
}

impl core::error::Error for BadRingMemory {}

/// The peer wrote an index that cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingViolation {
    /// `rsp_prod` says that there are more responses than requests in flight.
    ResponseProducer {
        /// What the peer wrote.
        rsp_prod: u32,
        /// Responses consumed before.
        rsp_cons: u32,
        /// Requests that may be answered.
        in_flight: u32,
    },
    /// `req_prod` says that there are more requests than slots.
    RequestProducer {
        /// What the peer wrote.
        req_prod: u32,
        /// Requests consumed before.
        req_cons: u32,
        /// Requests that there was room for.
        room: u32,
    },
    /// A byte ring's indices are further apart than the ring is long.
    ByteIndices {
        /// The producer's index.
        prod: u32,
        /// The consumer's index.
        cons: u32,
        /// Bytes of the ring.
        size: u32,
    },
}

impl RingViolation {
    /// The violation's name, where there is no room for its numbers.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::ResponseProducer { .. } => "rsp_prod is beyond the requests in flight",
            Self::RequestProducer { .. } => "req_prod is beyond the ring",
            Self::ByteIndices { .. } => "byte ring indices are further apart than the ring is long",
        }
    }
}

impl fmt::Display for RingViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())?;
        match *self {
            Self::ResponseProducer {
                rsp_prod,
                rsp_cons,
                in_flight,
            } => write!(
                f,
                " (rsp_prod {rsp_prod}, rsp_cons {rsp_cons}, {in_flight} in flight)"
            ),
            Self::RequestProducer {
                req_prod,
                req_cons,
                room,
            } => write!(
                f,
                " (req_prod {req_prod}, req_cons {req_cons}, room for {room})"
            ),
            Self::ByteIndices { prod, cons, size } => {
                write!(f, " (producer {prod}, consumer {cons}, {size} bytes)")
            }
        }
    }
}

impl core::error::Error for RingViolation {}

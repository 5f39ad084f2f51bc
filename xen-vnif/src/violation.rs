// SPDX-License-Identifier: GPL-2.0-only
//! What ends the trust in a backend.

use ring::RingViolation;

/// Something that no honest backend does. The queue is dead from then on; the device has to be connected anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A ring index that cannot be true.
    Ring(RingViolation),
    /// A response to a request that is not in flight.
    Id,
    /// A status that the protocol does not know.
    Status,
}

impl Violation {
    /// The violation in words, for the log.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Ring(ring) => ring.what(),
            Self::Id => "a response has the id of no request in flight",
            Self::Status => "a transmit response has an unknown status",
        }
    }
}

impl From<RingViolation> for Violation {
    fn from(violation: RingViolation) -> Self {
        Self::Ring(violation)
    }
}

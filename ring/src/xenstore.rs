// SPDX-License-Identifier: GPL-2.0-only
//! Xenstore's ring page, from the guest's side.
use xen_sys::xenstore::{interface, RING_SIZE, SERVER_FEATURE_ERROR};

use crate::byte::{ByteConsumer, ByteProducer, ByteRingLayout};
use crate::error::BadRingMemory;
use crate::shared::{SharedMemory, SharedU32};
use crate::sync::Ordering;

/// The guest's half of xenstore's page (`struct xenstore_domain_interface`).
///
/// Both streams begin where they were left: the rings outlive a reload of the module. Whoever reloads in the midst
/// of a message has lost the stream; only a reconnection, if the server knows that, mends it.
pub struct XenstoreRing {
    /// To xenstored.
    pub requests: ByteProducer,
    /// From xenstored.
    pub replies: ByteConsumer,
    server_features: SharedU32,
    connection: SharedU32,
    error: SharedU32,
}

impl XenstoreRing {
    /// Where the request ring is.
    pub const REQUESTS: ByteRingLayout = ByteRingLayout {
        buffer: interface::REQ,
        size: RING_SIZE as u32,
        prod: interface::REQ_PROD,
        cons: interface::REQ_CONS,
    };
    /// Where the reply ring is.
    pub const REPLIES: ByteRingLayout = ByteRingLayout {
        buffer: interface::RSP,
        size: RING_SIZE as u32,
        prod: interface::RSP_PROD,
        cons: interface::RSP_CONS,
    };

    /// Joins the rings in xenstore's page.
    ///
    /// # Errors
    /// [`BadRingMemory`] if `memory` is less than the page.
    pub fn attach(memory: &SharedMemory) -> Result<Self, BadRingMemory> {
        let cell = |offset| memory.u32_at(offset).ok_or(BadRingMemory);
        Ok(Self {
            requests: ByteProducer::attach(memory, Self::REQUESTS)?,
            replies: ByteConsumer::attach(memory, Self::REPLIES)?,
            server_features: cell(interface::SERVER_FEATURES)?,
            connection: cell(interface::CONNECTION)?,
            error: cell(interface::ERROR)?,
        })
    }

    /// The server's `SERVER_FEATURE_*` bits.
    pub fn server_features(&self) -> u32 {
        self.server_features.load(Ordering::Relaxed)
    }

    /// The state of the connection: `CONNECTED` is 0.
    pub fn connection(&self) -> u32 {
        self.connection.load(Ordering::Acquire)
    }

    /// Asks the server for a reset of the connection; it answers by setting the state to `CONNECTED`, with all
    /// indices 0: attach anew then. Only with `SERVER_FEATURE_RECONNECTION`.
    pub fn request_reconnection(&self) {
        self.connection
            .store(xen_sys::xenstore::RECONNECT, Ordering::Release);
    }

    /// What the server says has gone wrong (`XENSTORE_ERROR_*`), `None` if nothing, or if it does not tell.
    pub fn error(&self) -> Option<u32> {
        if self.server_features() & SERVER_FEATURE_ERROR == 0 {
            return None;
        }
        Some(self.error.load(Ordering::Relaxed)).filter(|&error| error != 0)
    }
}

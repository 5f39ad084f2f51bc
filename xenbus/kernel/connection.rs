// SPDX-License-Identifier: GPL-2.0-only
//! The store's ring page and its event channel.

use crate::service::Shared;
use core::sync::atomic::Ordering;
use kernel::{prelude::*, sync::Arc};
use linux::memremap::Mapping;
use ring::{Notify, RingViolation, SharedMemory, XenstoreRing};
use xen_events::{EventChannel, EventHandler, Handled};
use xen_hypercall::{to_error, Xen};
use xen_sys::hvm::{PARAM_STORE_EVTCHN, PARAM_STORE_PFN};
use xen_sys::xenstore::{CONNECTED, RING_SIZE, SERVER_FEATURE_RECONNECTION};
use xen_sys::{Hypervisor, Port, PAGE_SIZE};

/// Most bytes to a former owner that are thrown away at once: far more than one that left in good order leaves.
const DISCARD_MAX: usize = 64 * RING_SIZE;

/// Wakes the reader when the store has done something.
pub(crate) struct Signal(Arc<Shared>);

impl EventHandler for Signal {
    fn handle(&self) -> Handled {
        self.0.incoming.store(true, Ordering::Release);
        self.0.reader.wake_all();
        // The store is one for all devices: it is not made to wait.
        Handled::Work
    }
}

/// The two byte streams to and from the store.
pub(crate) struct Connection {
    // Dropped in this order: no event comes when the page is gone.
    channel: EventChannel,
    ring: XenstoreRing,
    memory: SharedMemory,
    _mapping: Mapping,
}

impl Connection {
    /// Connects to the store's ring, or says `None` when the toolstack has not made one yet.
    ///
    /// # Errors
    /// What Xen said, `ENOMEM`, `EIO` when the page is none.
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<Option<Self>> {
        let Some((gfn, port)) = parameters()? else {
            return Ok(None);
        };
        let start = gfn.checked_mul(PAGE_SIZE as u64).ok_or(EIO)?;
        let mapping = Mapping::new(start, PAGE_SIZE)?;
        // SAFETY: The mapping is a page, and lives as long as the ring made of it: both are dropped together. Only this
        // connection uses it on our side.
        let memory = unsafe { SharedMemory::new(mapping.as_ptr(), mapping.len()) };
        let ring = XenstoreRing::attach(&memory).map_err(|_| EIO)?;
        let handler = Arc::new(Signal(shared.clone()), GFP_KERNEL)?;
        let channel = EventChannel::bind_store_port(port, c"xenstore", handler)?;
        Ok(Some(Self {
            channel,
            ring,
            memory,
            _mapping: mapping,
        }))
    }

    /// Whether both rings are empty: what a former owner left behind is not in the way.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.ring.requests.room() == Ok(RING_SIZE) && self.ring.replies.available() == Ok(0)
    }

    /// Whether the store can begin the streams anew.
    pub(crate) fn can_reconnect(&self) -> bool {
        self.ring.server_features() & SERVER_FEATURE_RECONNECTION != 0
    }

    /// Asks the store to begin the streams anew; [`Self::is_reconnected`] says when it has.
    pub(crate) fn reconnect(&self) {
        self.ring.request_reconnection();
        self.channel.notify();
    }

    /// Whether the store has begun the streams anew. They are joined then.
    pub(crate) fn is_reconnected(&mut self) -> bool {
        if self.ring.connection() != CONNECTED {
            return false;
        }
        match XenstoreRing::attach(&self.memory) {
            Ok(ring) => {
                self.ring = ring;
                true
            }
            Err(_) => false,
        }
    }

    /// Throws away what the store has sent to a former owner.
    ///
    /// # Errors
    /// `EIO` when the store's indices cannot be, or when it never stops.
    pub(crate) fn discard_replies(&mut self) -> Result {
        let mut bytes = [0; 64];
        for _ in 0..DISCARD_MAX / bytes.len() {
            if self.read(&mut bytes).map_err(|_| EIO)? == 0 {
                return Ok(());
            }
        }
        Err(EIO)
    }

    /// Sends as much of `bytes` as there is room for, and says how much.
    ///
    /// # Errors
    /// The store's indices cannot be; the same again ever after.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> core::result::Result<usize, RingViolation> {
        let moved = self.ring.requests.write(bytes)?;
        self.notify(moved.notify);
        Ok(moved.bytes)
    }

    /// Receives what there is, as far as it fits, and says how much.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(crate) fn read(&mut self, to: &mut [u8]) -> core::result::Result<usize, RingViolation> {
        let moved = self.ring.replies.read(to)?;
        self.notify(moved.notify);
        Ok(moved.bytes)
    }

    /// What the store says has gone wrong.
    pub(crate) fn error(&self) -> Option<u32> {
        self.ring.error()
    }

    fn notify(&self, notify: Notify) {
        if notify == Notify::Needed {
            self.channel.notify();
        }
    }
}

/// The frame and the port of the store, `None` as long as the toolstack has not set both.
fn parameters() -> Result<Option<(u64, Port)>> {
    let gfn = Xen.hvm_get_param(PARAM_STORE_PFN).map_err(to_error)?;
    let port = Xen.hvm_get_param(PARAM_STORE_EVTCHN).map_err(to_error)?;
    let port = u32::try_from(port).unwrap_or(0);
    Ok((gfn != 0 && gfn != u64::MAX && port != 0).then_some((gfn, Port(port))))
}

// SPDX-License-Identifier: GPL-2.0-only
//! Which minor numbers of major 202 and which names are taken: two vbds can map to the same ones (an extended and a
//! classic number).

use kernel::{prelude::*, sync::global_lock};
use vbd_core::Placement;

global_lock! {
    // SAFETY: `init` is called when the module is loaded, before there can be a device.
    unsafe(uninit) static TAKEN: Mutex<KVec<Placement>> = KVec::new();
}

/// Makes the list.
///
/// # Safety
/// Once, before anything else of this file is used.
pub(crate) unsafe fn init() {
    // SAFETY: as the caller promises.
    unsafe { TAKEN.init() };
}

/// A place that nobody else has; dropping it frees its minors and its name.
pub(crate) struct Reserved(Placement);

impl Reserved {
    /// Takes the place. `EBUSY` when another vbd is in its way.
    pub(crate) fn new(placement: Placement) -> Result<Self> {
        let mut taken = TAKEN.lock();
        if taken.iter().any(|other| other.conflicts(&placement)) {
            return Err(EBUSY);
        }
        taken.push(placement, GFP_KERNEL)?;
        Ok(Self(placement))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        TAKEN.lock().retain(|other| *other != self.0);
    }
}

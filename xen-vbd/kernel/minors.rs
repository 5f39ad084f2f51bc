// SPDX-License-Identifier: GPL-2.0-only
//! Which minor numbers of major 202 are taken: two vbds can map to the same ones (`hda` and `xvda`, or an extended and
//! a classic number).

use kernel::{prelude::*, sync::global_lock};
use vbd_core::Minors;

global_lock! {
    // SAFETY: `init` is called when the module is loaded, before there can be a device.
    unsafe(uninit) static TAKEN: Mutex<KVec<Minors>> = KVec::new();
}

/// Makes the list.
///
/// # Safety
/// Once, before anything else of this file is used.
pub(crate) unsafe fn init() {
    // SAFETY: as the caller promises.
    unsafe { TAKEN.init() };
}

/// A range of minors that nobody else has; dropping it frees them.
pub(crate) struct Reserved(Minors);

impl Reserved {
    /// Takes the minors. `EBUSY` when another vbd has one of them.
    pub(crate) fn new(minors: Minors) -> Result<Self> {
        let mut taken = TAKEN.lock();
        if taken.iter().any(|other| other.overlaps(&minors)) {
            return Err(EBUSY);
        }
        taken.push(minors, GFP_KERNEL)?;
        Ok(Self(minors))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        TAKEN.lock().retain(|other| *other != self.0);
    }
}

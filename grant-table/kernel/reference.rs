// SPDX-License-Identifier: GPL-2.0-only
//! Owned grant references.

use crate::granted::{Owner, RawOwner};
use crate::retry;
use crate::table::{entry, TABLE};
use core::mem::ManuallyDrop;
use grant_table::{Access, EntryRef, StillInUse};
use kernel::{error::code::EIO, prelude::*};
use xen_sys::{Domid, Gfn, GrantRef};

/// A reference taken from the table, and its entry.
type Reference = EntryRef<'static>;

/// A reference that grants nothing. Dropping it frees the reference.
pub struct FreeRef(Reference);

impl FreeRef {
    /// Owns a reference that the table just handed out.
    pub(crate) fn wrap(gref: GrantRef) -> Result<Self> {
        entry(gref).map(Self).ok_or(EIO)
    }

    /// The number of the reference.
    pub fn gref(&self) -> GrantRef {
        self.0.gref()
    }

    /// Grants `domid` access to the page at `gfn`.
    ///
    /// A frame that does not fit the 32 bits of a version 1 entry (guest memory above 16 TiB) is not granted: the
    /// backend's attempt to map it fails, and a line in the log says why.
    ///
    /// # Safety
    ///
    /// From now on another domain may read, and with [`Access::ReadWrite`] change, the page's memory. The caller keeps
    /// it from any other use and does not free it, until the reference comes back from [`ActiveRef::try_end`] or
    /// [`ActiveRef::end`] as a [`FreeRef`].
    pub unsafe fn grant(self, domid: Domid, gfn: Gfn, access: Access) -> ActiveRef {
        let reference = ManuallyDrop::new(self).0;
        if reference.grant(domid, gfn, access).is_err() {
            pr_err!("frame {:#x} does not fit a version 1 grant entry and is not shared with domain {}\n", gfn.0, domid.0);
        }
        ActiveRef(reference)
    }
}

impl Drop for FreeRef {
    fn drop(&mut self) {
        let result = TABLE.lock().free(self.0.gref());
        if result.is_err() {
            pr_err!(
                "grant reference {} was not in use and is not freed\n",
                self.0.gref().0
            );
        }
    }
}

/// A reference that grants access to a page.
///
/// Dropping it ends the access. If the peer still maps the page then, the reference is kept until it does not, but the
/// page is the caller's care: [`Granted`](crate::Granted) and [`ActiveRef::end`] care for both.
pub struct ActiveRef(Reference);

impl ActiveRef {
    /// The number of the reference: what the peer is told.
    pub fn gref(&self) -> GrantRef {
        self.0.gref()
    }

    /// Ends the access. Any context, no lock.
    ///
    /// # Errors
    /// The grant itself, when the peer still maps the page. In a version 2 table it cannot map it anew then.
    pub fn try_end(self) -> Result<FreeRef, Self> {
        match self.0.try_end() {
            Ok(()) => Ok(FreeRef(ManuallyDrop::new(self).0)),
            Err(StillInUse) => Err(self),
        }
    }

    /// Ends the access and gives back what owns the page. If the peer still maps the page, the deferred list owns
    /// both until it does not, and there is nothing to give back. Any context.
    pub fn end<T: Owner>(self, owner: T) -> Option<(T, FreeRef)> {
        match self.try_end() {
            Ok(free) => Some((owner, free)),
            Err(active) => {
                let reference = ManuallyDrop::new(active).0;
                defer(reference, Some(RawOwner::new(owner)));
                None
            }
        }
    }
}

impl Drop for ActiveRef {
    fn drop(&mut self) {
        match self.0.try_end() {
            Ok(()) => drop(FreeRef(self.0)),
            Err(StillInUse) => defer(self.0, None),
        }
    }
}

/// Leaves a reference to the deferred list.
fn defer(reference: Reference, owner: Option<RawOwner>) {
    let (gref, peer) = (reference.gref(), reference.grantee());
    let now = retry::now_seconds();
    let result = TABLE.lock().defer(gref, peer, owner, now);
    match result {
        Ok(()) => retry::later(),
        // The owner is not released: its page is still mapped.
        Err(_) => pr_err!(
            "grant reference {} was not in use and is not deferred\n",
            gref.0
        ),
    }
}

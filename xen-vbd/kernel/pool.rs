// SPDX-License-Identifier: GPL-2.0-only
//! The pages through which all data goes, and their grants.
//!
//! Every tag of a queue has its own pages: enough for the largest direct request from the start, and more when it is first
//! used for a larger one, as long as there is memory and nobody else lacks grant references. What a tag has no pages for
//! is the rest of the request, which the block layer issues again ([`linux_block::Finished::Part`]). No page of the page cache or of user space
//! is ever granted: a backend that does not let go of a page keeps one of ours from us, nobody else's. It also cannot
//! see what lies beside the data in the same page (XSA-403), or change data that was already checked by its reader.

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU64, Ordering},
};

use kernel::{
    alloc::{
        flags::{__GFP_NOWARN, GFP_NOWAIT},
        Flags,
    },
    prelude::*,
};
use linux::page::Page;
use linux_block::{Op, Request};
use vbd_core::MAX_DIRECT_BYTES;
use xen_bus::DeviceRef;
use xen_grants::{Access, FreeRef, Granted};
use xen_sys::{Domid, GrantRef, PAGE_SIZE};

/// Pages that a tag has from the start.
const FIRST_PAGES: usize = MAX_DIRECT_BYTES / PAGE_SIZE;

/// One page and whether the backend may use it now.
enum Share {
    /// Ours alone; the reference is kept for the next time.
    Idle(Page, FreeRef),
    /// Granted.
    Active(Granted<Page>),
    /// The backend did not let go of it: the deferred list has page and reference. Also the state in between.
    Lost,
}

/// The pages of one tag, as three lists of the same length: what is needed while a request goes down, and the owners.
struct TagPages {
    addresses: KVec<*mut u8>,
    grefs: KVec<GrantRef>,
    shares: KVec<Share>,
}

/// The pages of a queue, for one connection.
///
/// Invariant: `tags[tag]` is reached only through the [`Request`] that has the tag, or by who knows that this one is not
/// touched meanwhile. The block layer gives a tag to one request at a time, and a `Request` has one owner; so the pages of
/// a tag have one user at a time.
pub(crate) struct Pool {
    tags: KVec<UnsafeCell<TagPages>>,
    /// Whose account the grant references are on.
    device: DeviceRef,
    /// Its backend's, for this connection.
    domid: Domid,
    persistent: bool,
    /// Pages that a tag may have.
    most: usize,
    /// Pages that all tags have.
    pages: AtomicU64,
}

// SAFETY: the addresses are of pages that the pool owns, and go with it.
unsafe impl Send for Pool {}
// SAFETY: what is shared without a lock is constant or atomic, but for the pages of a tag, which have one user at a time by
// the invariant.
unsafe impl Sync for Pool {}

/// The backend still maps so many pages after it said that it was done with the request.
pub(crate) struct StillMapped(pub(crate) u64);

impl Pool {
    /// Pages for the direct requests of `depth` tags, to be shared with the device's backend: for the pool's life if
    /// `persistent`, else for the time of each request. `ENOMEM`, or `ENOSPC` when there are not enough grant references.
    pub(crate) fn new(depth: usize, device: DeviceRef, persistent: bool) -> Result<Self> {
        let domid = device.otherend_id();
        let count = depth.checked_mul(FIRST_PAGES).ok_or(EINVAL)?;
        let mut refs = device.grants().allocate_many(count)?.into_iter();
        let mut tags = KVec::with_capacity(depth, GFP_KERNEL)?;
        for _ in 0..depth {
            let mut tag = TagPages {
                addresses: KVec::with_capacity(FIRST_PAGES, GFP_KERNEL)?,
                grefs: KVec::with_capacity(FIRST_PAGES, GFP_KERNEL)?,
                shares: KVec::with_capacity(FIRST_PAGES, GFP_KERNEL)?,
            };
            for free in refs.by_ref().take(FIRST_PAGES) {
                tag.add(free, domid, persistent, GFP_KERNEL)?;
            }
            tags.push(UnsafeCell::new(tag), GFP_KERNEL)?;
        }
        Ok(Self {
            tags,
            device,
            domid,
            persistent,
            most: FIRST_PAGES,
            pages: AtomicU64::new(count as u64),
        })
    }

    /// Lets each tag have so many pages, when a request first needs them.
    pub(crate) fn allow(&mut self, most: usize) {
        self.most = most;
    }

    /// How many pages are shared all the time; `None` when each is for the time of a request.
    pub(crate) fn persistent_pages(&self) -> Option<u64> {
        self.persistent.then(|| self.pages.load(Ordering::Relaxed))
    }

    /// Ends the pool. Returns the number of pages that the backend does not let go of; the deferred list has them.
    pub(crate) fn end(self) -> u64 {
        let shares = self
            .tags
            .into_iter()
            .flat_map(|tag| tag.into_inner().shares);
        shares.fold(0, |kept: u64, share| match share {
            Share::Active(granted) => kept.wrapping_add(granted.end().is_none().into()),
            _ => kept,
        })
    }

    /// The pages of a tag.
    ///
    /// # Safety
    /// The caller must have the request that has this tag, of the queue of this pool, and as long as the pages are used
    /// nobody may call this or another method of the pool for it, whoever has it then.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    unsafe fn tag(&self, tag: usize) -> Option<&mut TagPages> {
        // SAFETY: by the pool's invariant the pages have one user at a time, who is the caller, as he promises.
        Some(unsafe { &mut *self.tags.get(tag)?.get() })
    }

    /// The grant references of a tag's pages, in the order of the data.
    ///
    /// # Safety
    /// As for [`tag`](Self::tag).
    #[inline]
    pub(crate) unsafe fn grefs(&self, tag: usize) -> &[GrantRef] {
        // SAFETY: as the caller promises.
        unsafe { self.tag(tag) }.map_or(&[], |tag| &tag.grefs)
    }

    /// Makes the pages ready for the request, or for the first part of it: a write's data is copied in, and they are
    /// granted. Says how many bytes that is. A page that is lost is not written to.
    #[inline]
    pub(crate) fn prepare(&self, request: &mut Request) -> usize {
        let (bytes, op) = (request.len(), request.op());
        // SAFETY: the request has the tag, and is the caller's until this returns.
        let Some(tag) = (unsafe { self.tag(request.tag()) }) else {
            return 0;
        };
        let bytes = match bytes <= tag.room() {
            true => bytes,
            false => self.make_room(tag, bytes),
        };
        if !self.persistent && !tag.share(op, bytes, self.domid) {
            return bytes;
        }
        // SAFETY: the addresses are of pages that the pool owns. None of those used is lost: persistent ones are not
        // as long as the pool lives, the others were seen just now.
        if op == Op::Write && !unsafe { request.copy_to_pages(&tag.addresses, bytes) } {
            return 0;
        }
        bytes
    }

    /// Takes the pages back after the answer, and copies a read's data out if `done`. Says how many bytes are done.
    #[inline]
    pub(crate) fn finish(&self, request: &mut Request, done: bool) -> Result<usize, StillMapped> {
        let (bytes, op) = (request.len(), request.op());
        // SAFETY: the request has the tag, and is the caller's until this returns.
        let Some(tag) = (unsafe { self.tag(request.tag()) }) else {
            return Ok(0);
        };
        // What `prepare` said: a tag gets pages nowhere else.
        let bytes = bytes.min(tag.room());
        if !self.persistent {
            tag.unshare(bytes)?;
        }
        if done && op == Op::Read {
            // SAFETY: the addresses are of pages that the pool owns: none is lost, as just seen.
            let moved = unsafe { request.copy_from_pages(&tag.addresses, bytes) };
            return Ok(if moved { bytes } else { 0 });
        }
        Ok(if done { bytes } else { 0 })
    }

    /// Gives the tag the pages that it may have and `bytes` bytes need, as far as that can be without waiting. Says how
    /// many bytes there is room for now.
    #[cold]
    fn make_room(&self, tag: &mut TagPages, bytes: usize) -> usize {
        let wanted = bytes.div_ceil(PAGE_SIZE).min(self.most);
        let flags = GFP_NOWAIT | __GFP_NOWARN;
        while tag.shares.len() < wanted && references_to_spare() {
            let added = self
                .device
                .grants()
                .try_allocate()
                .and_then(|free| tag.add(free, self.domid, self.persistent, flags));
            if added.is_err() {
                break;
            }
            self.pages.fetch_add(1, Ordering::Relaxed);
        }
        bytes.min(tag.room())
    }
}

/// Whether there are so many grant references that large requests may have some: half of them are left to those who cannot
/// do without.
fn references_to_spare() -> bool {
    let counters = xen_grants::counters();
    let taken = counters
        .table
        .in_use
        .saturating_add(counters.table.deferred);
    taken < counters.capacity / 2
}

impl TagPages {
    /// Adds a page.
    fn add(&mut self, free: FreeRef, domid: Domid, persistent: bool, flags: Flags) -> Result {
        self.addresses.reserve(1, flags)?;
        self.grefs.reserve(1, flags)?;
        self.shares.reserve(1, flags)?;
        let page = Page::new(flags)?;
        self.addresses
            .push_within_capacity(page.as_ptr().as_ptr())?;
        self.grefs.push_within_capacity(free.gref())?;
        let share = match persistent {
            true => Share::Active(Granted::page(free, page, domid, Access::ReadWrite)),
            false => Share::Idle(page, free),
        };
        Ok(self.shares.push_within_capacity(share)?)
    }

    /// Bytes for which there are pages.
    #[inline]
    fn room(&self) -> usize {
        self.shares.len().wrapping_mul(PAGE_SIZE)
    }

    /// The shares of the pages that hold so many bytes.
    fn shares(&mut self, bytes: usize) -> &mut [Share] {
        self.shares
            .get_mut(..bytes.div_ceil(PAGE_SIZE))
            .unwrap_or(&mut [])
    }

    /// Grants the pages for `bytes` bytes of a request. False when one of them is lost.
    #[inline(never)]
    fn share(&mut self, op: Op, bytes: usize, domid: Domid) -> bool {
        let access = match op {
            Op::Read => Access::ReadWrite,
            _ => Access::ReadOnly,
        };
        self.shares(bytes).iter_mut().all(|share| {
            *share = match core::mem::replace(share, Share::Lost) {
                Share::Idle(page, free) => Share::Active(Granted::page(free, page, domid, access)),
                other => other,
            };
            matches!(share, Share::Active(_))
        })
    }

    /// Ends the grants of the pages of `bytes` bytes. An error when there are some that the backend still maps.
    #[inline(never)]
    fn unshare(&mut self, bytes: usize) -> Result<(), StillMapped> {
        let (mut lost, mut kept) = (false, 0u64);
        for share in self.shares(bytes) {
            *share = match core::mem::replace(share, Share::Lost) {
                Share::Active(granted) => match granted.end() {
                    Some((page, free)) => Share::Idle(page, free),
                    None => {
                        kept = kept.wrapping_add(1);
                        Share::Lost
                    }
                },
                other => other,
            };
            lost |= matches!(share, Share::Lost);
        }
        match lost {
            true => Err(StillMapped(kept)),
            false => Ok(()),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The pages through which all data goes, and their grants.
//!
//! Every tag of a queue has its own pages, enough for the largest request. No page of the page cache or of user space
//! is ever granted: a backend that does not let go of a page keeps one of ours from us, nobody else's. It also cannot
//! see what lies beside the data in the same page (XSA-403), or change data that was already checked by its reader.

use core::cell::UnsafeCell;

use kernel::prelude::*;
use linux::page::Page;
use linux_block::{Op, Request};
use vbd_core::MAX_REQUEST_BYTES;
use xen_grants::{Access, FreeRef, Granted};
use xen_sys::{Domid, GrantRef, PAGE_SIZE};

/// Pages of a tag.
const PAGES: usize = MAX_REQUEST_BYTES / PAGE_SIZE;

/// One page and whether the backend may use it now.
enum Share {
    /// Ours alone; the reference is kept for the next time.
    Idle(Page, FreeRef),
    /// Granted.
    Active(Granted<Page>),
    /// The backend did not let go of it: the deferred list has page and reference. Also the state in between.
    Lost,
}

/// The pages of one tag. Addresses and references never change, whatever the shares do.
struct TagPages {
    addresses: [*mut u8; PAGES],
    grefs: [GrantRef; PAGES],
    shares: UnsafeCell<[Share; PAGES]>,
}

/// The pages of a queue, for one connection.
///
/// Invariant: `shares[tag]` is reached only through the [`Request`] that has the tag. The block layer gives a tag to
/// one request at a time, and a `Request` has one owner; so the shares of a tag have one user at a time.
pub(crate) struct Pool {
    tags: KVec<TagPages>,
    domid: Domid,
    persistent: bool,
}

// SAFETY: the addresses are of pages that the pool owns, and go with it.
unsafe impl Send for Pool {}
// SAFETY: what is shared without a lock is constant, but for the shares, which have one user at a time by the
// invariant.
unsafe impl Sync for Pool {}

/// The backend still maps so many pages after it said that it was done with the request.
pub(crate) struct StillMapped(pub(crate) u8);

impl Pool {
    /// Pages for `depth` tags, to be shared with domain `domid`: for the pool's life if `persistent`, else for the
    /// time of each request. `ENOMEM`, or `ENOSPC` when there are not enough grant references.
    pub(crate) fn new(depth: usize, domid: Domid, persistent: bool) -> Result<Self> {
        let count = depth.checked_mul(PAGES).ok_or(EINVAL)?;
        let mut refs = xen_grants::allocate_many(count)?.into_iter();
        let mut tags = KVec::with_capacity(depth, GFP_KERNEL)?;
        for _ in 0..depth {
            tags.push(TagPages::new(&mut refs, domid, persistent)?, GFP_KERNEL)?;
        }
        Ok(Self {
            tags,
            domid,
            persistent,
        })
    }

    /// How many pages are shared all the time; `None` when each is for the time of a request.
    pub(crate) fn persistent_pages(&self) -> Option<u64> {
        let pages = self.tags.len().wrapping_mul(PAGES);
        self.persistent.then_some(pages as u64)
    }

    /// Ends the pool. Returns the number of pages that the backend does not let go of; the deferred list has them.
    pub(crate) fn end(self) -> u64 {
        let shares = self
            .tags
            .into_iter()
            .flat_map(|tag| tag.shares.into_inner());
        shares.fold(0, |kept: u64, share| match share {
            Share::Active(granted) => kept.wrapping_add(granted.end().is_none().into()),
            _ => kept,
        })
    }

    /// The grant references of the request's pages, in the order of the data.
    #[inline]
    pub(crate) fn grefs(&self, request: &Request) -> &[GrantRef] {
        self.tags.get(request.tag()).map_or(&[], |tag| &tag.grefs)
    }

    /// Makes the pages ready for the request: a write's data is copied in, and they are granted. False when the
    /// request is larger than the pages, or a page is lost.
    #[inline]
    pub(crate) fn prepare(&self, request: &mut Request) -> bool {
        let Some(tag) = self.tags.get(request.tag()) else {
            return false;
        };
        if !self.persistent && !tag.share(request, self.domid) {
            return false;
        }
        // SAFETY: the addresses are of pages that the pool owns. None of those used is lost: persistent ones are not
        // as long as the pool lives, the others were seen just now.
        request.op() != Op::Write || unsafe { request.copy_to_pages(&tag.addresses) }
    }

    /// Takes the pages back after the answer, and copies a read's data out if `done`. Says whether the data is there.
    #[inline]
    pub(crate) fn finish(&self, request: &mut Request, done: bool) -> Result<bool, StillMapped> {
        let Some(tag) = self.tags.get(request.tag()) else {
            return Ok(false);
        };
        if !self.persistent {
            tag.unshare(request)?;
        }
        if !done || request.op() != Op::Read {
            return Ok(done);
        }
        // SAFETY: the addresses are of the pages that the pool owns: none is lost, as just seen.
        Ok(unsafe { request.copy_from_pages(&tag.addresses) })
    }
}

impl TagPages {
    fn new(
        refs: &mut impl Iterator<Item = FreeRef>,
        domid: Domid,
        persistent: bool,
    ) -> Result<Self> {
        let mut addresses = [core::ptr::null_mut(); PAGES];
        let mut grefs = [GrantRef(0); PAGES];
        let mut shares = [const { Share::Lost }; PAGES];
        for ((address, gref), share) in addresses.iter_mut().zip(&mut grefs).zip(&mut shares) {
            let page = Page::new(GFP_KERNEL)?;
            let free = refs.next().ok_or(ENOSPC)?;
            *address = page.as_ptr().as_ptr();
            *gref = free.gref();
            *share = match persistent {
                true => Share::Active(Granted::page(free, page, domid, Access::ReadWrite)),
                false => Share::Idle(page, free),
            };
        }
        Ok(Self {
            addresses,
            grefs,
            shares: UnsafeCell::new(shares),
        })
    }

    /// The shares of the pages that hold the request's data.
    ///
    /// # Safety
    /// `request` must be the one that has the tag of these pages, of the queue of this pool.
    #[allow(clippy::mut_from_ref)]
    unsafe fn shares<'a>(&'a self, request: &'a mut Request) -> &'a mut [Share] {
        let count = request.len().div_ceil(PAGE_SIZE);
        // SAFETY: by the pool's invariant who has the tag's request has the tag's shares, and the request is
        // borrowed as long as they are.
        let shares = unsafe { &mut *self.shares.get() };
        shares.get_mut(..count).unwrap_or(&mut [])
    }

    /// Grants the request's pages. False when one of them is lost.
    #[inline(never)]
    fn share(&self, request: &mut Request, domid: Domid) -> bool {
        let access = match request.op() {
            Op::Read => Access::ReadWrite,
            _ => Access::ReadOnly,
        };
        // SAFETY: `Pool` looked these pages up by the request's tag.
        unsafe { self.shares(request) }.iter_mut().all(|share| {
            *share = match core::mem::replace(share, Share::Lost) {
                Share::Idle(page, free) => Share::Active(Granted::page(free, page, domid, access)),
                other => other,
            };
            matches!(share, Share::Active(_))
        })
    }

    /// Ends the grants of the request's pages. An error when there are some that the backend still maps.
    #[inline(never)]
    fn unshare(&self, request: &mut Request) -> Result<(), StillMapped> {
        let (mut lost, mut kept) = (false, 0u8);
        // SAFETY: `Pool` looked these pages up by the request's tag.
        for share in unsafe { self.shares(request) } {
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

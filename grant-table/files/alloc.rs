// SPDX-License-Identifier: GPL-2.0-only
//! /dev/xen/gntalloc: pages of the guest that a process shares with another domain.
//!
//! A page lives as long as its file has it or a process has it mapped. Then the peer is told, the grant ends, and if the
//! peer still maps the page, it goes to the deferred list like any other.

use crate::notice::Armed;
use crate::{read_argument, refusal, write_at, Share, Tally};
use core::mem::take;
use grant_table::user::{position_of, room, run, AllocCommand, Notice, INDEX_OFFSET, REFS_OFFSET};
use grant_table::Access;
use kernel::error::code::{EBUSY, EINVAL, ENOENT, ENOSPC, ENOTTY};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex, SetOnce};
use kernel::uaccess::UserPtr;
use linux::area::{Area, MapFile};
use linux::file::File;
use linux::page::Page;
use xen_grants::{GrantAccount, Granted};
use xen_sys::Domid;

/// Pages of all files.
pub(crate) static PAGES: Tally = Tally::new(0);
/// The references of all files: one account, as if they were a device.
static ACCOUNT: SetOnce<GrantAccount> = SetOnce::new();
/// There are no more references than that.
pub(crate) const LIMIT_MAX: usize = 1 << 15;

/// Lets files have pages, as many as their account has references for. Once.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn start() -> Result {
    ACCOUNT.populate(GrantAccount::open(c"gntalloc")?);
    Ok(())
}

/// Bytes of a reference.
const REF: usize = size_of::<u32>();

/// A page that a domain has access to.
#[pin_data(PinnedDrop)]
struct SharedPage {
    granted: Granted<Page>,
    #[pin]
    notice: Mutex<Option<Armed>>,
    _share: Share,
}

#[pinned_drop]
impl PinnedDrop for SharedPage {
    fn drop(self: Pin<&mut Self>) {
        let notice = self.notice.lock().take();
        if let Some(notice) = notice {
            notice.fire(Some(self.granted.get()));
        }
    }
}

/// A page and its number in the file.
struct Place {
    number: u64,
    page: Arc<SharedPage>,
}

/// An open file: its pages, in the order of their numbers.
#[pin_data]
pub(crate) struct AllocFile {
    #[pin]
    places: Mutex<KVec<Place>>,
}

impl AllocFile {
    fn allocate(&self, domid: Domid, writable: bool, count: u32, to: UserPtr) -> Result {
        let access = match writable {
            true => Access::ReadWrite,
            false => Access::ReadOnly,
        };
        let pages = make(domid, access, count as usize)?;
        let mut refs = KVec::with_capacity(pages.len().saturating_mul(REF), GFP_KERNEL_ACCOUNT)?;
        for page in &pages {
            refs.extend_from_slice(&page.granted.gref().0.to_ne_bytes(), GFP_KERNEL_ACCOUNT)?;
        }
        let first = self.place(&pages)?;
        write_at(to, REFS_OFFSET, &refs)
            .and_then(|()| write_at(to, INDEX_OFFSET, &position_of(first).to_ne_bytes()))
            .inspect_err(|_| self.give_up(&pages))
    }

    /// Puts pages into the file, and says what the first one's number is.
    fn place(&self, pages: &[Arc<SharedPage>]) -> Result<u64> {
        let mut places = self.places.lock();
        places.reserve(pages.len(), GFP_KERNEL_ACCOUNT)?;
        let taken = places.iter().map(|place| (place.number, 1));
        let (at, first) = room(taken, pages.len() as u64).ok_or(ENOSPC)?;
        let (mut place, mut number) = (at, first);
        for page in pages {
            let page = page.clone();
            places
                .insert_within_capacity(place, Place { number, page })
                .map_err(|_| EINVAL)?;
            place = place.wrapping_add(1);
            number = number.wrapping_add(1);
        }
        Ok(first)
    }

    /// Takes those of `pages` out of the file that are in it still.
    fn give_up(&self, pages: &[Arc<SharedPage>]) {
        // The caller has all of them, so that none ends here, under the lock.
        self.places
            .lock()
            .retain(|place| !pages.iter().any(|page| Arc::ptr_eq(page, &place.page)));
    }

    /// References to the `count` pages from `first` on.
    fn pages(&self, first: u64, count: usize) -> Result<KVec<Arc<SharedPage>>> {
        let places = self.places.lock();
        let numbers = places.iter().map(|place| place.number);
        let range = run(numbers, first, count).ok_or(ENOENT)?;
        let mut pages = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for place in places.get(range).ok_or(ENOENT)? {
            pages.push_within_capacity(place.page.clone())?;
        }
        Ok(pages)
    }

    fn notify(&self, notice: Notice) -> Result {
        let armed = Armed::new(notice, 0)?;
        let pages = self.pages(notice.page, 1)?;
        let page = pages.first().ok_or(ENOENT)?;
        let earlier = core::mem::replace(&mut *page.notice.lock(), armed);
        drop(earlier);
        Ok(())
    }
}

/// New pages that `domid` has access to.
fn make(domid: Domid, access: Access, count: usize) -> Result<KVec<Arc<SharedPage>>> {
    // A domain that lets go of nothing would else get ever more: what it keeps is not counted as the process's.
    xen_grants::may_share_with(domid).map_err(|_| EBUSY)?;
    let mut shares = PAGES.take(count)?;
    let mut pages = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
    let account = ACCOUNT.as_ref().ok_or(ENODEV)?;
    for free in account.allocate_many(count)? {
        let page = Page::new(GFP_KERNEL_ACCOUNT)?;
        let share = shares.split_one().ok_or(EINVAL)?;
        let shared = Arc::pin_init(
            pin_init!(SharedPage {
                granted: Granted::page(free, page, domid, access),
                notice <- new_mutex!(None),
                _share: share,
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        pages.push_within_capacity(shared)?;
    }
    Ok(pages)
}

impl File for AllocFile {
    fn open() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                places <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn ioctl(&self, command: u32, argument: UserPtr) -> Result<usize> {
        let len = AllocCommand::argument_len(command).ok_or(ENOTTY)?;
        match AllocCommand::of(command, &read_argument(argument, len)?).map_err(refusal)? {
            AllocCommand::Allocate {
                domid,
                writable,
                count,
            } => self.allocate(domid, writable, count, argument)?,
            AllocCommand::Deallocate { first, count } => {
                let pages = self.pages(first, count as usize)?;
                self.give_up(&pages);
            }
            AllocCommand::Notify(notice) => self.notify(notice)?,
        }
        Ok(0)
    }

    fn closed(self: Arc<Self>) {
        let places = take(&mut *self.places.lock());
        drop(places);
    }
}

/// The pages of a mapping.
pub(crate) struct Mapped {
    _pages: KVec<Arc<SharedPage>>,
}

impl MapFile for AllocFile {
    type Mapping = Mapped;

    fn map(&self, area: &mut Area<'_>) -> Result<Arc<Mapped>> {
        let pages = self.pages(area.first(), usize::try_from(area.pages())?)?;
        for (index, page) in (0..).zip(&pages) {
            area.insert(index, page.granted.get())?;
        }
        Ok(Arc::new(Mapped { _pages: pages }, GFP_KERNEL_ACCOUNT)?)
    }
}

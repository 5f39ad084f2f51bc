// SPDX-License-Identifier: GPL-2.0-only
//! /dev/xen/gntdev: other domains' pages in a process.
//!
//! `MAP_GRANT_REF` names the pages; they are mapped when the process maps that part of the file, and stay so until no
//! process has any of it mapped and the file has given it up. Then the peer is told, and the pages are unmapped as soon as
//! nothing in the guest uses them (I/O that a process began may).

use crate::notice::Armed;
use crate::{copy, read_argument, refusal, write_at, Share, Tally};
use core::mem::{replace, take};
use core::sync::atomic::{AtomicUsize, Ordering};
use grant_table::user::{
    foreign_ref, position_of, room, MapCommand, Notice, INDEX_OFFSET, REFS_OFFSET, REF_LEN,
};
use grant_table::Access;
use kernel::error::code::{EINVAL, ENOENT, ENOSPC, ENOTTY};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::uaccess::{UserPtr, UserSlice};
use linux::area::{self, Area, MapFile};
use linux::file::File;
use xen_grants::ForeignPages;
use xen_sys::{Domid, GrantRef};

/// References of all files. The limit is another, that of each file.
pub(crate) static REFS: Tally = Tally::new(usize::MAX);
/// What a file may have.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// 4 GiB: more than that is a mistake, whatever the parameter says.
const LIMIT_MAX: usize = 1 << 20;

/// Lets a file have so many pages.
pub(crate) fn set_limit(limit: u32) {
    LIMIT.store(LIMIT_MAX.min(limit as usize), Ordering::Relaxed);
}

/// What one `MAP_GRANT_REF` names.
#[pin_data]
struct Request {
    refs: KVVec<(Domid, GrantRef)>,
    #[pin]
    state: Mutex<State>,
    _share: Share,
}

/// What became of it.
struct State {
    /// Its pages, once a process has mapped them.
    pages: Option<ForeignPages>,
    writable: bool,
    notice: Option<Armed>,
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(notice) = self.notice.take() {
            let pages = self.pages.as_ref().filter(|_| self.writable);
            let index = notice.index;
            notice.fire(pages.and_then(|pages| pages.get(index)));
        }
    }
}

impl Request {
    fn new(refs: KVVec<(Domid, GrantRef)>) -> Result<Arc<Self>> {
        let share = REFS.take(refs.len())?;
        let state = State {
            pages: None,
            writable: false,
            notice: None,
        };
        Arc::pin_init(
            pin_init!(Self {
                refs,
                state <- new_mutex!(state),
                _share: share,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn len(&self) -> u64 {
        self.refs.len() as u64
    }

    /// Maps the pages, unless they are, and puts them into `area`.
    fn map(&self, area: &mut Area<'_>) -> Result {
        let mut state = self.state.lock();
        if state.pages.is_none() {
            let writable = area.is_writable();
            let access = match writable {
                true => Access::ReadWrite,
                false => Access::ReadOnly,
            };
            state.pages = Some(ForeignPages::map(&self.refs, access)?);
            state.writable = writable;
        }
        if !state.writable {
            if area.is_writable() {
                return Err(EINVAL);
            }
            // Xen would not let the guest write to the page: a fault that no process is to be able to raise.
            area.never_writable();
        }
        let pages = state.pages.as_ref().ok_or(EINVAL)?;
        for (number, index) in (0..area.pages()).zip(0..) {
            area.insert(number, pages.get(index).ok_or(EINVAL)?)?;
        }
        Ok(())
    }
}

/// A request and the number of its first page in the file.
struct Place {
    first: u64,
    request: Arc<Request>,
}

impl Place {
    fn range(&self) -> (u64, u64) {
        (self.first, self.request.len())
    }
}

/// An open file: its requests, in the order of their numbers.
#[pin_data]
pub(crate) struct MappingFile {
    #[pin]
    places: Mutex<KVec<Place>>,
}

impl MappingFile {
    fn add(&self, count: u32, argument: UserPtr) -> Result {
        let count = count as usize;
        if count > LIMIT.load(Ordering::Relaxed) {
            return Err(EINVAL);
        }
        let mut refs = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        let len = count.checked_mul(REF_LEN).ok_or(EINVAL)?;
        let mut from = UserSlice::new(argument.wrapping_byte_add(REFS_OFFSET), len).reader();
        for _ in 0..count {
            let mut bytes = [0; REF_LEN];
            from.read_slice(&mut bytes)?;
            refs.push_within_capacity(foreign_ref(bytes).map_err(refusal)?)?;
        }
        let request = Request::new(refs)?;
        let first = self.place(&request)?;
        write_at(argument, INDEX_OFFSET, &position_of(first).to_ne_bytes()).inspect_err(|_| {
            // The caller has it, too: it does not end under the lock.
            let is_other = |place: &mut Place| !Arc::ptr_eq(&place.request, &request);
            self.places.lock().retain(is_other);
        })
    }

    /// Puts a request into the file, and says what its first page's number is.
    fn place(&self, request: &Arc<Request>) -> Result<u64> {
        let mut places = self.places.lock();
        let all = places.iter().map(|place| place.request.len());
        let all = all.fold(request.len(), u64::saturating_add);
        if all > LIMIT.load(Ordering::Relaxed) as u64 {
            return Err(ENOSPC);
        }
        places.reserve(1, GFP_KERNEL_ACCOUNT)?;
        let (at, first) = room(places.iter().map(Place::range), request.len()).ok_or(ENOSPC)?;
        let request = request.clone();
        places
            .insert_within_capacity(at, Place { first, request })
            .map_err(|_| EINVAL)?;
        Ok(first)
    }

    fn remove(&self, first: u64, count: u32) -> Result {
        let gone = {
            let mut places = self.places.lock();
            let range = (first, count.into());
            let at = places.iter().position(|place| place.range() == range);
            places.remove(at.ok_or(ENOENT)?)
        };
        drop(gone);
        Ok(())
    }

    fn notify(&self, notice: Notice) -> Result {
        let (request, index) = {
            let places = self.places.lock();
            let found = places.iter().find_map(|place| {
                let index = notice.page.checked_sub(place.first)?;
                (index < place.request.len()).then(|| (place.request.clone(), index))
            });
            found.ok_or(ENOENT)?
        };
        let armed = Armed::new(notice, usize::try_from(index)?)?;
        let earlier = {
            let mut state = request.state.lock();
            if notice.clear && state.pages.is_some() && !state.writable {
                return Err(EINVAL);
            }
            replace(&mut state.notice, armed)
        };
        drop(earlier);
        Ok(())
    }

    /// Tells a process which part of the file begins at an address.
    fn offset_of(&self, address: u64, argument: UserPtr) -> Result {
        let look = |mapped: &Mapped| (mapped.first, mapped.request.refs.len() as u32);
        let (first, count) = area::find(self, address, look).map_err(|_| EINVAL)?;
        let position = position_of(first).to_ne_bytes();
        write_at(argument, 8, &position)?;
        write_at(argument, 16, &count.to_ne_bytes())
    }
}

impl File for MappingFile {
    fn open() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                places <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn ioctl(&self, command: u32, argument: UserPtr) -> Result<usize> {
        let len = MapCommand::argument_len(command).ok_or(ENOTTY)?;
        match MapCommand::of(command, &read_argument(argument, len)?).map_err(refusal)? {
            MapCommand::Map { count } => self.add(count, argument)?,
            MapCommand::Unmap { first, count } => self.remove(first, count)?,
            MapCommand::OffsetOf { address } => self.offset_of(address, argument)?,
            MapCommand::Notify(notice) => self.notify(notice)?,
            MapCommand::Copy { count, segments } => copy::copy(count, segments)?,
        }
        Ok(0)
    }

    fn closed(self: Arc<Self>) {
        let places = take(&mut *self.places.lock());
        drop(places);
    }
}

/// A mapping of a request.
pub(crate) struct Mapped {
    request: Arc<Request>,
    first: u64,
}

impl MapFile for MappingFile {
    type Mapping = Mapped;

    fn map(&self, area: &mut Area<'_>) -> Result<Arc<Mapped>> {
        let range = (area.first(), area.pages());
        let request = {
            let places = self.places.lock();
            let place = places.iter().find(|place| place.range() == range);
            place.ok_or(EINVAL)?.request.clone()
        };
        let first = area.first();
        let mapped = Arc::new(Mapped { request, first }, GFP_KERNEL_ACCOUNT)?;
        mapped.request.map(area)?;
        Ok(mapped)
    }
}

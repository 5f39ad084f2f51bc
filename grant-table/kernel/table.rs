// SPDX-License-Identifier: GPL-2.0-only
//! The shared frames and the references in them.

use crate::granted::RawOwner;
use crate::reference::FreeRef;
use crate::{account, foreign, retry};
use core::fmt;
use core::slice::from_raw_parts;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use grant_table::{
    AccountId, Chosen, Entries, Entry, EntryRef, EntryV2, Layout, NoSpace, RefTable, RevokePolicy,
    Slot, Status, TableV2, TooManyKept, Version, Wanted,
};
use kernel::error::code::{EBUSY, EIO, ENOMEM, ENOSPC};
use kernel::sync::{global_lock, SetOnce};
use kernel::{alloc::Flags, prelude::*};
use linux::memremap::Mapping;
use xen_hypercall::{to_error, Xen};
use xen_sys::{Domid, Gfn, GrantRef, Hypervisor, XenError, PAGE_SIZE};

/// Where the frames appear: inside the window 0xfe700000..0xfe800000 that hvmloader reserves for the guest's PV drivers,
/// behind the page of shared_info. It is no RAM, so no memory is lost, and outside the uncached ranges.
const WINDOW: Gfn = Gfn(0xfe704);

/// Frames for which the window has room.
const WINDOW_FRAMES: usize = 0xfe7d0 - 0xfe704;
const ROOM: u32 = WINDOW_FRAMES as u32;

/// When fewer references are free, the table grows in process context, so that an interrupt handler rarely has to do it.
const LOW_WATER: u32 = 64;

/// Seconds between two messages about exhaustion.
const QUIET: u64 = 10;

pub(crate) type Table = RefTable<RawOwner, KVec<Slot<RawOwner>>, WINDOW_FRAMES>;

global_lock! {
    // SAFETY: Initialised in `start`, before anything can lock it.
    pub(crate) unsafe(uninit) static TABLE: SpinLockIrq<Table> = Table::new(RevokePolicy::DEFAULT);
}

/// Every entry for which there may be a reference.
static ENTRIES: SetOnce<Entries<'static>> = SetOnce::new();
/// Where the frames are.
static LAYOUT: SetOnce<Layout> = SetOnce::new();

/// Frames of entries that the table may have: Xen's limit, at most what the layout has room for.
static LIMIT: AtomicU32 = AtomicU32::new(0);

/// Which domain the guest is in, counted from 0 at the start of the module.
static DOMAIN: AtomicU32 = AtomicU32::new(0);

/// What one account may have.
static QUOTA: AtomicU32 = AtomicU32::new(0);

/// How the references are spread.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// The pure table's counters.
    pub table: grant_table::Counters,
    /// Frames that the table may have.
    pub max_frames: u32,
    /// References that these have room for.
    pub capacity: u32,
    /// How the entries are laid out.
    pub version: u32,
    /// Other domains' pages.
    pub foreign: foreign::Counters,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table;
        writeln!(f, "free {}", table.free)?;
        writeln!(f, "in_use {}", table.in_use)?;
        writeln!(f, "deferred {}", table.deferred)?;
        writeln!(f, "frames {}", table.frames)?;
        writeln!(f, "max_frames {}", self.max_frames)?;
        writeln!(f, "version {}", self.version)?;
        writeln!(f, "foreign_pages {}", self.foreign.pages)?;
        writeln!(f, "foreign_waiting {}", self.foreign.waiting)?;
        writeln!(f, "foreign_lost {}", self.foreign.lost)
    }
}

/// How the references are spread now.
pub fn counters() -> Counters {
    Counters {
        table: TABLE.lock().counters(),
        max_frames: LIMIT.load(Ordering::Relaxed),
        capacity: capacity(),
        version: LAYOUT.as_ref().map_or(0, |layout| layout.version.number()),
        foreign: foreign::counters(),
    }
}

/// Whether the domains have let go of enough of what was shared with them to set up another connection with `domid`.
///
/// # Errors
/// Who keeps too many pages. See [`RevokePolicy::DEFAULT`].
pub fn may_share_with(domid: Domid) -> Result<(), TooManyKept> {
    TABLE.lock().may_share_with(domid)
}

/// The grant table in operation. Dropping it ends every grant that is left and gives the frames back to Xen.
pub struct Grants {
    /// The entries lie in it; kept until everything else of the table is over.
    _mapping: Mapping,
}

/// Sets the grant table up. Once in the life of the module.
///
/// References that a previous load left mapped by another domain are recognised and not handed out. `quota` is how many
/// one account may have, 0 for half of what the table can have.
///
/// # Errors
/// `EBUSY` when called twice; `ENOMEM`; what Xen said, translated.
pub fn start(wanted: Wanted, quota: u32) -> Result<Grants> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return Err(EBUSY);
    }
    // SAFETY: `STARTED` lets this run once, and nobody has a reference yet for which the lock would be taken.
    unsafe { TABLE.init() };
    let layout = lay_out(choose_version(wanted)?)?;
    let mapping = map_window(&layout)?;
    let grants = Grants { _mapping: mapping };
    LIMIT.store(layout.limit, Ordering::Relaxed);
    let half = capacity() / 2;
    QUOTA.store(if quota == 0 { half } else { quota }, Ordering::Relaxed);
    account::start();
    retry::start();
    foreign::start();
    grow(GFP_KERNEL)?;
    let left_behind = counters().table.deferred;
    if left_behind != 0 {
        pr_info!("grant references still in use by another domain since an earlier load: {left_behind}, kept out of use until it lets go\n");
        retry::now();
    }
    Ok(grants)
}

fn choose_version(wanted: Wanted) -> Result<Version> {
    match grant_table::choose_version(&Xen, wanted) {
        Ok(Chosen { version, refused }) => {
            let number = version.number();
            if let Some(error) = refused {
                pr_warn!("the grant table stays in version {number}, Xen does not switch it ({}); frames above 32 bits need version 2\n", format_args!("{error}"));
            }
            if version == Version::V2 {
                pr_info!("grant table version 2\n");
            }
            Ok(version)
        }
        Err(error) => {
            let asked = match wanted {
                Wanted::Only(version) => version.number(),
                Wanted::Auto => 1,
            };
            pr_err!("the grant table is not in version {asked} and Xen does not switch it ({}): another domain may still map pages of an earlier load (load with grant_version=auto, or reboot the guest), or Xen may not have that version\n", format_args!("{error}"));
            Err(EIO)
        }
    }
}

/// Decides where the frames are to be.
fn lay_out(version: Version) -> Result<Layout> {
    let max = Xen.grant_query_size().map_err(to_error)?.max_frames;
    let layout = Layout::new(version, WINDOW, ROOM, max);
    if max > layout.limit {
        let limit = layout.limit;
        pr_info!("Xen allows {max} grant frames; {limit} of them are used, the reserved window has no room for more\n");
    }
    LAYOUT.populate(layout);
    Ok(layout)
}

/// References that a frame holds.
fn per_frame() -> u32 {
    let version = LAYOUT.as_ref().map_or(Version::V1, |layout| layout.version);
    version.entries_per_frame()
}

/// Makes the table appear again in a new domain that goes on from what was saved of the old one; see
/// [`grant_table::remake`]. With all other vCPUs at rest. The pages that waited for the old domain's peers are released
/// soon afterwards.
///
/// # Errors
/// What Xen said.
pub fn remake() -> core::result::Result<(), XenError> {
    DOMAIN.fetch_add(1, Ordering::Relaxed);
    let layout = LAYOUT.as_ref().ok_or(XenError::ENOSYS)?;
    let limit = grant_table::remake(&Xen, layout, counters().table.frames)?;
    LIMIT.store(limit, Ordering::Relaxed);
    retry::now();
    Ok(())
}

/// Which domain the guest is in: another number after each suspend that ended in a new one. No grant of an earlier one is
/// one any more, neither by the guest nor to it.
pub fn domain() -> u32 {
    DOMAIN.load(Ordering::Relaxed)
}

fn map_window(layout: &Layout) -> Result<Mapping> {
    let bytes = usize::try_from(layout.all_frames(layout.limit))?;
    let bytes = bytes.checked_mul(PAGE_SIZE).ok_or(EIO)?;
    let start = layout.first.0.checked_mul(PAGE_SIZE as u64).ok_or(EIO)?;
    let mapping = Mapping::new(start, bytes)?;
    let count = layout.limit.checked_mul(layout.version.entries_per_frame());
    let count = usize::try_from(count.ok_or(EIO)?)?;
    let marks = usize::try_from(layout.limit)?.checked_mul(PAGE_SIZE);
    let first = mapping.as_ptr().as_ptr();
    // SAFETY: The mapping is page-aligned and has room for so many entries, of version 2 with as many marks behind the
    // place of the last frame of entries: so the layout has it. All are plain atomics: any content is valid, and Xen may
    // change it at any time. The mapping lives in `Grants`, thus as long as the module: whoever has a reference refers to
    // the module's symbols. Entries of frames that Xen has not been asked for yet are not touched, since no reference into
    // them exists.
    let entries = unsafe {
        match layout.version {
            Version::V1 => Entries::V1(from_raw_parts(first.cast::<Entry>(), count)),
            Version::V2 => Entries::V2(TableV2 {
                entries: from_raw_parts(first.cast::<EntryV2>(), count),
                status: from_raw_parts(first.add(marks.ok_or(EIO)?).cast::<Status>(), count),
            }),
        }
    };
    ENTRIES.populate(entries);
    Ok(mapping)
}

/// The entry of a reference of ours.
pub(crate) fn entry(gref: GrantRef) -> Option<EntryRef<'static>> {
    ENTRIES.as_ref()?.get(gref)
}

/// What one account may have.
pub(crate) fn quota() -> u32 {
    QUOTA.load(Ordering::Relaxed)
}

/// Why there are no references.
pub(crate) enum Refused {
    /// They are used up.
    Space(NoSpace),
    /// Anything else.
    Error(Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Space(_) => ENOSPC,
            Refused::Error(error) => error,
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Takes one free reference that is on no device's account. Any context; the table grows when it must.
///
/// # Errors
/// `ENOSPC` when all references that Xen allows are taken (with a message), `ENOMEM`.
pub fn allocate() -> Result<FreeRef> {
    Ok(allocate_for(AccountId::NOBODY)?)
}

/// Takes `count` free references that are on no device's account: all of them or none. Process context.
///
/// # Errors
/// As [`allocate`].
pub fn allocate_many(count: usize) -> Result<KVec<FreeRef>> {
    Ok(allocate_many_for(AccountId::NOBODY, count)?)
}

pub(crate) fn allocate_for(account: AccountId) -> Result<FreeRef, Refused> {
    let mut taken = [GrantRef(0)];
    fill(account, &mut taken, GFP_ATOMIC | __GFP_NOWARN)?;
    let [gref] = taken;
    Ok(FreeRef::wrap(gref)?)
}

pub(crate) fn allocate_many_for(
    account: AccountId,
    count: usize,
) -> Result<KVec<FreeRef>, Refused> {
    let mut taken = KVec::from_elem(GrantRef(0), count, GFP_KERNEL).map_err(Error::from)?;
    let mut references = KVec::with_capacity(count, GFP_KERNEL).map_err(Error::from)?;
    fill(account, &mut taken, GFP_KERNEL)?;
    for gref in taken {
        let reference = FreeRef::wrap(gref)?;
        references
            .push_within_capacity(reference)
            .map_err(Error::from)?;
    }
    Ok(references)
}

/// Fills `out` with free references for `account`, growing the table when there are not enough.
fn fill(account: AccountId, out: &mut [GrantRef], flags: Flags) -> Result<(), Refused> {
    loop {
        // One look at the table: what was missing, and whether it could grow then.
        let (result, counters) = {
            let mut table = TABLE.lock();
            (table.allocate_many(account, out), table.counters())
        };
        let Err(refused) = result else {
            if counters.free < LOW_WATER && growth(counters) != 0 {
                retry::now();
            }
            return Ok(());
        };
        let NoSpace::Table { wanted, free } = refused else {
            return Err(Refused::Space(refused));
        };
        if wanted > free.saturating_add(growth(counters)) {
            say_exhausted(wanted, free);
            return Err(Refused::Space(refused));
        }
        grow(flags)?;
    }
}

/// References that the table has room for when it is as large as it may be.
fn capacity() -> u32 {
    LIMIT.load(Ordering::Relaxed).saturating_mul(per_frame())
}

/// References that the table would gain if it grew to the limit of Xen and the window.
fn growth(counters: grant_table::Counters) -> u32 {
    let limit = LIMIT.load(Ordering::Relaxed);
    limit
        .saturating_sub(counters.frames)
        .saturating_mul(per_frame())
}

/// Grows the table in advance if few references are free. Process context.
pub(crate) fn keep_reserve() {
    // A failure is not worth a word here: whoever needs a reference and gets none will say so.
    loop {
        let counters = counters().table;
        if counters.free >= LOW_WATER || growth(counters) == 0 || grow(GFP_KERNEL).is_err() {
            break;
        }
    }
}

/// Adds one frame, unless somebody else added the last one meanwhile. The bookkeeping is allocated here, so that ending a
/// grant never allocates.
fn grow(flags: Flags) -> Result {
    let layout = LAYOUT.as_ref().ok_or(EIO)?;
    let mut chunk = KVec::with_capacity(per_frame() as usize, flags)?;
    for _ in 0..per_frame() {
        chunk.push_within_capacity(Slot::new())?;
    }
    let mut table = TABLE.lock();
    let frame = table.counters().frames;
    if frame >= LIMIT.load(Ordering::Relaxed) {
        return Ok(());
    }
    // Under the lock, so that two that grow at once do not place the same frame: a rare and short hypercall.
    layout.add_frame(&Xen, frame).map_err(to_error)?;
    let holder = |gref| Some(entry(gref).filter(EntryRef::is_busy)?.grantee());
    table
        .add_frame(chunk, retry::now_seconds(), holder)
        .map_err(|_| ENOMEM)
}

/// Says, now and then, that the references are used up.
fn say_exhausted(wanted: u32, free: u32) {
    static SAID: AtomicU64 = AtomicU64::new(0);
    if is_time(&SAID, QUIET) {
        let Counters {
            table, max_frames, ..
        } = counters();
        let (in_use, deferred) = (table.in_use, table.deferred);
        pr_err!("out of grant references: {wanted} wanted, {free} free, {in_use} in use, {deferred} still mapped by other domains; raise max_grant_frames (now {max_frames}) in the guest's configuration\n");
    }
}

/// Whether what was said at this time, 0 for never, may be said again after so many seconds; it is, then.
pub(crate) fn is_time(said: &AtomicU64, quiet: u64) -> bool {
    let now = retry::now_seconds();
    let before = said.load(Ordering::Relaxed);
    let is_time = before == 0 || now.saturating_sub(before) >= quiet;
    if is_time {
        said.store(now, Ordering::Relaxed);
    }
    is_time
}

impl Drop for Grants {
    fn drop(&mut self) {
        foreign::stop();
        retry::stop();
        let leaked = end_all();
        if leaked != 0 {
            pr_warn!(
                "pages still mapped by another domain at unload: {leaked}, left to it for good\n"
            );
        }
        if let Some(layout) = LAYOUT.as_ref() {
            layout.remove(&Xen, counters().table.frames, |at, error| {
                let at = at.0;
                pr_warn!("the grant frame at {at:#x} stays there: {error:?}\n");
            });
        }
        while let Some(chunk) = next_chunk() {
            drop(chunk);
        }
    }
}

/// The bookkeeping of one frame, taken out of the table that is over.
fn next_chunk() -> Option<KVec<Slot<RawOwner>>> {
    TABLE.lock().dismantle()
}

/// Ends every grant that can be ended; the number of those that cannot.
fn end_all() -> usize {
    let counters = counters().table;
    // What was deferred and is over now still has an owner to be released.
    retry::run_all();
    let ours =
        (grant_table::RESERVED_ENTRIES..counters.total).filter_map(|gref| entry(GrantRef(gref)));
    ours.filter(|entry| entry.is_busy() && entry.try_end().is_err())
        .count()
}

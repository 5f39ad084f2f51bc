// SPDX-License-Identifier: GPL-2.0-only
//! The grant table: exhaustion, growth, bulk allocation, and pages that a peer does not let go.

use crate::{ensure, Case, Failure};
use core::sync::atomic::{AtomicU16, Ordering};
use kernel::error::code::ENOSPC;
use kernel::prelude::*;
use kernel::time::{delay::fsleep, Delta};
use linux::memremap::Mapping;
use linux::page::{self, Page};
use xen_grants::{Access, FreeRef, GrantAccount, Granted};
use xen_sys::{Domid, GrantRef};

pub(crate) const CASES: &[Case] = &[
    ("grants: a page is granted and comes back", comes_back),
    ("grants: bulk allocation is all or nothing", bulk),
    (
        "grants: a mapped page is deferred until the peer lets go",
        deferred,
    ),
    (
        "grants: an account has its quota and leaves the rest to others",
        quota,
    ),
    (
        "grants: all references of all frames can be had",
        exhaustion,
    ),
];

/// Grantee of the tests. It does not map anything by itself.
const PEER: Domid = Domid(0);

/// First entry of the table: the guest frame where xen_grants puts it, times the page size.
const TABLE: u64 = 0xfe704 << 12;

/// Bytes of an entry.
fn entry_bytes() -> usize {
    match is_v2() {
        true => 16,
        false => 8,
    }
}

fn is_v2() -> bool {
    xen_grants::counters().version == 2
}

/// `GTF_reading` of `xen/include/public/grant_table.h`.
const READING: u16 = 8;

/// Entries of a frame.
fn per_frame() -> u32 {
    4096 / entry_bytes() as u32
}

fn free() -> u32 {
    xen_grants::counters().table.free
}

fn allocate() -> Result<FreeRef, Failure> {
    xen_grants::allocate().map_err(|_| Failure::new("no reference"))
}

fn new_page() -> Result<Page, Failure> {
    Page::new(GFP_KERNEL).map_err(|_| Failure::new("no page"))
}

fn comes_back() -> Result<(), Failure> {
    let (free_before, pages_before) = (free(), page::live());
    let granted = Granted::page(allocate()?, new_page()?, PEER, Access::ReadWrite);
    ensure(granted.get().gfn() != 0, "the page has no frame number")?;
    let entry = Entry::of(granted.gref())?;
    ensure(entry.flags() == 1, "the entry does not permit access")?;
    let Some((page, reference)) = granted.end() else {
        return Err(Failure::new(
            "nobody maps the page, and yet it did not come back",
        ));
    };
    ensure(entry.flags() == 0, "the entry still permits access")?;
    drop((page, reference));
    ensure(free() == free_before, "the reference was not freed")?;
    ensure(page::live() == pages_before, "the page was not freed")
}

fn bulk() -> Result<(), Failure> {
    let before = free();
    let many = xen_grants::allocate_many(1000)
        .map_err(|_| Failure::new("1000 references are not to be had"))?;
    ensure(many.len() == 1000, "another number than asked for")?;
    let table = xen_grants::counters();
    drop(many);
    let impossible = (table.max_frames as usize).saturating_mul(per_frame() as usize);
    let refused = xen_grants::allocate_many(impossible);
    ensure(
        refused.is_err_and(|error| error == ENOSPC),
        "more references than there are",
    )?;
    let after = xen_grants::counters().table;
    ensure(
        after.in_use == table.table.in_use.wrapping_sub(1000),
        "a refused request took references",
    )?;
    ensure(after.free >= before, "references are lost")
}

fn deferred() -> Result<(), Failure> {
    let before = xen_grants::counters().table;
    let pages_before = page::live();
    let granted = Granted::page(allocate()?, new_page()?, PEER, Access::ReadWrite);
    let entry = Entry::of(granted.gref())?;
    entry.mark_mapped();
    ensure(granted.end().is_none(), "a mapped page came back")?;
    let waiting = xen_grants::counters().table;
    ensure(
        waiting.deferred == before.deferred.wrapping_add(1),
        "it is not deferred",
    )?;
    ensure(
        page::live() == pages_before.wrapping_add(1),
        "a mapped page was freed",
    )?;
    fsleep(Delta::from_millis(2500));
    ensure(
        page::live() == pages_before.wrapping_add(1),
        "a mapped page was freed later",
    )?;
    entry.unmark();
    wait_until(|| {
        xen_grants::counters().table.deferred == before.deferred && page::live() == pages_before
    })?;
    let after = xen_grants::counters().table;
    ensure(after.in_use == before.in_use, "the reference was not freed")?;
    ensure(page::live() == pages_before, "the page was not freed")
}

/// An account as a device has one.
fn account() -> Result<GrantAccount, Failure> {
    GrantAccount::open(c"selftest").map_err(|_| Failure::new("no account"))
}

/// Takes all that an account may have.
fn take_all(account: &GrantAccount) -> Result<KVVec<FreeRef>, Failure> {
    let mut taken = KVVec::new();
    loop {
        match account.allocate() {
            Ok(reference) => taken
                .push(reference, GFP_KERNEL)
                .map_err(|_| Failure::new("no memory"))?,
            Err(error) => {
                ensure(error == ENOSPC, "the error is another one")?;
                return Ok(taken);
            }
        }
    }
}

fn quota() -> Result<(), Failure> {
    let before = xen_grants::counters();
    let account_of_ours = account()?;
    let mut taken = take_all(&account_of_ours)?;
    // The table has grown by now, and may have come to pages of an earlier load.
    let kept = xen_grants::counters().table.deferred;
    let quota = taken.len();
    let all = (before.max_frames as usize).saturating_mul(per_frame() as usize);
    ensure(quota != 0 && quota <= all / 2, "the quota is not kept")?;
    let one = account_of_ours.allocate_many(1);
    ensure(one.is_err(), "one more than the quota")?;
    drop(allocate()?);
    // A page that the peer keeps goes on counting, also when the device goes and comes back.
    let Some(reference) = taken.pop() else {
        return Err(Failure::new("nothing was taken"));
    };
    let granted = Granted::page(reference, new_page()?, PEER, Access::ReadWrite);
    let entry = Entry::of(granted.gref())?;
    entry.mark_mapped();
    ensure(granted.end().is_none(), "a mapped page came back")?;
    drop(taken);
    drop(account_of_ours);
    let account_of_ours = account()?;
    let fewer = take_all(&account_of_ours)?;
    ensure(
        fewer.len() == quota.saturating_sub(1),
        "a deferred page does not count",
    )?;
    drop(fewer);
    entry.unmark();
    wait_until(|| xen_grants::counters().table.deferred == kept)?;
    ensure(
        take_all(&account_of_ours)?.len() == quota,
        "the peer let go and the account does not know",
    )
}

/// Waits until what a round of retries brings about is there.
fn wait_until(holds: impl Fn() -> bool) -> Result<(), Failure> {
    for _ in 0..100 {
        if holds() {
            return Ok(());
        }
        fsleep(Delta::from_millis(100));
    }
    Err(Failure::new("the peer let go and nobody noticed"))
}

fn exhaustion() -> Result<(), Failure> {
    let before = xen_grants::counters().table;
    let mut taken = KVVec::new();
    let error = loop {
        match xen_grants::allocate() {
            Ok(reference) => taken
                .push(reference, GFP_KERNEL)
                .map_err(|_| Failure::new("no memory"))?,
            Err(error) => break error,
        }
    };
    ensure(error == ENOSPC, "the error is another one")?;
    let full = xen_grants::counters();
    ensure(
        full.table.frames == full.max_frames,
        "the table did not grow to the limit",
    )?;
    ensure(full.table.free == 0, "references are left")?;
    let taken_now = full.table.in_use.wrapping_sub(before.in_use);
    ensure(
        taken.len() == taken_now as usize,
        "the counters disagree with what was taken",
    )?;
    let all = full
        .table
        .in_use
        .saturating_add(full.table.deferred)
        .saturating_add(8);
    ensure(
        all == full.max_frames.saturating_mul(per_frame()),
        "not as many references as the frames hold",
    )?;
    taken.truncate(taken.len().saturating_sub(1));
    ensure(allocate().is_ok(), "a freed reference cannot be had again")?;
    drop(taken);
    let after = xen_grants::counters().table;
    ensure(after.in_use == before.in_use, "references are lost")
}

/// Leaves a page to the deferred list that seems to be mapped for ever.
pub(crate) fn leave() -> Result<(), Failure> {
    let reference = account()?.allocate();
    let reference = reference.map_err(|_| Failure::new("no reference"))?;
    let granted = Granted::page(reference, new_page()?, PEER, Access::ReadWrite);
    let gref = granted.gref();
    Entry::of(gref)?.mark_mapped();
    ensure(granted.end().is_none(), "a mapped page came back")?;
    pr_info!("left reference {}\n", gref.0);
    Ok(())
}

/// Ends what [`leave`] began.
pub(crate) fn release(gref: u32) -> Result {
    let entry = Entry::of(GrantRef(gref)).map_err(|_| ENOMEM)?;
    if !entry.is_mapped() {
        pr_err!("the page of reference {gref} does not seem to be mapped\n");
        return Err(EINVAL);
    }
    entry.unmark();
    Ok(())
}

/// An entry of the shared table, to play Xen's part on behalf of a peer: to say that the page is mapped.
struct Entry {
    flags: Word,
    /// Where Xen says whether the page is mapped, if not among the flags.
    status: Option<Word>,
}

impl Entry {
    fn of(gref: GrantRef) -> Result<Self, Failure> {
        let index = gref.0 as usize;
        let flags = Word::at(TABLE, index.saturating_mul(entry_bytes()))?;
        // Behind the place of the last frame of entries.
        let frames = u64::from(xen_grants::counters().max_frames);
        let marks = TABLE.saturating_add(frames.saturating_mul(4096));
        let status = is_v2().then(|| Word::at(marks, index.saturating_mul(2)));
        Ok(Self {
            flags,
            status: status.transpose()?,
        })
    }

    fn status(&self) -> &AtomicU16 {
        self.status.as_ref().unwrap_or(&self.flags).get()
    }

    fn flags(&self) -> u16 {
        self.flags.get().load(Ordering::SeqCst)
    }

    fn is_mapped(&self) -> bool {
        self.status().load(Ordering::SeqCst) & READING != 0
    }

    fn mark_mapped(&self) {
        self.status().fetch_or(READING, Ordering::SeqCst);
    }

    fn unmark(&self) {
        self.status().fetch_and(!READING, Ordering::SeqCst);
    }
}

/// 16 bits in a frame of the table.
struct Word {
    frame: Mapping,
    offset: usize,
}

impl Word {
    fn at(table: u64, bytes: usize) -> Result<Self, Failure> {
        let frame = (bytes / 4096).saturating_mul(4096);
        let frame = Mapping::new(table.saturating_add(frame as u64), 4096)
            .map_err(|_| Failure::new("the table cannot be mapped"))?;
        Ok(Self {
            frame,
            offset: bytes % 4096,
        })
    }

    fn get(&self) -> &AtomicU16 {
        let word = self.frame.as_ptr().as_ptr().wrapping_add(self.offset);
        // SAFETY: The offset is that of 16 aligned bits inside of the mapped frame. Everyone else who touches them does so
        // by atomic operations.
        unsafe { AtomicU16::from_ptr(word.cast()) }
    }
}

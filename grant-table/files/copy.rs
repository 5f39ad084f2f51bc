// SPDX-License-Identifier: GPL-2.0-only
//! Copies between a process and other domains' pages (`GRANT_COPY`).
//!
//! The process's bytes go through pages of ours, so that no page of the process has to stand still meanwhile. Segments
//! are done in order: a batch ends where one could read what another has written into the process.

use grant_table::user::{Segment, SegmentEnd, SEGMENT_LEN, SEGMENT_STATUS_OFFSET};
use kernel::error::code::{EFAULT, EINTR, EINVAL};
use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};
use linux::page::Page;
use linux::thread::is_killed;
use xen_sys::{CopyEnd, Gfn, GrantCopy, GrantOperation, GrantStatus, PAGE_SIZE};

use crate::{refusal, write_at};

/// Segments of a batch.
const BATCH: usize = 16;
/// `GNTST_general_error`.
const GENERAL_ERROR: GrantStatus = GrantStatus(-1);

/// A segment on its way.
struct Task {
    segment: Segment,
    /// Where it is in the process.
    at: UserPtr,
}

/// Segments that Xen is asked for at once.
struct Batch {
    tasks: KVec<Task>,
    ops: KVec<GrantCopy>,
    /// A page for each.
    pages: KVec<Page>,
    /// A page's worth of bytes on the way from or to the process.
    buffer: KVec<u8>,
}

/// Does `count` segments, and writes each one's status into it.
///
/// # Errors
/// `EINVAL` for a segment that makes no sense, `EFAULT` for memory that the process has not, `EINTR` when it is being
/// killed. Some may have been done then.
pub(crate) fn copy(count: u32, segments: u64) -> Result {
    let mut batch = Batch::new(BATCH.min(count as usize))?;
    let mut at = UserPtr::from_addr(usize::try_from(segments)?);
    for _ in 0..count {
        let mut bytes = [0; SEGMENT_LEN];
        UserSlice::new(at, SEGMENT_LEN)
            .reader()
            .read_slice(&mut bytes)?;
        let segment = Segment::of(&bytes).map_err(refusal)?;
        if !batch.takes(&segment) {
            batch.run()?;
        }
        batch.add(segment, at)?;
        at = at.wrapping_byte_add(SEGMENT_LEN);
    }
    batch.run()
}

/// Whether a segment writes into the process.
fn writes(segment: &Segment) -> bool {
    matches!(segment.dest, SegmentEnd::Local(_))
}

fn address(local: u64) -> Result<UserPtr> {
    Ok(UserPtr::from_addr(
        usize::try_from(local).map_err(|_| EFAULT)?,
    ))
}

impl Batch {
    fn new(size: usize) -> Result<Self> {
        let mut pages = KVec::with_capacity(size, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..size {
            pages.push_within_capacity(Page::new(GFP_KERNEL_ACCOUNT)?)?;
        }
        Ok(Self {
            tasks: KVec::with_capacity(size, GFP_KERNEL_ACCOUNT)?,
            ops: KVec::with_capacity(size, GFP_KERNEL_ACCOUNT)?,
            pages,
            buffer: KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// Whether `segment` may be done together with those that there are.
    fn takes(&self, segment: &Segment) -> bool {
        let first = self.tasks.first();
        self.tasks.len() < self.pages.len()
            && first.is_none_or(|first| writes(&first.segment) == writes(segment))
    }

    fn add(&mut self, segment: Segment, at: UserPtr) -> Result {
        let page = self.pages.get(self.tasks.len()).ok_or(EINVAL)?;
        let end = |end| match end {
            SegmentEnd::Local(_) => CopyEnd::Frame(Gfn(page.gfn()), 0),
            SegmentEnd::Foreign(domid, gref, offset) => CopyEnd::Grant(domid, gref, offset),
        };
        if let SegmentEnd::Local(from) = segment.source {
            let bytes = self.buffer.get_mut(..segment.len.into()).ok_or(EINVAL)?;
            UserSlice::new(address(from)?, bytes.len())
                .reader()
                .read_slice(bytes)?;
            page.copy_to(0, bytes)?;
        }
        let op = GrantCopy::new(end(segment.source), end(segment.dest), segment.len);
        self.ops.push_within_capacity(op)?;
        Ok(self.tasks.push_within_capacity(Task { segment, at })?)
    }

    fn run(&mut self) -> Result {
        if is_killed() {
            return Err(EINTR);
        }
        xen_grants::copy(&mut self.ops);
        for ((task, op), page) in self.tasks.iter().zip(&self.ops).zip(&self.pages) {
            if let (Ok(()), SegmentEnd::Local(to)) = (op.status().result(), task.segment.dest) {
                let bytes = self.buffer.get_mut(..task.segment.len.into());
                let bytes = bytes.ok_or(EINVAL)?;
                page.copy_from(0, bytes)?;
                write_at(address(to)?, 0, bytes)?;
            }
            let status = match op.status() {
                GrantStatus::PENDING => GENERAL_ERROR,
                status => status,
            };
            write_at(task.at, SEGMENT_STATUS_OFFSET, &status.0.to_ne_bytes())?;
        }
        self.tasks.clear();
        self.ops.clear();
        linux::thread::yield_if_due();
        Ok(())
    }
}

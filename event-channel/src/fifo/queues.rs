// SPDX-License-Identifier: GPL-2.0-only
//! The walk of one vCPU's queues.
use super::array::EventArray;
use super::control::QUEUES;
use crate::shared::{PortIndex, VcpuInfo};
use crate::sync::{count, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Words that one upcall takes out of the queues at most. A peer that sends again while it is served stands behind the
/// others, and the queue need not have an end.
const BUDGET: u32 = if cfg!(test) { 3 } else { 256 };

/// Where the walks of one vCPU are. Only its upcalls, which do not overlap, and who knows that there are none use it.
#[derive(Debug)]
pub(crate) struct Queues {
    /// The port that each queue goes on with, or 0 when Xen has its head.
    heads: [AtomicU32; QUEUES],
    /// Queues that the last walk did not come to the end of.
    unfinished: AtomicU32,
    /// Links to ports that do not exist.
    strays: AtomicU64,
}

/// What a walk did.
pub(crate) struct Walk {
    pub(crate) delivered: u32,
    /// It ended with its budget, and somebody must call again.
    pub(crate) unfinished: bool,
}

impl Queues {
    pub(crate) fn new() -> Self {
        Self {
            heads: core::array::from_fn(|_| AtomicU32::new(0)),
            unfinished: AtomicU32::new(0),
            strays: AtomicU64::new(0),
        }
    }

    pub(crate) fn strays(&self) -> u64 {
        self.strays.load(Relaxed)
    }

    /// Calls `deliver` for the events in the queues `ready` and in those that were left, the highest priority first.
    /// What Xen links meanwhile behind one of them is met on the way.
    ///
    /// Not inlined: the 2-level ABI's upcalls shall not pay for it.
    #[inline(never)]
    pub(crate) fn walk(
        &self,
        ready: u32,
        vcpu: VcpuInfo<'_>,
        array: EventArray<'_>,
        mut deliver: impl FnMut(PortIndex),
    ) -> Walk {
        let mut walk = Walk {
            delivered: 0,
            unfinished: false,
        };
        let left = self.run(ready, vcpu, array, (true, BUDGET), |port| {
            walk.delivered = walk.delivered.wrapping_add(1);
            deliver(port);
        });
        walk.unfinished = left != 0;
        walk
    }

    /// Takes all words out of the queues, with their events left to wait, and calls `found` for those that nobody has
    /// masked: no one else will.
    pub(crate) fn drain(
        &self,
        vcpu: VcpuInfo<'_>,
        array: EventArray<'_>,
        found: impl FnMut(PortIndex),
    ) {
        let ready = vcpu.take_bits() as u32;
        self.run(ready, vcpu, array, (false, array.known()), found);
    }

    /// Returns the queues that it did not come to the end of.
    #[inline]
    fn run(
        &self,
        ready: u32,
        vcpu: VcpuInfo<'_>,
        array: EventArray<'_>,
        (claim, mut budget): (bool, u32),
        mut active: impl FnMut(PortIndex),
    ) -> u32 {
        let mut left = ready | self.unfinished.load(Relaxed);
        while left != 0 && budget != 0 {
            budget = budget.wrapping_sub(1);
            let priority = left.trailing_zeros() as usize;
            let Some(ours) = self.heads.get(priority) else {
                // A queue that does not exist.
                left &= left.wrapping_sub(1);
                continue;
            };
            let head = match ours.load(Relaxed) {
                0 => vcpu.head(priority),
                head => head,
            };
            let unlinked = array.unlink(head, claim);
            let next = unlinked.as_ref().map_or(0, |unlinked| unlinked.next);
            ours.store(next, Relaxed);
            if next == 0 {
                left &= left.wrapping_sub(1);
            }
            match unlinked {
                Some(unlinked) if unlinked.active => active(unlinked.port),
                Some(_) => {}
                None => count(&self.strays, 1),
            }
        }
        self.unfinished.store(left, Relaxed);
        left
    }
}

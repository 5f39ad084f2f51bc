// SPDX-License-Identifier: GPL-2.0-only
//! What Xen tells each vCPU: its control block.
use core::mem::size_of;
use xen_sys::event_channel::FIFO_QUEUES;

use crate::sync::{store_before_load, AtomicU32, Ordering::SeqCst};

/// vCPUs that the page has room for: as many as `struct shared_info` has.
pub const VCPUS: usize = 32;
/// Priorities, and so queues, of a vCPU.
pub(crate) const QUEUES: usize = FIFO_QUEUES as usize;

/// `struct evtchn_fifo_control_block`.
#[repr(C)]
#[derive(Debug)]
pub struct ControlBlock {
    /// Bit n set: queue n was empty, and its head is new.
    ready: AtomicU32,
    _reserved: AtomicU32,
    /// The first port of each queue that was empty when it was linked.
    heads: [AtomicU32; QUEUES],
}

impl ControlBlock {
    pub(crate) fn new() -> Self {
        Self {
            ready: AtomicU32::new(0),
            _reserved: AtomicU32::new(0),
            heads: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Forgets all queues.
    pub(crate) fn reset(&self) {
        self.ready.store(0, SeqCst);
        for head in &self.heads {
            head.store(0, SeqCst);
        }
        store_before_load();
    }

    /// Takes the queues that have a new head.
    #[inline]
    pub(crate) fn take_ready(&self) -> u32 {
        let ready = self.ready.swap(0, SeqCst);
        store_before_load();
        ready
    }

    /// The head of queue `priority`.
    #[inline]
    pub(crate) fn head(&self, priority: usize) -> u32 {
        self.heads.get(priority).map_or(0, |head| head.load(SeqCst))
    }
}

#[cfg(test)]
impl ControlBlock {
    /// Xen's side: the queue begins with `port`.
    pub(crate) fn set_head(&self, priority: usize, port: u32) {
        self.heads[priority].store(port, SeqCst);
    }

    /// Xen's side: says so. True when it had not yet.
    pub(crate) fn set_ready(&self, priority: usize) -> bool {
        let bit = 1 << priority;
        let was = self.ready.fetch_or(bit, SeqCst) & bit != 0;
        store_before_load();
        !was
    }
}

/// A vCPU's control block, and what we note beside it, where Xen does not look.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct VcpuControl {
    pub(crate) block: ControlBlock,
    /// 1 when Xen has been told of the block.
    pub(crate) registered: AtomicU32,
    /// [`MARK`], in the first vCPU's only, as the following.
    pub(crate) mark: AtomicU32,
    /// Pages of the event array that Xen knows.
    pub(crate) pages: AtomicU32,
    /// Pages of the event array that there is memory for.
    pub(crate) populated: AtomicU32,
}

/// The page with all control blocks. Xen keeps it as long as the domain lives, and so the notes find whoever comes
/// after us.
#[repr(C)]
#[derive(Debug)]
pub struct ControlPage {
    pub(crate) vcpus: [VcpuControl; VCPUS],
}

/// "xenpv, first layout of the notes".
pub(crate) const MARK: u32 = 0x7870_6601;

#[cfg(not(all(test, loom)))]
const _: () = {
    use core::mem::offset_of;
    use xen_sys::event_channel::{FIFO_CONTROL_BLOCK_SIZE, FIFO_HEADS, FIFO_READY};
    use xen_sys::PAGE_SIZE;
    assert!(size_of::<ControlBlock>() == FIFO_CONTROL_BLOCK_SIZE);
    assert!(offset_of!(ControlBlock, ready) == FIFO_READY);
    assert!(offset_of!(ControlBlock, heads) == FIFO_HEADS);
    assert!(size_of::<ControlPage>() == PAGE_SIZE);
};

/// Where the control block of vCPU `vcpu` lies in the page.
pub(crate) const fn offset(vcpu: u32) -> u32 {
    vcpu.wrapping_mul(size_of::<VcpuControl>() as u32)
}

impl Default for ControlPage {
    fn default() -> Self {
        Self::new()
    }
}

impl ControlPage {
    /// A page of zeros: for who has no memory that Xen knows.
    pub fn new() -> Self {
        let zero = || AtomicU32::new(0);
        Self {
            vcpus: core::array::from_fn(|_| VcpuControl {
                block: ControlBlock::new(),
                registered: zero(),
                mark: zero(),
                pages: zero(),
                populated: zero(),
            }),
        }
    }

    /// Says whose notes these are.
    pub(crate) fn first(&self) -> &VcpuControl {
        // PANIC: none, the array has 32 elements.
        &self.vcpus[0]
    }

    /// The control block of vCPU `vcpu`.
    pub fn block(&self, vcpu: u32) -> Option<&ControlBlock> {
        let control = self.vcpus.get(usize::try_from(vcpu).ok()?)?;
        Some(&control.block)
    }

    /// Whether this is the page of a module like this one, with notes that make sense.
    pub(crate) fn is_marked(&self) -> bool {
        self.first().mark.load(SeqCst) == MARK
    }

    /// Makes a page of any content one that Xen knows nothing of.
    pub(crate) fn clear(&self) {
        for control in &self.vcpus {
            control.block.reset();
            for note in [
                &control.registered,
                &control.mark,
                &control.pages,
                &control.populated,
            ] {
                note.store(0, SeqCst);
            }
        }
        self.first().mark.store(MARK, SeqCst);
    }
}

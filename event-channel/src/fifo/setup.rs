// SPDX-License-Identifier: GPL-2.0-only
//! How the pages come to Xen, and are found again.
use core::ops::Range;
use xen_sys::{Gfn, Hypervisor, Port, Result, VcpuId, XenError};

use super::array::{EventArray, FIFO_PAGES, PORTS_PER_PAGE};
use super::control::{offset, ControlPage, VcpuControl};
use crate::shared::SharedPorts;
use crate::sync::{AtomicU32, Ordering::SeqCst};

/// Whether the domain has the FIFO ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FifoState {
    /// It has the 2-level one.
    Off,
    /// It has, with pages of a module like this one.
    Ours,
    /// Somebody else has made it so, with pages that only he knows.
    Foreign,
}

/// The FIFO ABI's pages, at places of their own in the guest's memory map.
///
/// Xen has no way back from the FIFO ABI but to end all event channels, the toolstack's too, and it writes to the
/// pages as long as the domain lives. So they are no pages of the guest's allocator, and nobody takes them away: a
/// module that is loaded later, or the kernel after a kexec, finds them at the same places and goes on with them.
///
/// All but [`Self::ports`] and [`Self::control`] is for one caller at a time.
#[derive(Clone, Copy, Debug)]
pub struct Fifo<'a> {
    control: &'a ControlPage,
    words: &'a [AtomicU32],
    control_at: Gfn,
    array_at: Gfn,
}

impl<'a> Fifo<'a> {
    /// The page `control`, which is at `control_at`, and the words of up to [`FIFO_PAGES`] pages from `array_at` on.
    /// There need not be memory yet: what is read there is all ones then.
    pub const fn new(
        (control, control_at): (&'a ControlPage, Gfn),
        (words, array_at): (&'a [AtomicU32], Gfn),
    ) -> Self {
        Self {
            control,
            words,
            control_at,
            array_at,
        }
    }

    /// The control blocks.
    pub const fn control(&self) -> &'a ControlPage {
        self.control
    }

    /// The words.
    pub fn ports(&self) -> SharedPorts<'a> {
        SharedPorts::Fifo(self.array())
    }

    fn array(&self) -> EventArray<'a> {
        EventArray::new(self.words, &self.control.first().pages)
    }

    /// Whether the domain has the FIFO ABI. Xen does not tell straight out, but a priority that does not exist, of the
    /// port that nobody has, is an error of another kind in a domain that knows none: ENOSYS.
    pub fn is_on(xen: &impl Hypervisor) -> bool {
        let answer = xen.evtchn_set_priority(Port(0), u32::MAX);
        matches!(answer, Ok(()) | Err(XenError::EINVAL | XenError::EACCES))
    }

    /// Whether it has, and whose.
    pub fn state(&self, xen: &impl Hypervisor) -> FifoState {
        match Self::is_on(xen) {
            false => FifoState::Off,
            true if self.control.is_marked() => FifoState::Ours,
            true => FifoState::Foreign,
        }
    }

    /// Pages of the array that Xen knows.
    pub fn pages(&self) -> u32 {
        self.control.first().pages.load(SeqCst)
    }

    /// Gives the domain the FIFO ABI; its state is [`FifoState::Off`].
    ///
    /// # Errors
    /// ENOMEM when the domain may have no more memory, what Xen said.
    pub fn turn_on(&self, xen: &impl Hypervisor) -> Result {
        // Memory with the mark was left by an attempt that failed, or by a domain before this one.
        if !self.control.is_marked() {
            populate(xen, self.control_at)?;
            self.control.clear();
        }
        self.begin_anew(xen)?;
        self.make_room(xen, Port(0))
    }

    /// Goes on with the pages of a module before this one; the state is [`FifoState::Ours`]. All ports are masked, and
    /// no vCPU takes an upcall. Events that wait are kept.
    pub fn take_over(&self) {
        // Xen has no notion of an empty queue but that its last word is in none.
        self.array().reset(0..self.array().known(), true);
        for control in &self.control.vcpus {
            control.block.reset();
        }
    }

    /// Lets `vcpu` be told of events. Nothing happens when it is already.
    ///
    /// # Errors
    /// ENOENT for a vCPU past those that the page has room for, what Xen said.
    pub fn register(&self, xen: &impl Hypervisor, vcpu: VcpuId) -> Result {
        let control = usize::try_from(vcpu.0).ok();
        let control = control.and_then(|vcpu| self.control.vcpus.get(vcpu));
        let control: &VcpuControl = control.ok_or(XenError::ENOENT)?;
        if control.registered.load(SeqCst) != 0 {
            return Ok(());
        }
        control.block.reset();
        xen.evtchn_init_control(vcpu, self.control_at, offset(vcpu.0))?;
        control.registered.store(1, SeqCst);
        Ok(())
    }

    /// Makes the array long enough for `port`.
    ///
    /// # Errors
    /// ENOSPC for a port past all that we serve, ENOMEM when the domain may have no more memory, what Xen said.
    pub fn make_room(&self, xen: &impl Hypervisor, port: Port) -> Result {
        while port.0 >= self.array().known() {
            self.add_page(xen)?;
        }
        Ok(())
    }

    fn add_page(&self, xen: &impl Hypervisor) -> Result {
        let notes = self.control.first();
        let page = notes.pages.load(SeqCst);
        let words = words_of(page);
        if page >= FIFO_PAGES || words.end as usize > self.words.len() {
            return Err(XenError::ENOSPC);
        }
        let gfn = Gfn(self.array_at.0.saturating_add(page.into()));
        if page >= notes.populated.load(SeqCst) {
            populate(xen, gfn)?;
            notes.populated.store(page.saturating_add(1), SeqCst);
        }
        // Nobody links them yet.
        self.array().reset(words, false);
        xen.evtchn_expand_array(gfn)?;
        notes.pages.store(page.saturating_add(1), SeqCst);
        Ok(())
    }

    /// Makes everything anew in a domain that goes on from what was saved of another one: the vCPUs that were told
    /// of events are again, and Xen knows the pages that it knew. All ports are masked and none has an event. When the
    /// domain is still the same, nothing happens, and the answer is no.
    ///
    /// Nothing here allocates or waits, so it can be done while every other vCPU is at rest.
    ///
    /// # Errors
    /// What Xen said. No event comes then.
    pub fn renew(&self, xen: &impl Hypervisor) -> Result<bool> {
        if Self::is_on(xen) {
            return Ok(false);
        }
        let pages = self.pages();
        let told = |control: &VcpuControl| control.registered.load(SeqCst) != 0;
        let told: u32 = (0..)
            .zip(&self.control.vcpus)
            .filter(|(_, control)| told(control))
            .fold(0, |told, (vcpu, _)| told | 1 << vcpu);
        self.begin_anew(xen)?;
        for vcpu in (0..u32::BITS).filter(|vcpu| told >> vcpu & 1 != 0) {
            self.register(xen, VcpuId(vcpu))?;
        }
        for _ in 0..pages.min(FIFO_PAGES) {
            self.add_page(xen)?;
        }
        Ok(true)
    }

    /// Gives the domain the ABI by its first control block, and notes that Xen knows that and nothing else. When Xen
    /// refuses, the notes stay as they are, for they may be true.
    fn begin_anew(&self, xen: &impl Hypervisor) -> Result {
        let first = self.control.first();
        xen.evtchn_init_control(VcpuId(0), self.control_at, offset(0))?;
        first.pages.store(0, SeqCst);
        for control in &self.control.vcpus {
            control.block.reset();
            control.registered.store(0, SeqCst);
        }
        first.registered.store(1, SeqCst);
        Ok(())
    }
}

fn words_of(page: u32) -> Range<u32> {
    let start = page.saturating_mul(PORTS_PER_PAGE);
    start..start.saturating_add(PORTS_PER_PAGE)
}

/// Puts memory at `gfn`.
fn populate(xen: &impl Hypervisor, gfn: Gfn) -> Result {
    match xen.populate_physmap(&[gfn])? {
        0 => Err(XenError::ENOMEM),
        _ => Ok(()),
    }
}

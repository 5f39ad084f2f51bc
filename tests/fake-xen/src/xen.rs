// SPDX-License-Identifier: GPL-2.0-only
//! The hypervisor.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use event_channel::{SharedPorts, VcpuInfo};
use xen_sys::{hvm, Domid, Gfn, GrantRef, PhysmapSpace, Port, ShutdownReason, Suspended, VcpuId};

use crate::channels::Channels;
use crate::faults::Faults;
use crate::foreign::Foreign;
use crate::memory::{Memory, MAX_FRAMES};

mod hypercalls;

/// The guest's number.
pub const GUEST: Domid = Domid(7);
/// The number of the domain where backends live.
pub const BACKEND: Domid = Domid(0);

/// Watchdog timers that a domain has (`NR_DOMAIN_WATCHDOG_TIMERS`).
const WATCHDOGS: usize = 2;

/// Where the guest puts its grant table's frames.
pub const GRANT_FRAMES_GFN: [Gfn; MAX_FRAMES] =
    [Gfn(0xfe704), Gfn(0xfe705), Gfn(0xfe706), Gfn(0xfe707)];

struct State {
    params: BTreeMap<u32, u64>,
    /// What is where in the guest's address space, of Xen's own pages.
    physmap: BTreeMap<Gfn, PhysmapSpace>,
    grant_frames: u32,
    grant_version: u32,
    max_grant_version: u32,
    maximum_gfn: Gfn,
    reservation: u64,
    maximum: u64,
    /// Where the guest has asked for memory.
    populated: BTreeSet<Gfn>,
    /// Where the vCPUs' FIFO control blocks are; in a domain with the 2-level ABI nowhere.
    control_blocks: BTreeMap<VcpuId, (Gfn, u32)>,
    event_array: Vec<Gfn>,
    shutdown: Option<ShutdownReason>,
    /// How the next suspend ends, and how many domains the guest has been in before this one.
    next_suspend: Suspended,
    domain: u32,
    console: Vec<u8>,
    /// Watchdog timers: for how many seconds each runs that runs.
    watchdogs: [Option<u32>; WATCHDOGS],
}

/// A Xen with one guest, whose every call can be made to fail.
pub struct FakeXen {
    pub(crate) channels: Channels,
    pub(crate) memory: Memory,
    pub(crate) foreign: Foreign,
    pub(crate) faults: Faults,
    state: Mutex<State>,
}

impl FakeXen {
    /// A guest with `vcpus` vCPUs and `pages` pages of memory, which may have twice as many.
    pub fn new(vcpus: usize, pages: u64) -> Arc<Self> {
        Arc::new(Self {
            channels: Channels::new(vcpus),
            memory: Memory::new(),
            foreign: Foreign::default(),
            faults: Faults::default(),
            state: Mutex::new(State {
                params: BTreeMap::from([
                    (hvm::PARAM_CALLBACK_IRQ, 0),
                    (hvm::PARAM_STORE_PFN, 0xfeffc),
                    (hvm::PARAM_STORE_EVTCHN, 1),
                ]),
                physmap: BTreeMap::new(),
                grant_frames: 1,
                grant_version: 1,
                max_grant_version: 2,
                maximum_gfn: Gfn(0xfffff),
                reservation: pages,
                maximum: pages * 2,
                populated: BTreeSet::new(),
                control_blocks: BTreeMap::new(),
                event_array: Vec::new(),
                shutdown: None,
                next_suspend: Suspended::Resumed,
                domain: 0,
                console: Vec::new(),
                watchdogs: [None; WATCHDOGS],
            }),
        })
    }

    /// What is to fail, and what was called.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The pending and mask bits.
    pub fn ports(&self) -> SharedPorts<'_> {
        self.channels.shared()
    }

    /// A vCPU's words.
    pub fn vcpu_info(&self, vcpu: usize) -> VcpuInfo<'_> {
        self.channels.vcpu_info(vcpu)
    }

    /// Takes the upcall interrupt of a vCPU, if one waits.
    pub fn take_interrupt(&self, vcpu: usize) -> bool {
        self.channels.take_interrupt(vcpu)
    }

    /// Takes the pending bit of a port, as an upcall does.
    pub fn evtchn_clear(&self, port: Port) {
        self.channels.clear(port);
    }

    /// Ports that are not closed.
    pub fn open_ports(&self) -> usize {
        self.channels.open_ports()
    }

    /// Pages of [`crate::GuestPage`] that exist.
    pub fn guest_pages(&self) -> usize {
        self.memory.pages()
    }

    /// References whose entries grant something.
    pub fn granted(&self) -> Vec<GrantRef> {
        self.memory.granted()
    }

    /// What Xen has put into the guest's address space.
    pub fn mapped_by_xen(&self) -> usize {
        self.state().physmap.len()
    }

    /// Where the vCPUs' FIFO control blocks are.
    pub fn control_blocks(&self) -> BTreeMap<VcpuId, (Gfn, u32)> {
        self.state().control_blocks.clone()
    }

    /// The pages of the FIFO event array.
    pub fn event_array(&self) -> Vec<Gfn> {
        self.state().event_array.clone()
    }

    /// The guest was saved and goes on in a new domain, where everything has the 2-level ABI again.
    pub fn forget_fifo(&self) {
        let mut state = self.state();
        state.control_blocks.clear();
        state.event_array.clear();
    }

    /// Other domains' pages, which the guest can map.
    pub fn foreign(&self) -> &Foreign {
        &self.foreign
    }

    /// Lets the guest have at most so many pages.
    pub fn set_maximum(&self, pages: u64) {
        self.state().maximum = pages;
    }

    /// Why the guest has stopped, if it has.
    pub fn shutdown_reason(&self) -> Option<ShutdownReason> {
        self.state().shutdown
    }

    /// The seconds for which each watchdog timer runs.
    pub fn watchdogs(&self) -> Vec<u32> {
        self.state().watchdogs.iter().copied().flatten().collect()
    }

    /// Forgets the watchdog timers, as for a domain made of a saved one.
    pub fn forget_watchdogs(&self) {
        self.state().watchdogs = [None; WATCHDOGS];
    }

    /// Lets the next suspend end in this way: [`Suspended::Resumed`] if nothing is said.
    pub fn let_suspend_end(&self, end: Suspended) {
        self.state().next_suspend = end;
    }

    /// In how many other domains the guest has been.
    pub fn domain(&self) -> u32 {
        self.state().domain
    }

    /// An HVM parameter, without a hypercall.
    pub fn param(&self, index: u32) -> Option<u64> {
        self.state().params.get(&index).copied()
    }

    /// Lets Xen have no version of the grant table but 1.
    pub fn refuse_grant_v2(&self) {
        self.state().max_grant_version = 1;
    }

    /// The highest frame of the guest is this one.
    pub fn set_maximum_gfn(&self, gfn: Gfn) {
        self.state().maximum_gfn = gfn;
    }

    /// The vector that tells a vCPU of events, 0 for none.
    pub fn vector(&self, vcpu: usize) -> u8 {
        self.channels.vector(vcpu)
    }

    /// Makes a new domain of the guest: it has its memory, and nothing that Xen had for the old one.
    fn become_another(&self) {
        self.channels.forget();
        self.memory.forget_grants();
        let more = self.foreign.forget();
        let mut state = self.state();
        state.reservation += more;
        state.domain += 1;
        state.params.insert(hvm::PARAM_CALLBACK_IRQ, 0);
        state.physmap.clear();
        state.grant_frames = 1;
        state.grant_version = 1;
        drop(state);
        self.forget_fifo();
        self.forget_watchdogs();
    }

    /// What the guest wrote to Xen's console.
    pub fn console(&self) -> Vec<u8> {
        self.state().console.clone()
    }

    /// Panics if the guest has freed a page that a peer could use, or granted one that it does not have.
    #[track_caller]
    pub fn assert_sound(&self) {
        let findings = self.memory.findings();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

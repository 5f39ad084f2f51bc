// SPDX-License-Identifier: GPL-2.0-only
//! The hypervisor.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use event_channel::{SharedPorts, VcpuInfo};
use xen_sys::event_channel::{FIFO_CONTROL_BLOCK_SIZE, FIFO_QUEUES};
use xen_sys::{
    hvm, Domid, Gfn, GrantCopy, GrantMap, GrantRef, GrantTableSize, GrantUnmap, Hypervisor,
    PhysmapSpace, Port, PortBinding, PortStatus, Result, ShutdownReason, Suspended, VcpuId,
    Version, WatchdogId, XenError, PAGE_SIZE,
};

use crate::channels::Channels;
use crate::faults::{Call, Faults};
use crate::foreign::Foreign;
use crate::memory::{Memory, MAX_FRAMES};

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

impl Hypervisor for FakeXen {
    fn evtchn_alloc_unbound(&self, remote: Domid) -> Result<Port> {
        self.faults.enter(Call::EvtchnAllocUnbound)?;
        let binding = PortBinding::Unbound(remote);
        self.channels.allocate(VcpuId(0), binding)
    }

    fn evtchn_bind_interdomain(&self, remote: Domid, remote_port: Port) -> Result<Port> {
        self.faults.enter(Call::EvtchnBindInterdomain)?;
        let binding = PortBinding::Interdomain(remote, remote_port);
        self.channels.allocate(VcpuId(0), binding)
    }

    fn evtchn_bind_ipi(&self, vcpu: VcpuId) -> Result<Port> {
        self.faults.enter(Call::EvtchnBindIpi)?;
        self.channels.allocate(vcpu, PortBinding::Ipi)
    }

    fn evtchn_bind_virq(&self, virq: u32, vcpu: VcpuId) -> Result<Port> {
        self.faults.enter(Call::EvtchnBindVirq)?;
        self.channels.allocate(vcpu, PortBinding::Virq(virq))
    }

    fn evtchn_close(&self, port: Port) -> Result {
        self.faults.enter(Call::EvtchnClose)?;
        self.channels.close(port)
    }

    fn evtchn_send(&self, port: Port) -> Result {
        self.faults.enter(Call::EvtchnSend)?;
        self.channels.send(port)
    }

    fn evtchn_unmask(&self, port: Port) -> Result {
        self.faults.enter(Call::EvtchnUnmask)?;
        self.channels.unmask(port)
    }

    fn evtchn_bind_vcpu(&self, port: Port, vcpu: VcpuId) -> Result {
        self.faults.enter(Call::EvtchnBindVcpu)?;
        self.channels.bind_vcpu(port, vcpu)
    }

    fn evtchn_status(&self, port: Port) -> Result<PortStatus> {
        self.faults.enter(Call::EvtchnStatus)?;
        self.channels.status(port)
    }

    fn evtchn_init_control(&self, vcpu: VcpuId, gfn: Gfn, offset: u32) -> Result {
        self.faults.enter(Call::EvtchnInitControl)?;
        self.channels.check_vcpu(vcpu)?;
        if offset % 8 != 0 || offset as usize > PAGE_SIZE - FIFO_CONTROL_BLOCK_SIZE {
            return Err(XenError::EINVAL);
        }
        let mut state = self.state();
        if !state.populated.contains(&gfn) || state.control_blocks.contains_key(&vcpu) {
            return Err(XenError::EINVAL);
        }
        state.control_blocks.insert(vcpu, (gfn, offset));
        Ok(())
    }

    fn evtchn_expand_array(&self, gfn: Gfn) -> Result {
        self.faults.enter(Call::EvtchnExpandArray)?;
        let mut state = self.state();
        if state.control_blocks.is_empty() {
            return Err(XenError::EOPNOTSUPP);
        }
        if !state.populated.contains(&gfn) {
            return Err(XenError::EINVAL);
        }
        state.event_array.push(gfn);
        Ok(())
    }

    fn evtchn_set_priority(&self, port: Port, priority: u32) -> Result {
        self.faults.enter(Call::EvtchnSetPriority)?;
        if self.state().control_blocks.is_empty() {
            return Err(XenError::ENOSYS);
        }
        if port == Port(0) {
            return Err(XenError::EACCES);
        }
        if priority >= FIFO_QUEUES {
            return Err(XenError::EINVAL);
        }
        Ok(())
    }

    fn hvm_get_param(&self, index: u32) -> Result<u64> {
        self.faults.enter(Call::HvmGetParam)?;
        self.state()
            .params
            .get(&index)
            .copied()
            .ok_or(XenError::EINVAL)
    }

    fn hvm_set_param(&self, index: u32, value: u64) -> Result {
        self.faults.enter(Call::HvmSetParam)?;
        if index != hvm::PARAM_CALLBACK_IRQ {
            return Err(XenError::EPERM);
        }
        self.state().params.insert(index, value);
        Ok(())
    }

    fn set_evtchn_upcall_vector(&self, vcpu: VcpuId, vector: u8) -> Result {
        self.faults.enter(Call::SetUpcallVector)?;
        self.channels.set_vector(vcpu, vector)
    }

    fn add_to_physmap(&self, space: PhysmapSpace, gfn: Gfn) -> Result {
        self.faults.enter(Call::AddToPhysmap)?;
        let mut state = self.state();
        if let PhysmapSpace::GrantStatus(_) = space {
            if state.grant_version != 2 {
                return Err(XenError::EINVAL);
            }
        }
        if let PhysmapSpace::GrantTable(frame) = space {
            if frame as usize >= MAX_FRAMES {
                return Err(XenError::EINVAL);
            }
            state.grant_frames = state.grant_frames.max(frame + 1);
        }
        // A page of Xen's is in one place only: adding it elsewhere moves it.
        state.physmap.retain(|_, at| *at != space);
        state.physmap.insert(gfn, space);
        Ok(())
    }

    fn remove_from_physmap(&self, gfn: Gfn) -> Result {
        self.faults.enter(Call::RemoveFromPhysmap)?;
        self.state()
            .physmap
            .remove(&gfn)
            .map(drop)
            .ok_or(XenError::ENOENT)
    }

    fn populate_physmap(&self, gfns: &[Gfn]) -> Result<usize> {
        self.faults.enter(Call::PopulatePhysmap)?;
        let mut state = self.state();
        let room = state.maximum.saturating_sub(state.reservation);
        let done = gfns.len().min(room as usize);
        state.reservation += done as u64;
        state.populated.extend(&gfns[..done]);
        self.foreign.fill(&gfns[..done]);
        Ok(done)
    }

    fn decrease_reservation(&self, gfns: &[Gfn]) -> Result<usize> {
        self.faults.enter(Call::DecreaseReservation)?;
        let mut state = self.state();
        let done = gfns.len().min(state.reservation as usize);
        let done = self.foreign.empty(&gfns[..done]);
        state.reservation -= done as u64;
        Ok(done)
    }

    fn current_reservation(&self) -> Result<u64> {
        self.faults.enter(Call::CurrentReservation)?;
        Ok(self.state().reservation)
    }

    fn maximum_reservation(&self) -> Result<u64> {
        self.faults.enter(Call::MaximumReservation)?;
        Ok(self.state().maximum)
    }

    fn maximum_gfn(&self) -> Result<Gfn> {
        self.faults.enter(Call::MaximumGfn)?;
        Ok(self.state().maximum_gfn)
    }

    fn grant_query_size(&self) -> Result<GrantTableSize> {
        self.faults.enter(Call::GrantQuerySize)?;
        Ok(GrantTableSize {
            frames: self.state().grant_frames,
            max_frames: MAX_FRAMES as u32,
        })
    }

    fn grant_set_version(&self, version: u32) -> Result<u32> {
        self.faults.enter(Call::GrantSetVersion)?;
        if !(1..=2).contains(&version) {
            return Err(XenError::EINVAL);
        }
        let mut state = self.state();
        if state.max_grant_version == 1 {
            return Err(XenError::ENOSYS);
        }
        if state.grant_version != version {
            if self.memory.is_mapped() {
                return Err(XenError::EBUSY);
            }
            self.memory.set_version(version);
        }
        state.grant_version = version;
        Ok(version)
    }

    fn grant_get_version(&self) -> Result<u32> {
        self.faults.enter(Call::GrantGetVersion)?;
        Ok(self.state().grant_version)
    }

    fn grant_map(&self, ops: &mut [GrantMap]) -> Result {
        self.faults.enter(Call::GrantMap)?;
        ops.iter_mut().for_each(|op| self.foreign.map(op));
        Ok(())
    }

    fn grant_unmap(&self, ops: &mut [GrantUnmap]) -> Result {
        self.faults.enter(Call::GrantUnmap)?;
        ops.iter_mut().for_each(|op| self.foreign.unmap(op));
        Ok(())
    }

    fn grant_copy(&self, ops: &mut [GrantCopy]) -> Result {
        self.faults.enter(Call::GrantCopy)?;
        ops.iter_mut().for_each(|op| self.foreign.copy(op));
        Ok(())
    }

    fn sched_shutdown(&self, reason: ShutdownReason) -> Result {
        self.faults.enter(Call::SchedShutdown)?;
        self.state().shutdown = Some(reason);
        Ok(())
    }

    fn sched_watchdog(&self, timer: Option<WatchdogId>, seconds: u32) -> Result<WatchdogId> {
        self.faults.enter(Call::SchedWatchdog)?;
        let mut state = self.state();
        let (index, free) = match timer {
            Some(timer) => (timer.number() as usize - 1, false),
            None => {
                let free = state.watchdogs.iter().position(Option::is_none);
                (free.ok_or(XenError::ENOSPC)?, true)
            }
        };
        let place = state.watchdogs.get_mut(index).ok_or(XenError::EINVAL)?;
        if (free && seconds == 0) || (!free && place.is_none()) {
            return Err(XenError::EINVAL);
        }
        *place = (seconds != 0).then_some(seconds);
        WatchdogId::new(index as u32 + 1).ok_or(XenError::EIO)
    }

    fn sched_suspend(&self) -> Result<Suspended> {
        self.faults.enter(Call::SchedSuspend)?;
        let end = self.state().next_suspend;
        if end == Suspended::Resumed {
            self.become_another();
        }
        Ok(end)
    }

    fn version(&self) -> Result<Version> {
        self.faults.enter(Call::Version)?;
        Ok(Version {
            major: 4,
            minor: 20,
        })
    }

    fn console_write(&self, text: &[u8]) -> Result {
        self.faults.enter(Call::ConsoleWrite)?;
        self.state().console.extend_from_slice(text);
        Ok(())
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What each hypercall does, unless it is to fail.
use xen_sys::event_channel::{FIFO_CONTROL_BLOCK_SIZE, FIFO_QUEUES};
use xen_sys::{
    hvm, Domid, Gfn, GrantCopy, GrantMap, GrantTableSize, GrantUnmap, Hypervisor, PhysmapSpace,
    Port, PortBinding, PortStatus, Result, ShutdownReason, Suspended, VcpuId, Version, WatchdogId,
    XenError, PAGE_SIZE,
};

use super::FakeXen;
use crate::faults::Call;
use crate::memory::MAX_FRAMES;

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

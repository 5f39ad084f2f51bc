// SPDX-License-Identifier: GPL-2.0-only
//! Event channels, 2-level: the words shared with the guest, and Xen's book of ports.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use event_channel::{PortIndex, PortWords, SharedPorts, VcpuInfo, PORTS};
use xen_sys::{Domid, Port, PortBinding, PortStatus, Result, VcpuId, XenError};

use crate::xen::FakeXen;

/// A vCPU as Xen and the guest share it.
struct Vcpu {
    upcall_pending: AtomicU8,
    selector: AtomicU64,
    /// The vector that tells of events, 0 for none.
    vector: AtomicU8,
    /// Interrupts raised and not taken.
    interrupts: AtomicU32,
}

/// A port in Xen's book.
#[derive(Clone, Copy)]
struct Record {
    vcpu: u32,
    binding: PortBinding,
    /// Events that the guest has sent to a backend which has not taken them.
    sent: u32,
}

/// All ports of the guest.
pub(crate) struct Channels {
    pending: PortWords,
    mask: PortWords,
    vcpus: Vec<Vcpu>,
    ports: Mutex<BTreeMap<u32, Record>>,
}

impl Channels {
    pub(crate) fn new(vcpus: usize) -> Self {
        let words = || core::array::from_fn(|_| AtomicU64::new(0));
        Self {
            pending: words(),
            mask: words(),
            vcpus: (0..vcpus)
                .map(|_| Vcpu {
                    upcall_pending: AtomicU8::new(0),
                    selector: AtomicU64::new(0),
                    vector: AtomicU8::new(0),
                    interrupts: AtomicU32::new(0),
                })
                .collect(),
            ports: Mutex::new(BTreeMap::new()),
        }
    }

    /// A new domain's: no port is there, none is masked, and no vCPU is told of anything.
    pub(crate) fn forget(&self) {
        self.book().clear();
        for word in self.pending.iter().chain(&self.mask) {
            word.store(0, SeqCst);
        }
        for vcpu in &self.vcpus {
            vcpu.upcall_pending.store(0, SeqCst);
            vcpu.selector.store(0, SeqCst);
            vcpu.vector.store(0, SeqCst);
            vcpu.interrupts.store(0, SeqCst);
        }
    }

    /// The vector that tells `vcpu` of events, 0 for none.
    pub(crate) fn vector(&self, vcpu: usize) -> u8 {
        self.vcpus[vcpu].vector.load(SeqCst)
    }

    pub(crate) fn shared(&self) -> SharedPorts<'_> {
        SharedPorts::new(&self.pending, &self.mask)
    }

    pub(crate) fn vcpu_info(&self, vcpu: usize) -> VcpuInfo<'_> {
        VcpuInfo::new(&self.vcpus[vcpu].upcall_pending, &self.vcpus[vcpu].selector)
    }

    /// Takes one interrupt of a vCPU, if one waits.
    pub(crate) fn take_interrupt(&self, vcpu: usize) -> bool {
        self.vcpus[vcpu].interrupts.swap(0, SeqCst) != 0
    }

    pub(crate) fn open_ports(&self) -> usize {
        self.book().len()
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<u32, Record>> {
        self.ports
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn check_vcpu(&self, vcpu: VcpuId) -> Result {
        match self.vcpus.get(vcpu.0 as usize) {
            Some(_) => Ok(()),
            None => Err(XenError::ENOENT),
        }
    }

    pub(crate) fn allocate(&self, vcpu: VcpuId, binding: PortBinding) -> Result<Port> {
        self.check_vcpu(vcpu)?;
        let mut book = self.book();
        let port = (1..PORTS)
            .find(|port| !book.contains_key(port))
            .ok_or(XenError::ENOSPC)?;
        let record = Record {
            vcpu: vcpu.0,
            binding,
            sent: 0,
        };
        book.insert(port, record);
        Ok(Port(port))
    }

    pub(crate) fn close(&self, port: Port) -> Result {
        self.book().remove(&port.0).ok_or(XenError::EINVAL)?;
        self.clear(port);
        Ok(())
    }

    pub(crate) fn clear(&self, port: Port) {
        if let Some(index) = PortIndex::new(port) {
            self.pending[index.word()].fetch_and(!(1 << index.bit()), SeqCst);
        }
    }

    pub(crate) fn send(&self, port: Port) -> Result {
        let mut book = self.book();
        let record = book.get_mut(&port.0).ok_or(XenError::EINVAL)?;
        match record.binding {
            PortBinding::Interdomain(..) => record.sent += 1,
            PortBinding::Ipi => {
                let vcpu = record.vcpu;
                drop(book);
                self.set_pending(port, vcpu);
            }
            // As Xen does: nobody is there to tell.
            PortBinding::Unbound(_) => {}
            _ => return Err(XenError::EINVAL),
        }
        Ok(())
    }

    pub(crate) fn unmask(&self, port: Port) -> Result {
        let vcpu = self.book().get(&port.0).ok_or(XenError::EINVAL)?.vcpu;
        let index = PortIndex::new(port).ok_or(XenError::EINVAL)?;
        let (word, bit) = (index.word(), 1u64 << index.bit());
        let was_masked = self.mask[word].fetch_and(!bit, SeqCst) & bit != 0;
        if was_masked && self.pending[word].load(SeqCst) & bit != 0 {
            self.announce(index, vcpu);
        }
        Ok(())
    }

    pub(crate) fn bind_vcpu(&self, port: Port, vcpu: VcpuId) -> Result {
        self.check_vcpu(vcpu)?;
        let mut book = self.book();
        let record = book.get_mut(&port.0).ok_or(XenError::EINVAL)?;
        match record.binding {
            PortBinding::Ipi => Err(XenError::EINVAL),
            _ => {
                record.vcpu = vcpu.0;
                Ok(())
            }
        }
    }

    pub(crate) fn status(&self, port: Port) -> Result<PortStatus> {
        if port.0 >= PORTS {
            return Err(XenError::EINVAL);
        }
        let record = self.book().get(&port.0).copied();
        Ok(PortStatus {
            vcpu: VcpuId(record.map_or(0, |record| record.vcpu)),
            binding: record.map_or(PortBinding::Closed, |record| record.binding),
        })
    }

    pub(crate) fn set_vector(&self, vcpu: VcpuId, vector: u8) -> Result {
        self.check_vcpu(vcpu)?;
        if vector < 0x10 {
            return Err(XenError::EINVAL);
        }
        let vcpu = &self.vcpus[vcpu.0 as usize];
        vcpu.vector.store(vector, SeqCst);
        // As Xen does: the new vector is raised once.
        vcpu.interrupts.store(1, SeqCst);
        Ok(())
    }

    /// The backend's half: binds to a port that the guest allocated for it.
    fn connect(&self, port: Port, domid: Domid) -> Result {
        let mut book = self.book();
        let record = book.get_mut(&port.0).ok_or(XenError::EINVAL)?;
        if record.binding != PortBinding::Unbound(domid) {
            return Err(XenError::EINVAL);
        }
        record.binding = PortBinding::Interdomain(domid, port);
        Ok(())
    }

    fn notify(&self, port: Port) {
        let vcpu = self.book().get(&port.0).map(|record| record.vcpu);
        if let Some(vcpu) = vcpu {
            self.set_pending(port, vcpu);
        }
    }

    fn take_sent(&self, port: Port) -> u32 {
        let mut book = self.book();
        book.get_mut(&port.0)
            .map_or(0, |record| core::mem::take(&mut record.sent))
    }

    /// The backend closes its end: the guest's is unbound again.
    fn disconnect(&self, port: Port, domid: Domid) {
        if let Some(record) = self.book().get_mut(&port.0) {
            record.binding = PortBinding::Unbound(domid);
        }
    }

    fn set_pending(&self, port: Port, vcpu: u32) {
        let Some(index) = PortIndex::new(port) else {
            return;
        };
        let (word, bit) = (index.word(), 1u64 << index.bit());
        let was_pending = self.pending[word].fetch_or(bit, SeqCst) & bit != 0;
        if !was_pending && self.mask[word].load(SeqCst) & bit == 0 {
            self.announce(index, vcpu);
        }
    }

    fn announce(&self, index: PortIndex, vcpu: u32) {
        let vcpu = &self.vcpus[vcpu as usize];
        let bit = 1u64 << index.word();
        let was_selected = vcpu.selector.fetch_or(bit, SeqCst) & bit != 0;
        if !was_selected && vcpu.upcall_pending.swap(1, SeqCst) == 0 {
            vcpu.interrupts.store(1, SeqCst);
        }
    }
}

/// A backend's end of an event channel. Dropping it closes that end.
pub struct BackendPort {
    xen: Arc<FakeXen>,
    port: Port,
    domid: Domid,
}

impl BackendPort {
    /// Binds to `port`, which the guest has allocated for `domid`.
    ///
    /// # Errors
    /// EINVAL if it has not.
    pub fn connect(xen: &Arc<FakeXen>, port: Port, domid: Domid) -> Result<Self> {
        xen.channels.connect(port, domid)?;
        Ok(Self {
            xen: xen.clone(),
            port,
            domid,
        })
    }

    /// Sends an event to the guest.
    pub fn notify(&self) {
        self.xen.channels.notify(self.port);
    }

    /// How often the guest has notified since the last call.
    pub fn take_events(&self) -> u32 {
        self.xen.channels.take_sent(self.port)
    }
}

impl Drop for BackendPort {
    fn drop(&mut self) {
        self.xen.channels.disconnect(self.port, self.domid);
    }
}

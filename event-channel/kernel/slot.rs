// SPDX-License-Identifier: GPL-2.0-only
//! One slot for each port: what the upcall finds under a port's number.

use crate::lost;
use crate::service::{service, Service};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use event_channel::{
    Binding, MaskReason, Move, PortIndex, PortState, Raise, SharedPorts, PORTS_PER_WORD,
};
use kernel::cpu::CpuId;
use kernel::cpumask::Cpumask;
use kernel::error::code::{EBUSY, EINVAL, ENODEV, ENOMEM};
use kernel::{bindings, prelude::*};
use linux::irq::{Chip, Descriptor, Line};
use xen_hypercall::{to_error, Xen};
use xen_sys::Hypervisor;

/// The chip of all event channels.
pub(crate) static CHIP: Chip<Slot> = Chip::new(c"xen-event");

/// A port. Slots are made when a port of their word is bound for the first time, and stay as long as the service.
pub(crate) struct Slot {
    /// The port's interrupt; null when it has none.
    descriptor: AtomicPtr<bindings::irq_desc>,
    /// The number of a port's interrupt once it is in full operation, else 0. Changes under
    /// [`crate::service::BINDING`].
    irq: AtomicU32,
    /// Xen keeps the port on its vCPU.
    fixed: AtomicBool,
    port: PortIndex,
    state: PortState,
}

impl Slot {
    fn new(port: PortIndex) -> Self {
        Self {
            descriptor: AtomicPtr::new(core::ptr::null_mut()),
            irq: AtomicU32::new(0),
            fixed: AtomicBool::new(false),
            port,
            state: PortState::new(),
        }
    }

    pub(crate) fn port(&self) -> PortIndex {
        self.port
    }

    pub(crate) fn state(&self) -> &PortState {
        &self.state
    }

    /// The port's interrupt, for an upcall.
    #[inline]
    pub(crate) fn descriptor(&self) -> Option<Descriptor> {
        // SAFETY: Only `set_descriptor` stores there.
        unsafe { Descriptor::from_ptr(self.descriptor.load(Ordering::Acquire)) }
    }

    pub(crate) fn set_descriptor(&self, descriptor: Option<Descriptor>) {
        let ptr = descriptor.map_or(core::ptr::null_mut(), Descriptor::as_ptr);
        self.descriptor.store(ptr, Ordering::Release);
    }

    /// The interrupt's number when it is in full operation. Under the lock it stays so.
    pub(crate) fn irq(&self) -> Option<u32> {
        Some(self.irq.load(Ordering::Relaxed)).filter(|&irq| irq != 0)
    }

    pub(crate) fn set_irq(&self, irq: u32) {
        self.irq.store(irq, Ordering::Relaxed);
    }

    /// Whether Xen keeps the port on its vCPU.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed.load(Ordering::Relaxed)
    }

    /// Says so, before the port is bound.
    pub(crate) fn set_fixed(&self, fixed: bool) {
        self.fixed.store(fixed, Ordering::Relaxed);
    }

    pub(crate) fn mask(&self, ports: SharedPorts<'_>, reason: MaskReason) {
        self.state.mask(ports, self.port, reason);
    }

    pub(crate) fn unmask(&self, ports: SharedPorts<'_>, reason: MaskReason) {
        let raise = self.state.unmask(ports, self.port, reason);
        self.see_to(ports, raise);
    }

    /// Raises the upcall for an event that waits on an open port.
    pub(crate) fn raise_again(&self, ports: SharedPorts<'_>) {
        let raise = self.state.raise_again(ports, self.port);
        self.see_to(ports, raise);
    }

    fn see_to(&self, ports: SharedPorts<'_>, mut raise: Raise) {
        while raise == Raise::Needed {
            if Xen.evtchn_unmask(self.port.port()).is_err() {
                // Only for a port that is closed: nobody waits for its events.
                return;
            }
            raise = self.state.raised(ports, self.port);
        }
    }

    /// Takes the port from the CPU that serves it, for good. Not at the same time as [`Line::place`].
    pub(crate) fn begin_close(&self, service: &Service) {
        let cpu = self.state.begin_close(service.ports(), self.port);
        if let Some(cpu) = cpu.and_then(|cpu| service.cpu(cpu)) {
            cpu.events.remove(self.port);
        }
    }

    /// Lets `to` serve the port instead of the CPU that does.
    fn move_to(&self, service: &Service, to: CpuId) -> Result {
        let new = service.cpu(to.as_u32()).ok_or(ENODEV)?;
        let vcpu = new.vcpu().ok_or(ENODEV)?;
        let ports = service.ports();
        let moving = Move::begin(&self.state, ports, self.port).ok_or(EBUSY)?;
        let old = service.cpu(moving.origin()).ok_or(ENODEV)?;
        let bound = Xen.evtchn_bind_vcpu(self.port.port(), vcpu);
        let raise = match bound {
            Ok(()) => moving.finish(&old.events, &new.events, to.as_u32()),
            Err(_) => moving.abandon(),
        };
        self.see_to(ports, raise);
        lost::look_later();
        bound.map_err(to_error)
    }
}

impl Line for Slot {
    fn startup(&self) {
        self.unmask_for_core();
    }

    fn shutdown(&self) {
        if let Some(service) = service() {
            self.begin_close(service);
        }
    }

    fn mask(&self) {
        if let Some(service) = service() {
            Slot::mask(self, service.ports(), MaskReason::Interrupt);
        }
    }

    fn unmask(&self) {
        self.unmask_for_core();
    }

    fn retrigger(&self) {
        if let Some(service) = service() {
            service.ports().set_pending(self.port);
            self.raise_again(service.ports());
        }
    }

    fn place(&self, wanted: &Cpumask) -> Result<CpuId> {
        let service = service().ok_or(ENODEV)?;
        let Binding::Bound(now) = self.state.binding() else {
            return Err(EBUSY);
        };
        if self.is_fixed() {
            // When its CPU goes it stays all the same, and is served when the CPU comes back.
            let home = CpuId::from_u32(now).ok_or(EINVAL)?;
            let gone = service.cpu(now).is_some_and(|cpu| !cpu.is_ready());
            return if gone || wanted.test(home) {
                Ok(home)
            } else {
                Err(EINVAL)
            };
        }
        let cpu = service
            .choose(Some(now), |cpu| wanted.test(cpu))
            .ok_or(EBUSY)?;
        if cpu.as_u32() != now {
            self.move_to(service, cpu)?;
        }
        Ok(cpu)
    }
}

impl Slot {
    fn unmask_for_core(&self) {
        if let Some(service) = service() {
            Slot::unmask(self, service.ports(), MaskReason::Interrupt);
        }
    }
}

/// The slots of all ports that there may be, word by word.
///
/// # Invariants
///
/// Each pointer is null or owns [`PORTS_PER_WORD`] slots, the memory of a vector of that length and capacity. One that is not null
/// does not change until drop.
pub(crate) struct Slots {
    words: KVec<AtomicPtr<Slot>>,
}

impl Slots {
    /// Room for `ports` ports.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new(ports: u32) -> Result<Self> {
        let count = (ports as usize).div_ceil(PORTS_PER_WORD);
        let mut words = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            words.push_within_capacity(AtomicPtr::new(core::ptr::null_mut()))?;
        }
        // INVARIANT: All of them are null.
        Ok(Self { words })
    }

    /// The slots of a word; none when no port of it was ever bound.
    #[inline]
    fn word(&self, word: &AtomicPtr<Slot>) -> &[Slot] {
        let slots = word.load(Ordering::Acquire);
        if slots.is_null() {
            return &[];
        }
        // SAFETY: By the type invariant so many slots are there, and they stay as long as `self`.
        unsafe { core::slice::from_raw_parts(slots, PORTS_PER_WORD) }
    }

    /// The slot of `port`; `None` when no port of its word was ever bound.
    #[inline]
    pub(crate) fn get(&self, port: PortIndex) -> Option<&Slot> {
        self.word(self.words.get(port.word())?).get(port.bit())
    }

    /// The slot of `port`, made if need be. One caller at a time.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn make(&self, port: PortIndex) -> Result<&Slot> {
        let word = self.words.get(port.word()).ok_or(ENOMEM)?;
        if self.word(word).is_empty() {
            let mut slots = KVec::with_capacity(PORTS_PER_WORD, GFP_KERNEL)?;
            for bit in 0..PORTS_PER_WORD as u32 {
                slots.push_within_capacity(Slot::new(PortIndex::at(port.word(), bit)))?;
            }
            let (slots, _, _) = slots.into_raw_parts();
            // INVARIANT: The vector was full, and nobody else owns its memory now.
            word.store(slots, Ordering::Release);
        }
        self.get(port).ok_or(ENOMEM)
    }

    /// Every slot there is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.words.iter().flat_map(|word| self.word(word))
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for word in &mut self.words {
            let slots = *word.get_mut();
            if !slots.is_null() {
                // SAFETY: By the type invariant, and nobody uses the slots any more.
                drop(unsafe { KVec::from_raw_parts(slots, PORTS_PER_WORD, PORTS_PER_WORD) });
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The service: which CPUs there are, how their upcalls come, and where ports go.

use crate::presence::Presence;
use crate::shared_info::SharedInfo;
use crate::slot::Slots;
use crate::upcall::UpcallHandler;
use crate::{check, lost};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use event_channel::{Binding, SharedPorts, StormGuard, VcpuEvents, VcpuInfo};
use kernel::cpu::{nr_cpu_ids, CpuId};
use kernel::error::code::{EBUSY, EIO, ENODEV, EOPNOTSUPP};
use kernel::sync::{global_lock, Arc, SetOnce};
use kernel::{prelude::*, str::CStr};
use linux::hotplug::{CpuCallbacks, CpuHotplug};
use linux::irq::{place_again, place_anywhere, Request};
use linux::pci::Intx;
use linux::vector::CpuVector;
use pvclock::TimeInfo;
use xen_hypercall::{this_cpu, to_error, Xen};
use xen_sys::cpuid::HvmFeatures;
use xen_sys::{hvm, Hypervisor, VcpuId};

/// Where a vCPU's upcall goes when nobody listens: `X86_PLATFORM_IPI_VECTOR`, whose handler in Linux does nothing but
/// end the interrupt. Xen has no way to unset a vector.
const PARKED_VECTOR: u8 = 0xf7;

const UPCALL_NAME: &CStr = c"xen-upcall";

/// How upcalls reach the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upcall {
    /// By vector if this Xen can, else by the PCI line.
    Auto,
    /// By a vector of each CPU's own.
    Vector,
    /// By the platform device's PCI line, to one CPU.
    Intx,
}

/// How Xen says which ports have an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// By bits in shared_info, for 4095 ports.
    TwoLevel,
    /// By queues, for more. There is no way back as long as the domain lives.
    Fifo,
}

/// One CPU.
#[repr(align(64))]
pub(crate) struct Cpu {
    /// The ports that it serves.
    pub(crate) events: VcpuEvents,
    pub(crate) guard: StormGuard,
    pub(crate) number: CpuId,
    /// Xen's number of it, or [`NO_VCPU`] as long as it was never online.
    vcpu: AtomicU32,
    /// Ports may be bound to it.
    ready: AtomicBool,
    /// It has gone and takes no upcall. Changes under [`BINDING`].
    pub(crate) gone: AtomicBool,
}

const NO_VCPU: u32 = u32::MAX;

impl Cpu {
    fn new(number: CpuId) -> Self {
        Self {
            events: VcpuEvents::new(),
            guard: StormGuard::new(),
            number,
            vcpu: AtomicU32::new(NO_VCPU),
            ready: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        }
    }

    /// Xen's number of it, once it has been online.
    pub(crate) fn vcpu(&self) -> Option<VcpuId> {
        let vcpu = self.vcpu.load(Ordering::Acquire);
        (vcpu != NO_VCPU).then_some(VcpuId(vcpu))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

/// The service, from [`start`] to the drop of [`Events`].
pub(crate) struct Service {
    pub(crate) shared: SharedInfo,
    slots: Slots,
    /// By Linux's number.
    cpus: KVec<Cpu>,
    mode: Upcall,
    /// What `PARAM_CALLBACK_IRQ` is to be as long as the service is in operation.
    callback: AtomicU64,
    channels: AtomicI32,
}

/// The vectors of the CPUs, by Linux's number. Whoever binds a port, gives one up or moves all of a CPU holds this.
pub(crate) type Vectors = KVec<Option<CpuVector>>;

global_lock! {
    // SAFETY: Initialised in `start`, before anything can lock it.
    pub(crate) unsafe(uninit) static BINDING: Mutex<Vectors> = KVec::new();
}

static SERVICE: SetOnce<&'static Service> = SetOnce::new();

/// The service, if it was started.
#[inline]
pub(crate) fn service() -> Option<&'static Service> {
    SERVICE.copy()
}

/// The time that Xen tells CPU `cpu`, which is the current one; `None` when the service was not started. Any context, with
/// preemption off.
///
/// A vCPU that has no time of its own, past the 32 that shared_info has room for, reads the first one's: Xen gives all
/// vCPUs of an HVM guest one counter, as far as the physical CPUs' agree.
#[inline]
pub fn time_info(cpu: u32) -> Option<&'static TimeInfo> {
    let service = service()?;
    let vcpu = match service.cpu(cpu).and_then(Cpu::vcpu) {
        Some(vcpu) => vcpu,
        None => newcomer(),
    };
    let shared = &service.shared;
    shared.time(vcpu).or_else(|| shared.time(VcpuId(0)))
}

/// Xen's number of this CPU, which is on its way up for the first time. Costs an exit.
#[cold]
fn newcomer() -> VcpuId {
    this_cpu().and_then(|leaf| leaf.vcpu).unwrap_or(VcpuId(0))
}

impl Service {
    pub(crate) fn ports(&self) -> SharedPorts<'_> {
        self.shared.ports()
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(crate) fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    pub(crate) fn cpu(&self, number: u32) -> Option<&Cpu> {
        self.cpus.get(usize::try_from(number).ok()?)
    }

    /// The CPU that is this vCPU, if it serves events.
    pub(crate) fn cpu_of(&self, vcpu: VcpuId) -> Option<CpuId> {
        let is = |cpu: &&Cpu| cpu.is_ready() && cpu.vcpu() == Some(vcpu);
        self.cpus.iter().find(is).map(|cpu| cpu.number)
    }

    /// How upcalls come: not [`Upcall::Auto`].
    pub(crate) fn mode(&self) -> Upcall {
        self.mode
    }

    /// What `PARAM_CALLBACK_IRQ` is to be as long as the service is in operation.
    pub(crate) fn callback(&self) -> u64 {
        self.callback.load(Ordering::Relaxed)
    }

    /// Channels that are open.
    pub(crate) fn channels(&self) -> i32 {
        self.channels.load(Ordering::Relaxed)
    }

    pub(crate) fn count_channels(&self, by: i32) {
        self.channels.fetch_add(by, Ordering::Relaxed);
    }

    /// The CPU for a port: where it is `now` if that is `wanted`, else the wanted one with the fewest ports; if none of
    /// those can have it, any that can.
    pub(crate) fn choose(&self, now: Option<u32>, wanted: impl Fn(CpuId) -> bool) -> Option<CpuId> {
        let now = now
            .and_then(|cpu| self.cpu(cpu))
            .filter(|cpu| cpu.is_ready());
        if let Some(now) = now.filter(|cpu| wanted(cpu.number)) {
            return Some(now.number);
        }
        let ready = || self.cpus.iter().filter(|cpu| cpu.is_ready());
        ready()
            .filter(|cpu| wanted(cpu.number))
            .min_by_key(|cpu| cpu.events.load())
            .or(now)
            .or_else(|| ready().min_by_key(|cpu| cpu.events.load()))
            .map(|cpu| cpu.number)
    }

    /// Lets this CPU, which is `number`, serve events.
    fn bring_up(&'static self, number: CpuId) -> Result {
        let cpu = self.cpu(number.as_u32()).ok_or(ENODEV)?;
        let vcpu = this_vcpu(number).ok_or(ENODEV)?;
        let info = self.shared.vcpu(vcpu).ok_or(ENODEV)?;
        cpu.vcpu.store(vcpu.0, Ordering::Release);
        cpu.guard.resume();
        match self.mode {
            Upcall::Intx if vcpu != VcpuId(0) => return Ok(()),
            Upcall::Intx => self.prepare(cpu, vcpu, info)?,
            _ => self.set_vector(cpu, vcpu, info)?,
        }
        cpu.ready.store(true, Ordering::Release);
        self.place_all();
        // For the ports that stayed when the CPU went, and whose events Xen announced to nobody.
        lost::look_later();
        Ok(())
    }

    fn set_vector(
        &'static self,
        cpu: &'static Cpu,
        vcpu: VcpuId,
        info: VcpuInfo<'static>,
    ) -> Result {
        self.prepare(cpu, vcpu, info)?;
        let handler = Arc::new(UpcallHandler::new(self, cpu, info)?, GFP_KERNEL)?;
        let vector = CpuVector::new(cpu.number, UPCALL_NAME, handler)?;
        Xen.set_evtchn_upcall_vector(vcpu, vector.number())
            .map_err(to_error)?;
        let mut vectors = BINDING.lock();
        let place = usize::try_from(cpu.number.as_u32())?;
        *vectors.get_mut(place).ok_or(EIO)? = Some(vector);
        Ok(())
    }

    /// Moves the ports of CPU `number` elsewhere and ends its upcalls.
    fn take_down(&self, number: CpuId) {
        let Some(cpu) = self.cpu(number.as_u32()) else {
            return;
        };
        cpu.ready.store(false, Ordering::Release);
        self.place_all();
        let place = number.as_u32() as usize;
        let vector = BINDING.lock().get_mut(place).and_then(Option::take);
        if let (Some(vector), Some(vcpu)) = (vector, cpu.vcpu()) {
            if let Err(error) = Xen.set_evtchn_upcall_vector(vcpu, PARKED_VECTOR) {
                pr_err!(
                    "Xen keeps the upcall vector of vCPU {}: {}\n",
                    vcpu.0,
                    format_args!("{error}")
                );
                // It may still come, and must find a handler.
                core::mem::forget(vector);
                return;
            }
        }
        self.end_upcalls(cpu);
    }

    /// Asks each port again for its CPU: those whose CPU has gone move, and so do those whose affinity names a CPU that
    /// has just come and none of those before.
    fn place_all(&self) {
        let _binding = BINDING.lock();
        for slot in self.slots.iter().filter(|slot| !slot.is_fixed()) {
            if let (Some(irq), Binding::Bound(cpu)) = (slot.irq(), slot.state().binding()) {
                // A port that is served somewhere may stay there when none of the CPUs it should be on is online.
                let served = self.cpu(cpu).is_some_and(Cpu::is_ready);
                if place_again(irq).is_err() && !served && place_anywhere(irq).is_err() {
                    pr_err!(
                        "the events of port {} stay with CPU {cpu}\n",
                        slot.port().port().0
                    );
                }
            }
        }
    }
}

/// Xen's number of this CPU, which is `number`. A Xen that does not tell has given the first one 0.
fn this_vcpu(number: CpuId) -> Option<VcpuId> {
    match this_cpu()?.vcpu {
        Some(vcpu) => Some(vcpu),
        None => (number.as_u32() == 0).then_some(VcpuId(0)),
    }
}

struct Callbacks;

impl CpuCallbacks for Callbacks {
    fn online(cpu: CpuId) -> Result {
        if let Some(service) = service() {
            if let Err(error) = service.bring_up(cpu) {
                let number = cpu.as_u32();
                pr_warn!(
                    "CPU {number} gets no event upcalls ({error:?}); other CPUs serve the events\n"
                );
            }
        }
        Ok(())
    }

    fn offline(cpu: CpuId) {
        if let Some(service) = service() {
            service.take_down(cpu);
        }
    }
}

/// The PCI line as the upcall.
struct IntxUpcall {
    _request: Request,
}

impl IntxUpcall {
    fn new(service: &'static Service, intx: Intx) -> Result<Self> {
        let cpu = service.cpus.iter().find(|cpu| cpu.is_ready());
        let cpu = cpu.ok_or(ENODEV)?;
        let info = service.shared.vcpu(VcpuId(0)).ok_or(ENODEV)?;
        let handler = Arc::new(UpcallHandler::new(service, cpu, info)?, GFP_KERNEL)?;
        let request = Request::shared(intx.irq, UPCALL_NAME, handler)?;
        // So that the channels' affinity, which says this CPU, is true.
        request.set_cpu(cpu.number)?;
        let pin = intx.pin.checked_sub(1).ok_or(ENODEV)?;
        let callback = hvm::callback_pci_intx(intx.domain, intx.bus, intx.devfn, pin);
        Xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, callback)
            .map_err(to_error)?;
        service.callback.store(callback, Ordering::Relaxed);
        Ok(Self { _request: request })
    }
}

impl Drop for IntxUpcall {
    fn drop(&mut self) {
        if let Err(error) = Xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, hvm::CALLBACK_NONE) {
            pr_err!("Xen keeps the PCI line: {}\n", format_args!("{error}"));
        }
    }
}

/// The event channels in operation. Dropped when every channel is gone; it leaves the upcalls parked, all ports masked
/// and shared_info out of the memory map, so that the module can be loaded again.
pub struct Events {
    presence: Option<Presence>,
    intx: Option<IntxUpcall>,
    hotplug: Option<CpuHotplug<Callbacks>>,
    service: &'static Service,
}

/// Sets event channels up, with upcalls as `upcall` says, and with the ABI `abi`, but a domain that has the FIFO ABI keeps
/// it; `intx` is the platform device's interrupt line, if it has one.
/// Once in the life of the module, after [`xen_hypercall::init`].
///
/// # Errors
/// `EBUSY` when called twice, or when another driver has given the domain the FIFO ABI; `EOPNOTSUPP` or `ENODEV` when upcalls cannot come the way that was asked for, and
/// `ETIMEDOUT` when they do not come, each with a message; `ENOMEM`; what Xen said.
pub fn start(upcall: Upcall, intx: Option<Intx>, abi: Abi) -> Result<Events> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return Err(EBUSY);
    }
    let mode = choose_mode(upcall, intx)?;
    // SAFETY: `STARTED` lets this run once, and nobody can have locked it before.
    unsafe { BINDING.init() };
    // Also makes Xen use the 64-bit layout of shared_info from here on.
    Xen.hvm_set_param(hvm::PARAM_CALLBACK_IRQ, hvm::CALLBACK_NONE)
        .map_err(to_error)?;
    let mut events = Events {
        presence: None,
        intx: None,
        hotplug: None,
        service: new_service(mode, abi)?,
    };
    lost::start();
    events.hotplug = Some(CpuHotplug::register(c"xenpv/events:online")?);
    if mode == Upcall::Intx {
        let intx = intx.ok_or(ENODEV)?;
        events.intx = Some(IntxUpcall::new(events.service, intx)?);
    } else {
        events.presence = Some(Presence::show()?);
    }
    check::delivery(events.service)?;
    Ok(events)
}

/// Whether upcalls come by vector or by line.
fn choose_mode(upcall: Upcall, intx: Option<Intx>) -> Result<Upcall> {
    let features = this_cpu().map_or(HvmFeatures::empty(), |leaf| leaf.features);
    let vectors = features.contains(HvmFeatures::UPCALL_VECTOR);
    match upcall {
        Upcall::Vector if !vectors => {
            pr_err!("upcall=vector: this Xen has no vectors for each vCPU; use upcall=intx\n");
            Err(EOPNOTSUPP)
        }
        Upcall::Auto | Upcall::Vector if vectors => Ok(Upcall::Vector),
        _ if intx.is_none() => {
            pr_err!("upcall=intx: the platform device has no interrupt line; use upcall=vector\n");
            Err(ENODEV)
        }
        _ => Ok(Upcall::Intx),
    }
}

/// Makes the service and lets everybody see it.
fn new_service(mode: Upcall, abi: Abi) -> Result<&'static Service> {
    let count = usize::try_from(nr_cpu_ids())?;
    let mut cpus = KVec::with_capacity(count, GFP_KERNEL)?;
    let mut vectors = KVec::with_capacity(count, GFP_KERNEL)?;
    for number in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
        cpus.push_within_capacity(Cpu::new(number))?;
        vectors.push_within_capacity(None)?;
    }
    let shared = SharedInfo::map(abi)?;
    let slots = Slots::new(shared.ports().limit())?;
    let service = KBox::new(
        Service {
            shared,
            slots,
            cpus,
            mode,
            callback: AtomicU64::new(hvm::CALLBACK_PRESENT),
            channels: AtomicI32::new(0),
        },
        GFP_KERNEL,
    )?;
    *BINDING.lock() = vectors;
    let service = KBox::leak(service);
    SERVICE.populate(service);
    Ok(service)
}

impl Drop for Events {
    fn drop(&mut self) {
        self.presence = None;
        self.intx = None;
        self.hotplug = None;
        // Not before: a CPU that comes queues it.
        lost::stop();
        *BINDING.lock() = KVec::new();
        let left = self.service.channels();
        if left != 0 {
            pr_err!("{left} event channels were not closed; their memory is not freed\n");
            return;
        }
        let service = core::ptr::from_ref(self.service).cast_mut();
        // SAFETY: `new_service` leaked this box. Nobody uses the service any more: there is no channel, the upcalls and
        // the callbacks for CPUs are gone, the delayed look is cancelled, and the module, whose end this is, runs no
        // other code of this crate.
        drop(unsafe { KBox::from_raw(service) });
    }
}

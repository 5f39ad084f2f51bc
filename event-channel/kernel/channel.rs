// SPDX-License-Identifier: GPL-2.0-only
//! A port with its handler.

use crate::fifo::FIXED_PRIORITY;
use crate::freeze;
use crate::gate::{DeviceEvents, EventHandler, Gate, Gated};
use crate::service::{service, Service, BINDING};
use crate::slot::{Slot, CHIP};
use event_channel::user::Source;
use event_channel::{Binding, MaskReason, PortIndex};
use kernel::cpu::CpuId;
use kernel::error::code::{EBUSY, ENODEV, ENOSPC};
use kernel::{prelude::*, sync::Arc};
use linux::irq::{Callback, Irq, Request};
use linux::thread::NoIo;
use xen_hypercall::{to_error, Xen};
use xen_sys::{Domid, Hypervisor, Port, VcpuId};

/// What a channel has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelCounters {
    /// Events that were delivered to the handler.
    pub events: u64,
}

/// A port of Xen, closed on drop unless it came from elsewhere, or was the old domain's.
pub(crate) struct OpenPort {
    port: Port,
    ours: bool,
    domain: u32,
}

impl OpenPort {
    /// Takes care of a port that Xen has just given to us.
    pub(crate) fn ours(port: Port) -> Self {
        Self::new(port, true)
    }

    /// Opens a port as `source` says.
    fn from(source: Source) -> Result<Self> {
        let port = match source {
            Source::Unbound(remote) => Xen.evtchn_alloc_unbound(remote),
            Source::Interdomain(remote, port) => Xen.evtchn_bind_interdomain(remote, port),
            Source::Virq(virq) => Xen.evtchn_bind_virq(virq, VcpuId(0)),
            Source::Static(port) => return Ok(Self::borrowed(port)),
        };
        Ok(Self::ours(port.map_err(to_error)?))
    }

    /// Uses a port that somebody else closes.
    fn borrowed(port: Port) -> Self {
        Self::new(port, false)
    }

    fn new(port: Port, ours: bool) -> Self {
        let domain = freeze::domain();
        Self { port, ours, domain }
    }

    pub(crate) fn port(&self) -> Port {
        self.port
    }

    /// Whether the domain that the port is of is the one that the guest is in.
    fn is_of_this_domain(&self) -> bool {
        self.domain == freeze::domain()
    }

    fn close(&mut self) {
        if core::mem::take(&mut self.ours) && self.is_of_this_domain() {
            if let Err(error) = Xen.evtchn_close(self.port) {
                pr_err!(
                    "Xen does not close port {}: {}\n",
                    self.port.0,
                    format_args!("{error}")
                );
            }
        }
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.close();
    }
}

/// A slot that is ours, and its port bound to a CPU.
///
/// # Invariants
///
/// The slot was bound by `new`, and nobody else gives it up.
struct BoundSlot {
    slot: &'static Slot,
    service: &'static Service,
    open: OpenPort,
    /// Whoever drops this holds [`BINDING`].
    locked: bool,
}

impl BoundSlot {
    /// Binds the port to the CPU that has the fewest, or where it was `bound` by Xen for good. With [`BINDING`] held.
    fn new(service: &'static Service, open: OpenPort, bound: Option<CpuId>) -> Result<Self> {
        let port = service.place_of(open.port())?;
        let slot = service.slots().make(port)?;
        // Before Xen hears of it: somebody may ask for a port that is another's.
        if slot.state().binding() != Binding::Free {
            return Err(EBUSY);
        }
        let home = match bound {
            Some(cpu) => cpu,
            None => service.choose(None, |_| true).ok_or(ENODEV)?,
        };
        let cpu = service.cpu(home.as_u32()).ok_or(ENODEV)?;
        if bound.is_none() {
            let vcpu = cpu.vcpu().ok_or(ENODEV)?;
            Xen.evtchn_bind_vcpu(port.port(), vcpu).map_err(to_error)?;
        }
        if bound.is_some() && service.fifo().is_some() {
            Xen.evtchn_set_priority(port.port(), FIXED_PRIORITY)
                .map_err(to_error)?;
        }
        slot.set_fixed(bound.is_some());
        slot.state()
            .bind(service.ports(), port, home.as_u32())
            .map_err(|_| EBUSY)?;
        cpu.events.add(port);
        // INVARIANT: Just bound.
        Ok(Self {
            slot,
            service,
            open,
            locked: true,
        })
    }
}

impl Drop for BoundSlot {
    fn drop(&mut self) {
        // The interrupt's shutdown has done this already, unless it was never requested.
        self.slot.begin_close(self.service);
        // In one: Xen may hand out the closed port's number at once, and whoever gets it finds the slot free; before that
        // nobody may take the port that still exists for one that the toolstack has made.
        let _binding = (!self.locked).then(|| BINDING.lock());
        self.open.close();
        self.slot.state().finish_close();
    }
}

/// A slot whose interrupt the upcalls know.
struct Published(&'static Slot);

impl Drop for Published {
    fn drop(&mut self) {
        self.0.set_descriptor(None);
    }
}

/// An event channel: a port, its Linux interrupt and its handler.
///
/// When its events bring no work, it closes for a time: see [`event_channel::Throttle`].
///
/// Dropping it sleeps: it masks the port, waits until the handler does not run any more, and closes the port. Not from
/// its own handler.
///
/// When the domain was suspended and goes on as another one, the port is gone and the channel is dead: no event comes or
/// goes. Whoever has it drops it and makes another. Its number is not to be had until then.
pub struct EventChannel {
    // Dropped in this order.
    _published: Published,
    _request: Request,
    irq: Irq,
    gate: Arc<Gate>,
    bound: BoundSlot,
    /// The last, so that the service sees the channel until it is gone.
    _count: Counted,
}

impl EventChannel {
    /// Allocates a port that `remote` may bind to, and calls `handler` for its events. `name` is seen in
    /// /proc/interrupts.
    ///
    /// The handler runs in hard interrupt context, never on two CPUs at a time, and may be called without a new event.
    ///
    /// # Errors
    /// `ENOSPC` when Xen has no port left or no bit for it, `ENOMEM`, `ENODEV` when the service is not there, what Xen
    /// said.
    pub fn alloc_unbound<H: EventHandler>(
        remote: Domid,
        name: &CStr,
        handler: Arc<H>,
    ) -> Result<Self> {
        let device = Arc::pin_init(DeviceEvents::new(), GFP_KERNEL)?;
        Self::alloc_unbound_of(&device, remote, name, handler)
    }

    /// As [`Self::alloc_unbound`], for `device`, which counts what its channels see.
    ///
    /// # Errors
    /// The same.
    pub fn alloc_unbound_of<H: EventHandler>(
        device: &Arc<DeviceEvents>,
        remote: Domid,
        name: &CStr,
        handler: Arc<H>,
    ) -> Result<Self> {
        let port = Xen.evtchn_alloc_unbound(remote).map_err(to_error)?;
        Self::bind(OpenPort::ours(port), None, name, handler, device.clone())
    }

    /// Calls `handler` on `cpu` when Xen raises virtual interrupt `virq` (`VIRQ_*`) there: one of those that each vCPU has
    /// for itself, or one of the whole domain. It does not move; while the CPU is offline, its events wait.
    ///
    /// # Errors
    /// `EEXIST` when it is bound already, `EINVAL` when there is no such interrupt, `EPERM` when it is not for this
    /// domain, `ENODEV` when the CPU serves no events, else as [`Self::alloc_unbound`].
    pub fn bind_virq<H: EventHandler>(
        virq: u32,
        cpu: CpuId,
        name: &CStr,
        handler: Arc<H>,
    ) -> Result<Self> {
        let port = Xen.evtchn_bind_virq(virq, vcpu_of(cpu)?);
        Self::bind_fixed(port.map_err(to_error)?, cpu, name, handler)
    }

    /// Calls `handler` on `cpu` for each [`notify`](Self::notify), from any CPU of this domain. It does not move; while
    /// the CPU is offline, its events wait.
    ///
    /// # Errors
    /// `ENODEV` when the CPU serves no events, else as [`Self::alloc_unbound`].
    pub fn bind_ipi<H: EventHandler>(cpu: CpuId, name: &CStr, handler: Arc<H>) -> Result<Self> {
        let port = Xen.evtchn_bind_ipi(vcpu_of(cpu)?);
        Self::bind_fixed(port.map_err(to_error)?, cpu, name, handler)
    }

    fn bind_fixed<H: EventHandler>(
        port: Port,
        cpu: CpuId,
        name: &CStr,
        handler: Arc<H>,
    ) -> Result<Self> {
        let open = OpenPort::ours(port);
        let device = Arc::pin_init(DeviceEvents::new(), GFP_KERNEL)?;
        Self::bind(open, Some(cpu), name, handler, device)
    }

    /// Calls `handler` for the events of `port`, which the toolstack made: xenstore's or the console's. It is not
    /// closed on drop, for nobody could open it again. An event that came before is delivered.
    ///
    /// # Errors
    /// `EBUSY` when the port has a handler, else as [`Self::alloc_unbound`].
    pub fn bind_store_port<H: EventHandler>(
        port: Port,
        name: &CStr,
        handler: Arc<H>,
    ) -> Result<Self> {
        let device = Arc::pin_init(DeviceEvents::new(), GFP_KERNEL)?;
        Self::bind(OpenPort::borrowed(port), None, name, handler, device)
    }

    /// Opens a port as `source` says, and has its events handled by what `handler` makes for its number.
    ///
    /// # Errors
    /// `EBUSY` when the port has a handler, what `handler` said, else as [`Self::alloc_unbound`].
    pub(crate) fn open<H: EventHandler>(
        source: Source,
        name: &CStr,
        handler: impl FnOnce(PortIndex) -> Result<Arc<H>>,
    ) -> Result<Self> {
        let fixed = match source {
            Source::Virq(_) => Some(first_cpu()?),
            _ => None,
        };
        let open = OpenPort::from(source)?;
        let port = PortIndex::new(open.port()).ok_or(ENOSPC)?;
        let device = Arc::pin_init(DeviceEvents::new(), GFP_KERNEL)?;
        Self::bind(open, fixed, name, handler(port)?, device)
    }

    fn bind<H: EventHandler>(
        open: OpenPort,
        fixed: Option<CpuId>,
        name: &CStr,
        handler: Arc<H>,
        device: Arc<DeviceEvents>,
    ) -> Result<Self> {
        let service = service().ok_or(ENODEV)?;
        let count = Counted::new(service);
        // Memory that waits for a disk would keep the lock from whoever brings that disk back, or suspends the domain.
        let _no_io = NoIo::new();
        // CPUs that go look for ports to move under this lock: they find this one bound, or not at all.
        let _binding = BINDING.lock();
        if !open.is_of_this_domain() {
            return Err(ENODEV);
        }
        let mut bound = BoundSlot::new(service, open, fixed)?;
        let gate = Gate::new(bound.slot, service.ports(), device)?;
        let callback = Callback::new(Arc::new(Gated::new(handler, &gate), GFP_KERNEL)?);
        let irq = Irq::new(&CHIP, bound.slot)?;
        let published = Published(bound.slot);
        bound.slot.set_descriptor(Some(irq.descriptor()));
        let request = Request::with_callback(irq.number(), name, callback, false)?;
        bound.slot.set_irq(irq.number());
        bound.locked = false;
        Ok(Self {
            _published: published,
            _request: request,
            irq,
            gate,
            bound,
            _count: count,
        })
    }

    /// Whether there was work for the events since the last time, for which the handler has answered
    /// [`Handled::Later`](crate::Handled::Later). One caller at a time; any context, with preemption off; no hypercall.
    #[inline]
    pub fn judged(&self, work: bool) {
        self.gate.judged(work);
    }

    /// The port: what the peer is told.
    pub fn port(&self) -> Port {
        self.bound.open.port()
    }

    /// Linux's number of the interrupt.
    pub fn irq(&self) -> u32 {
        self.irq.number()
    }

    /// Sends an event to the other end. Any context; one hypercall.
    pub fn notify(&self) {
        // It fails only when the other end is gone, and then there is nobody to tell.
        let _ = Xen.evtchn_send(self.port());
    }

    /// Asks for no events for now. A handler that runs on another CPU may still be at it, and may be called once more.
    /// Any context; no hypercall.
    pub fn mask(&self) {
        let ports = self.bound.service.ports();
        self.bound.slot.mask(ports, MaskReason::Driver);
    }

    /// Asks for events again; one that came meanwhile is delivered. Any context; a hypercall only in that case.
    pub fn unmask(&self) {
        let ports = self.bound.service.ports();
        self.bound.slot.unmask(ports, MaskReason::Driver);
    }

    /// Lets `cpu` serve the channel, as a write to its smp_affinity does. Process context.
    ///
    /// # Errors
    /// `EINVAL` when the CPU is offline or the channel does not move, or what Xen said. With upcalls by PCI line one CPU
    /// serves all channels and this changes nothing.
    pub fn set_affinity(&self, cpu: CpuId) -> Result {
        self.irq.set_cpu(cpu)
    }

    /// The CPU that serves the channel now; `None` while it closes.
    pub fn cpu(&self) -> Option<CpuId> {
        match self.bound.slot.state().binding() {
            Binding::Bound(cpu) => CpuId::from_u32(cpu),
            _ => None,
        }
    }

    /// What the channel has seen so far.
    pub fn counters(&self) -> ChannelCounters {
        ChannelCounters {
            events: self.bound.slot.state().events(),
        }
    }
}

impl Drop for EventChannel {
    fn drop(&mut self) {
        let _binding = BINDING.lock();
        self.bound.slot.set_irq(0);
    }
}

/// The CPU that is vCPU 0.
fn first_cpu() -> Result<CpuId> {
    let cpu = service().and_then(|service| service.cpu_of(VcpuId(0)));
    cpu.ok_or(ENODEV)
}

/// The vCPU of a CPU that serves events.
fn vcpu_of(cpu: CpuId) -> Result<VcpuId> {
    let cpu = service().and_then(|service| service.cpu(cpu.as_u32()));
    let ready = cpu.filter(|cpu| cpu.is_ready());
    ready.and_then(|cpu| cpu.vcpu()).ok_or(ENODEV)
}

/// One of the channels that the service has.
struct Counted(&'static Service);

impl Counted {
    fn new(service: &'static Service) -> Self {
        service.count_channels(1);
        Self(service)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count_channels(-1);
    }
}

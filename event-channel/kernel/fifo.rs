// SPDX-License-Identifier: GPL-2.0-only
//! The pages of the FIFO ABI, in the window that hvmloader reserves for the guest's PV drivers.
//!
//! They are the domain's for good: Xen writes to them even when the module is gone. There is no RAM of Linux's at these
//! places, so nothing of Linux's can be harmed, and the module that is loaded next finds them there.

use crate::service::{Abi, Cpu, Service, BINDING};
use core::mem::size_of;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};
use event_channel::{ControlPage, Fifo, FifoState, PortIndex, VcpuInfo, FIFO_PAGES, FIFO_PORTS};
use kernel::error::code::{EBUSY, ENOSPC};
use kernel::prelude::*;
use linux::memremap::Mapping;
use xen_hypercall::{to_error, Xen};
use xen_sys::{Gfn, Port, VcpuId, XenError, PAGE_SIZE};

/// Behind shared_info.
const CONTROL: Gfn = Gfn(0xfe701);
/// Behind the grant table's frames.
const ARRAY: Gfn = Gfn(0xfe7d0);
const ARRAY_BYTES: usize = FIFO_PAGES as usize * PAGE_SIZE;

const _: () = assert!(ARRAY.0 + FIFO_PAGES as u64 <= 0xfe800);

/// The priority of ports that stay on their CPU: before those of devices, which have 7.
pub(crate) const FIXED_PRIORITY: u32 = 3;

/// The pages, mapped: with memory, as far as Xen knows them.
///
/// # Invariants
///
/// The first mapping covers the page at [`CONTROL`], the second one [`ARRAY_BYTES`] from [`ARRAY`] on.
pub(crate) struct FifoPages {
    control: Mapping,
    array: Mapping,
}

impl FifoPages {
    fn map() -> Result<Self> {
        // INVARIANT: So they are mapped.
        Ok(Self {
            control: Mapping::new(CONTROL.address(), PAGE_SIZE)?,
            array: Mapping::new(ARRAY.address(), ARRAY_BYTES)?,
        })
    }

    /// What Xen and the guest share in there.
    pub(crate) fn shared(&self) -> Fifo<'_> {
        const {
            assert!(size_of::<ControlPage>() == PAGE_SIZE);
            assert!(FIFO_PORTS as usize * size_of::<AtomicU32>() == ARRAY_BYTES);
        };
        // SAFETY: By the type invariant so much is mapped at these page-aligned addresses for as long as `self` lives.
        // Both consist of atomics, for which every content is valid and may change at any time; where there is no
        // memory, reads give all ones and writes are lost.
        let (control, words) = unsafe {
            let words = self.array.as_ptr().cast::<AtomicU32>().as_ptr();
            (
                self.control.as_ptr().cast::<ControlPage>().as_ref(),
                slice::from_raw_parts(words, FIFO_PORTS as usize),
            )
        };
        Fifo::new((control, CONTROL), (words, ARRAY))
    }
}

/// Gives the domain the ABI that is wanted; `None` for the 2-level one. One that has the FIFO ABI keeps it.
///
/// # Errors
/// `EBUSY` when somebody else has made it so, `ENOMEM`, what Xen said; each with a message.
pub(crate) fn choose(wanted: Abi) -> Result<Option<FifoPages>> {
    if wanted == Abi::TwoLevel && !Fifo::is_on(&Xen) {
        return Ok(None);
    }
    let pages = FifoPages::map()?;
    let fifo = pages.shared();
    match fifo.state(&Xen) {
        FifoState::Off => fifo.turn_on(&Xen).map_err(|error| {
            pr_err!(
                "events=fifo: Xen cannot do it ({}): use events=2level\n",
                format_args!("{error}")
            );
            to_error(error)
        })?,
        FifoState::Ours => {
            if wanted == Abi::TwoLevel {
                pr_info!("this guest has FIFO event channels until it is started anew\n");
            }
            fifo.take_over();
        }
        FifoState::Foreign => {
            pr_err!("another driver has given this guest FIFO event channels, which Xen does not take back: start it anew\n");
            return Err(EBUSY);
        }
    }
    Ok(Some(pages))
}

impl Service {
    /// The FIFO ABI's pages, if the domain has it.
    pub(crate) fn fifo(&self) -> Option<Fifo<'_>> {
        self.shared.fifo()
    }

    /// The place of `port`, with room made for it. With [`BINDING`] held.
    ///
    /// # Errors
    /// `ENOSPC` when the ABI has none, `ENOMEM`, what Xen said; each with a message.
    pub(crate) fn place_of(&self, port: Port) -> Result<PortIndex> {
        let ports = self.ports();
        let index = ports.index(port).ok_or_else(|| {
            let (port, limit) = (port.0, ports.limit());
            match self.fifo() {
                None => pr_err!("event channel port {port} is past the {limit} of the 2-level ABI: use events=fifo, or fewer devices or queues\n"),
                Some(_) => pr_err!("event channel port {port} is past the {limit} that there may be: use fewer devices or queues\n"),
            }
            ENOSPC
        })?;
        if let Some(fifo) = self.fifo() {
            fifo.make_room(&Xen, port).map_err(|error| {
                pr_err!(
                    "no room for event channel port {}: {}\n",
                    port.0,
                    format_args!("{error}")
                );
                to_error(error)
            })?;
        }
        Ok(index)
    }

    /// Lets Xen tell `vcpu` of events, of which it has been told of none. No upcall of it runs.
    pub(crate) fn prepare(&self, cpu: &Cpu, vcpu: VcpuId, info: VcpuInfo<'_>) -> Result {
        let _binding = BINDING.lock();
        cpu.gone.store(false, Ordering::Relaxed);
        if let Some(fifo) = self.fifo() {
            fifo.register(&Xen, vcpu).map_err(to_error)?;
        }
        info.reset();
        // After the flag: what Xen links from here on, it announces. The look that follows finds what is taken here.
        cpu.events.drain(info, self.ports(), |_| {});
        Ok(())
    }

    /// `cpu` takes no upcall any more.
    pub(crate) fn end_upcalls(&self, cpu: &Cpu) {
        let _binding = BINDING.lock();
        cpu.gone.store(true, Ordering::Relaxed);
        self.empty_queues(cpu);
    }

    /// Looks after the CPUs that have gone, some time after their ports have moved: a send that was held up on the way
    /// may have put one into the queue of the CPU that it has left.
    pub(crate) fn look_after_gone(&self) {
        if self.fifo().is_none() {
            return;
        }
        let _binding = BINDING.lock();
        let gone = |cpu: &&Cpu| cpu.gone.load(Ordering::Relaxed);
        self.cpus()
            .iter()
            .filter(gone)
            .for_each(|cpu| self.empty_queues(cpu));
    }

    /// Ports that have moved may still be in a queue of the CPU that they have left. With [`BINDING`] held.
    fn empty_queues(&self, cpu: &Cpu) {
        let Some(info) = cpu.vcpu().and_then(|vcpu| self.shared.vcpu(vcpu)) else {
            return;
        };
        let ports = self.ports();
        cpu.events.drain(info, ports, |port| {
            if let Some(slot) = self.slots().get(port).filter(|slot| !slot.is_fixed()) {
                slot.raise_again(ports);
            }
        });
    }

    /// The guest goes on in a new domain, if it does: gives that one the FIFO ABI, if the old one had it. For after a
    /// suspend, when shared_info is in its place again and before any upcall; no other vCPU is at work. Does not wait and
    /// allocates nothing.
    ///
    /// # Errors
    /// What Xen said; no event comes then.
    pub(crate) fn renew_fifo(&self) -> core::result::Result<(), XenError> {
        let Some(fifo) = self.fifo() else {
            return Ok(());
        };
        if fifo.renew(&Xen)? {
            for cpu in self.cpus() {
                if let Some(info) = cpu.vcpu().and_then(|vcpu| self.shared.vcpu(vcpu)) {
                    // Where the walks of the old domain's queues had come to.
                    cpu.events.drain(info, self.ports(), |_| {});
                }
            }
        }
        Ok(())
    }
}

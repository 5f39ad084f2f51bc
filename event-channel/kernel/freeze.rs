// SPDX-License-Identifier: GPL-2.0-only
//! The event channels over a suspend, after which the guest may find itself in another domain.

use crate::service::{service, Service, Vectors, BINDING};
use crate::shared_info::WINDOW;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering};
use event_channel::Upcalls;
use kernel::error::code::ENODEV;
use kernel::{prelude::*, sync::GlobalGuard};
use linux::stop::Stoppable;
use xen_hypercall::Xen;
use xen_sys::XenError;

/// How many domains the guest has been in: ports of another one are nobody's to close.
static DOMAIN: AtomicU32 = AtomicU32::new(0);

/// The number of the domain that the guest is in, among those it has been in.
pub(crate) fn domain() -> u32 {
    DOMAIN.load(Ordering::Relaxed)
}

/// As long as this lives no channel is bound or moved, and no CPU comes or goes.
pub struct Frozen<'a> {
    vectors: GlobalGuard<BINDING>,
    service: &'static Service,
    _cpus: PhantomData<&'a Stoppable>,
}

/// Brings all of that to rest. Waits for those who bind channels: they may allocate, so they must have been stopped when
/// disks do not work. CPUs that come or go, which take the same lock, are at rest already.
///
/// # Errors
/// `ENODEV` when the event channels are not in operation.
pub fn freeze(_cpus: &Stoppable) -> Result<Frozen<'_>> {
    Ok(Frozen {
        service: service().ok_or(ENODEV)?,
        vectors: BINDING.lock(),
        _cpus: PhantomData,
    })
}

impl Frozen<'_> {
    /// What [`Remake::remake`] needs, for another thread to have.
    pub fn parts(&self) -> Remake<'_> {
        Remake {
            vectors: &self.vectors,
            service: self.service,
        }
    }
}

/// The right to make the event channels anew.
pub struct Remake<'a> {
    vectors: &'a Vectors,
    service: &'static Service,
}

impl Remake<'_> {
    /// The guest goes on in a new domain: makes upcalls work there, and all channels dead. With all other vCPUs at rest.
    ///
    /// # Errors
    /// What Xen said; no event comes then.
    pub fn remake(&self) -> core::result::Result<(), XenError> {
        let service = self.service;
        DOMAIN.fetch_add(1, Ordering::Relaxed);
        let vcpus = service.cpus().iter().filter(|cpu| cpu.is_ready());
        let vcpus = vcpus.filter_map(|cpu| {
            cpu.guard.resume();
            let vcpu = cpu.vcpu()?;
            let vector = self.vectors.get(cpu.number.as_u32() as usize)?;
            Some(Upcalls {
                vcpu,
                info: service.shared.vcpu(vcpu)?,
                vector: vector.as_ref().map(|vector| vector.number()),
            })
        });
        let (ports, callback) = (service.ports(), service.callback());
        let remade = service
            .renew_fifo()
            .and_then(|()| event_channel::remake(&Xen, WINDOW, ports, vcpus, callback));
        // After the bits are the new domain's, of which this masks some more.
        for slot in service.slots().iter() {
            slot.begin_close(service);
        }
        remade
    }
}

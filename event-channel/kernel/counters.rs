// SPDX-License-Identifier: GPL-2.0-only
//! What the upcalls and the ports have done, for people and tests.

use crate::service::{service, Service};
use crate::user;
use core::fmt;
use event_channel::Binding;

/// Prints the counters of this moment, a `name value` line each: the open channels, those of them
/// that processes have, and the pages of the FIFO ABI's event array, 0 with the 2-level one; for each CPU that has been online
/// Xen's number of it, the ports that it serves, its upcalls, those of them that found nothing, its events, the upcalls that
/// were put off, the pauses in storms, and the links in its queues that led nowhere; for each bound port its CPU and its events.
#[derive(Clone, Copy, Debug)]
pub struct Counters;

/// The counters of this moment.
pub fn counters() -> Counters {
    Counters
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(service) = service() else {
            return Ok(());
        };
        writeln!(f, "channels {}", service.channels())?;
        writeln!(f, "user_ports {}", user::open_ports())?;
        let pages = service.fifo().map_or(0, |fifo| fifo.pages());
        writeln!(f, "fifo_pages {pages}")?;
        cpus(service, f)?;
        ports(service, f)
    }
}

fn cpus(service: &Service, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for cpu in service.cpus() {
        let Some(vcpu) = cpu.vcpu() else { continue };
        let (number, upcalls) = (cpu.number.as_u32(), cpu.events.counters());
        writeln!(f, "cpu{number}_vcpu {}", vcpu.0)?;
        writeln!(f, "cpu{number}_ports {}", cpu.events.load())?;
        writeln!(f, "cpu{number}_upcalls {}", upcalls.upcalls)?;
        writeln!(f, "cpu{number}_spurious {}", upcalls.spurious)?;
        writeln!(f, "cpu{number}_events {}", upcalls.events)?;
        writeln!(f, "cpu{number}_postponed {}", upcalls.postponed)?;
        writeln!(f, "cpu{number}_pauses {}", cpu.guard.pauses())?;
        writeln!(f, "cpu{number}_strays {}", upcalls.strays)?;
    }
    Ok(())
}

fn ports(service: &Service, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for slot in service.slots().iter() {
        let Binding::Bound(cpu) = slot.state().binding() else {
            continue;
        };
        let port = slot.port().port().0;
        writeln!(f, "port{port}_cpu {cpu}")?;
        writeln!(f, "port{port}_events {}", slot.state().events())?;
    }
    Ok(())
}

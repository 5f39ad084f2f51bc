// SPDX-License-Identifier: GPL-2.0-only
//! What the upcalls and the ports have done, for people and tests.

use crate::service::{service, Service};
use crate::user;
use core::fmt;
use event_channel::Binding;

/// Prints the counters of this moment, a `name value` line each: the open channels, and those of them
/// that processes have; for each CPU that has been online
/// Xen's number of it, the ports that it serves, its upcalls, those of them that found nothing, its events, the upcalls that
/// were put off and the pauses in storms; for each bound port its CPU and its events.
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

// SPDX-License-Identifier: GPL-2.0-only
//! xen-selftest.ko: what only code in the guest's kernel can test of the services. Built on demand (`make
//! XENPV_SELFTEST=1`), never installed.
//!
//! Inserting it runs the cases and prints one `name ok` or `name FAILED` line for each. The insertion succeeds when all
//! have passed and fails with EINVAL otherwise. `room=` runs the cases of one room only: 1 the grant table, 2 event
//! channels, 3 xenstore, 4 hypercalls, 5 a xenstored gone mad (after which
//! there is no connection any more), 6 the clock. With another parameter it does that one thing instead:
//!
//! - `leave=1` grants a page, lets it seem to be mapped by the peer, ends it, and prints `left reference N`.
//! - `release=N` lets the peer seem to unmap the page of reference N.
//! - `ports=N` opens N ports and then tries channels with higher numbers; see [`events::past`].
//! - `debug=1` binds VIRQ_DEBUG on each CPU until the module is removed; /proc/interrupts has `selftest-debug`.
//! - `driver=1` registers a driver for devices of type `xtest` until the module is removed; see [`device`].
//! - `rtnl=1` holds RTNL, the lock of Linux's network configuration, until the module is removed.

mod clock;
mod device;
mod events;
mod flood;
mod grants;
mod hypercalls;
mod rtnl;
mod store;

use kernel::prelude::*;

module! {
    type: SelfTest,
    name: "xen_selftest",
    authors: ["The xenpv authors"],
    description: "Tests of xen-platform-pci's services that only run in a kernel",
    license: "GPL",
    params: {
        room: u32 {
            default: 0,
            description: "Whose cases run: 0 all, 1 grant table, 2 event channels, 3 xenstore, 4 hypercalls, 5 a mad xenstored, 6 the clock",
        },
        leave: u32 {
            default: 0,
            description: "1: leave a page behind that seems to be mapped",
        },
        release: u32 {
            default: 0,
            description: "Reference of a page that seems to be mapped, to be unmapped",
        },
        driver: u32 {
            default: 0,
            description: "1: register a driver for devices of type xtest",
        },
        ports: u32 {
            default: 0,
            description: "Ports to open before channels that are to be tried",
        },
        debug: u32 {
            default: 0,
            description: "1: bind VIRQ_DEBUG on each CPU",
        },
        rtnl: u32 {
            default: 0,
            description: "1: hold RTNL",
        },
    },
}

/// What stays until the module is removed.
struct SelfTest {
    _driver: Option<xen_bus::DriverRegistration>,
    _debug: KVec<xen_events::EventChannel>,
    _rtnl: Option<rtnl::Holder>,
}

/// A test: its name, and what it found.
type Case = (&'static str, fn() -> Result<(), Failure>);

impl kernel::Module for SelfTest {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let release = module_parameters::release.value();
        let ports = module_parameters::ports.value();
        let (mut driver, mut debug, mut rtnl) = (None, KVec::new(), None);
        if module_parameters::leave.value() != 0 {
            run(&[&[("leave", grants::leave)]])
        } else if release != 0 {
            grants::release(release)
        } else if module_parameters::driver.value() != 0 {
            device::register(module).map(|registration| driver = Some(registration))
        } else if ports != 0 {
            match events::past(ports) {
                Ok(()) => Ok(()),
                Err(failure) => {
                    let Failure { what, line } = failure;
                    pr_err!("channels past {ports} ports FAILED: {what} (line {line})\n");
                    Err(EINVAL)
                }
            }
        } else if module_parameters::debug.value() != 0 {
            events::debug_virqs().map(|channels| debug = channels)
        } else if module_parameters::rtnl.value() != 0 {
            rtnl::Holder::new().map(|holder| rtnl = Some(holder))
        } else {
            rooms(module_parameters::room.value()).and_then(run)
        }?;
        Ok(Self {
            _driver: driver,
            _debug: debug,
            _rtnl: rtnl,
        })
    }
}

/// The cases of each room, in the order of their numbers.
const ROOMS: &[&[Case]] = &[
    grants::CASES,
    events::CASES,
    store::CASES,
    hypercalls::CASES,
    store::LAST,
    clock::CASES,
];

/// The rooms that number `room` selects.
fn rooms(room: u32) -> Result<&'static [&'static [Case]]> {
    match room.checked_sub(1).map(|index| index as usize) {
        None => Ok(ROOMS),
        Some(index) => ROOMS.get(index..index.saturating_add(1)).ok_or(EINVAL),
    }
}

/// Runs cases and says how each went.
fn run(rooms: &[&[Case]]) -> Result {
    let mut failed = false;
    for (name, case) in rooms.iter().copied().flatten() {
        match case() {
            Ok(()) => pr_info!("{name} ok\n"),
            Err(failure) => {
                failed = true;
                pr_err!("{name} FAILED: {} (line {})\n", failure.what, failure.line);
            }
        }
    }
    if failed {
        return Err(EINVAL);
    }
    Ok(())
}

/// Why a case failed.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    line: u32,
}

impl Failure {
    #[track_caller]
    fn new(what: &'static str) -> Self {
        let line = core::panic::Location::caller().line();
        Self { what, line }
    }
}

/// Fails with `what` unless `holds`.
#[track_caller]
fn ensure(holds: bool, what: &'static str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(what))
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! xen-platform-pci.ko: makes an HVM guest's stock kernel a good neighbour on Xen.
//!
//! The module finds Xen and its platform device, refuses where it must not run, and brings up the services on which the
//! frontends stand, each an owned guard:
//!
//! 1. the platform device ([`linux::pci`]), so that nobody else drives it,
//! 2. hypercalls ([`xen_hypercall`]), and with them the report of a panic ([`crash`]),
//! 3. event channels ([`xen_events`]),
//! 4. Xen's clock ([`xen_clock`]),
//! 5. the grant table ([`xen_grants`]),
//! 6. xenstore and the bus with the devices ([`xen_bus`]),
//! 7. what suspends the domain ([`suspend`]),
//! 8. the toolstack's requests to the guest ([`control`]),
//! 9. the report for tests ([`report`]) and /sys/hypervisor ([`hypervisor`]),
//! 10. what closes the devices for another kernel ([`kexec`]),
//! 11. event channels, grants and the store for processes: /dev/xen/evtchn, gntalloc, gntdev and xenbus.
//!
//! Unloading, and every failure on the way up, drops what there is in reverse. The frontends refer to symbols of this
//! module, so none of them is loaded any more when that happens.

mod control;
mod crash;
mod hypervisor;
mod kexec;
mod params;
mod report;
mod surroundings;
mod suspend;
mod unplug;

use kernel::prelude::*;
use linux::panic::PanicHook;
use linux::pci::PlatformDevice;
use linux::power::KexecHook;
use params::Parameters;

module! {
    type: Platform,
    name: "xen-platform-pci",
    authors: ["The xenpv authors"],
    description: "Xen platform device: event channels, grant table, xenstore and xenbus for HVM guests",
    license: "GPL",
}

/// Everything that is up. Fields are dropped in this order, the reverse of the way up.
struct Platform {
    _store: Option<xen_bus::StoreDevice>,
    _grant_files: Option<xen_grant_files::GrantDevices>,
    _ports: Option<xen_events::EventDevice>,
    _kexec: KexecHook,
    _hypervisor: Option<hypervisor::Shown>,
    _report: report::Report,
    _control: control::Control,
    _suspends: suspend::Suspends,
    bus: xen_bus::Bus,
    _grants: xen_grants::Grants,
    _clock: Option<xen_clock::XenClock>,
    _events: xen_events::Events,
    _panic: PanicHook,
    _hypercalls: Hypercalls,
    _device: PlatformDevice,
}

impl kernel::Module for Platform {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let parameters = Parameters::read()?;
        surroundings::check_builtin()?;
        let hypercalls = Hypercalls::start(parameters.hypercall)?;
        let device = surroundings::claim_device()?;
        let device_model = unplug::introduce()?;
        let panic = crash::report()?;
        let intx = device.intx();
        let events = xen_events::start(parameters.upcall, intx, parameters.events);
        let events = step("event channels", events)?;
        let clock = step("clock", xen_clock::start())?;
        let grants = xen_grants::start(parameters.grant_version, parameters.grant_quota);
        let grants = step("grant table", grants)?;
        // As late as may be: from here on nothing is expected to fail. Before the bus, for the devices' paravirtual twins.
        device_model.unplug(parameters.unplug)?;
        let bus = step("xenstore and bus", xen_bus::start())?;
        // SAFETY: This function runs once.
        let suspends = unsafe { suspend::Suspends::start() };
        let control = control::Control::start()?;
        let report = report::publish()?;
        let hypervisor = step("/sys/hypervisor", hypervisor::show()).ok();
        let kexec = step("kexec", kexec::follow())?;
        // Processes may have these open at once, and then nothing may fail any more: the guest goes on without them.
        let ports = step("/dev/xen/evtchn", xen_events::EventDevice::show()).ok();
        let grant_files = xen_grant_files::GrantDevices::show(parameters.grant_limits);
        let grant_files = step("/dev/xen/gntalloc and gntdev", grant_files).ok();
        let store = step("/dev/xen/xenbus", xen_bus::StoreDevice::show()).ok();
        Ok(Self {
            _store: store,
            _grant_files: grant_files,
            _ports: ports,
            _kexec: kexec,
            _hypervisor: hypervisor,
            _report: report,
            _control: control,
            _suspends: suspends,
            bus,
            _grants: grants,
            _clock: clock,
            _events: events,
            _panic: panic,
            _hypercalls: hypercalls,
            _device: device,
        })
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.bus.leave();
    }
}

/// Says which step of the way up failed.
fn step<T>(name: &str, result: Result<T>) -> Result<T> {
    result.inspect_err(|error| pr_err!("{name}: cannot be set up ({error:?})\n"))
}

/// Hypercalls are possible as long as this lives.
struct Hypercalls;

impl Hypercalls {
    fn start(mode: xen_hypercall::Mode) -> Result<Self> {
        let result = xen_hypercall::init(mode);
        xen_hypercall::log(&result);
        result?;
        Ok(Self)
    }
}

impl Drop for Hypercalls {
    fn drop(&mut self) {
        xen_hypercall::teardown();
    }
}

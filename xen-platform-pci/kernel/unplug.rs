// SPDX-License-Identifier: GPL-2.0-only
//! Telling the device model who we are, and having it take emulated devices away; see [`platform_core::unplug`].

use core::sync::atomic::{AtomicU16, Ordering};
use kernel::error::code::{EBUSY, EOPNOTSUPP, EPERM};
use kernel::prelude::*;
use linux::emulated::{rescan, Emulated, What};
use linux::ioport;
use platform_core::unplug::{self, AtaPlace, Classes, Kind, NoProtocol, Ports, Protocol};

/// What was unplugged, for [`again`].
static UNPLUGGED: AtomicU16 = AtomicU16::new(0);

/// What the parameters ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// `unplug=`
    pub(crate) classes: Classes,
    /// `unplug_force=`
    pub(crate) force: bool,
}

/// The device model, as it answered.
pub(crate) struct DeviceModel(core::result::Result<Protocol, NoProtocol>);

/// The ports of a Xen guest with a platform device.
struct Device(());

impl Device {
    /// # Safety
    /// This is a Xen guest with a platform device: the ports that [`unplug`] uses are those of the protocol or, without
    /// it, not decoded.
    unsafe fn new() -> Self {
        Self(())
    }
}

impl Ports for Device {
    fn read8(&mut self, port: u16) -> u8 {
        // SAFETY: By the contract of `new`; a read changes nothing.
        unsafe { ioport::read8(port) }
    }

    fn read16(&mut self, port: u16) -> u16 {
        // SAFETY: As in `read8`.
        unsafe { ioport::read16(port) }
    }

    fn write8(&mut self, port: u16, value: u8) {
        // SAFETY: By the contract of `new`; the protocol's log takes any byte.
        unsafe { ioport::write8(port, value) };
    }

    fn write16(&mut self, port: u16, value: u16) {
        // SAFETY: By the contract of `new`; what is unplugged is not in use any more, or the administrator has said to do
        // it all the same.
        unsafe { ioport::write16(port, value) };
    }

    fn write32(&mut self, port: u16, value: u32) {
        // SAFETY: By the contract of `new`; the build number changes nothing but the answer at the first port.
        unsafe { ioport::write32(port, value) };
    }
}

/// The ports.
fn ports() -> Device {
    // SAFETY: The module claims the platform device of a Xen guest before it comes here.
    unsafe { Device::new() }
}

/// Tells product and build, where the device model wants to know them. With the platform device claimed.
///
/// # Errors
/// `EPERM` when they are blacklisted.
pub(crate) fn introduce() -> Result<DeviceModel> {
    let greeted = unplug::greet(&mut ports());
    if greeted == Err(NoProtocol::Blacklisted) {
        pr_err!(
            "the host blacklists this driver (product {}, build {}): remove it from the host's /mh/driver-blacklist, or use the emulated devices\n",
            unplug::PRODUCT,
            unplug::BUILD
        );
        return Err(EPERM);
    }
    Ok(DeviceModel(greeted))
}

impl DeviceModel {
    /// Takes what is wanted out of Linux, then has the device model take it away.
    ///
    /// # Errors
    /// `EBUSY` when a disk that would go is in use, `EOPNOTSUPP` when the device model cannot do it, each with a line;
    /// `ENOMEM`. Nothing has gone then.
    pub(crate) fn unplug(&self, wanted: Wanted) -> Result {
        if wanted.classes.is_empty() {
            return Ok(());
        }
        let protocol = self.0.map_err(|why| {
            pr_err!(
                "unplug=: the device model cannot do it ({}); load without unplug=\n",
                match why {
                    NoProtocol::Absent => "it does not know the unplug protocol",
                    NoProtocol::Version(_) => "it speaks an unknown version of the unplug protocol",
                    NoProtocol::Blacklisted => "it refuses this driver",
                }
            );
            EOPNOTSUPP
        })?;
        let devices = Emulated::find()?;
        check_unused(&devices, wanted)?;
        let classes = wanted.classes;
        protocol.log(&mut ports(), "xenpv: unplugging emulated devices");
        let stays = |device: &&Emulated| !goes_whole(device, classes);
        devices.iter().filter(stays).for_each(Emulated::save);
        for device in devices.iter().filter(|device| goes(device, classes)) {
            pr_info!("unplugging {}\n", device.name());
            device.take_out();
        }
        UNPLUGGED.store(classes.bits(), Ordering::Relaxed);
        protocol.unplug(&mut ports(), classes);
        devices.iter().filter(stays).for_each(Emulated::restore);
        // What was passed through to the guest looks like emulated devices, and has stayed.
        rescan();
        Ok(())
    }
}

/// The guest goes on in a new domain, whose device model has not met us, and has emulated devices again that Linux knows
/// nothing of. What goes wrong is said; the guest goes on with what it has.
pub(crate) fn again() {
    let classes = Classes::from_bits_truncate(UNPLUGGED.load(Ordering::Relaxed));
    let protocol = match (unplug::greet(&mut ports()), classes.is_empty()) {
        (Ok(protocol), false) => protocol,
        (Err(NoProtocol::Blacklisted), _) => {
            pr_err!("the new host blacklists this driver, which is in use and stays: remove it from the host's /mh/driver-blacklist\n");
            return;
        }
        (Err(_), false) => {
            pr_err!("the new device model knows no way to unplug: there are emulated devices that Linux does not know\n");
            return;
        }
        (_, true) => return,
    };
    // The controllers that stay, by the search at the start: what they have lost now is given back.
    let devices = match Emulated::find() {
        Ok(devices) => devices,
        Err(error) => {
            pr_err!("emulated devices are not unplugged again ({error:?})\n");
            return;
        }
    };
    let stays = |device: &&Emulated| !goes_whole(device, classes);
    devices.iter().filter(stays).for_each(Emulated::save);
    protocol.log(&mut ports(), "xenpv: unplugging emulated devices again");
    protocol.unplug(&mut ports(), classes);
    devices.iter().filter(stays).for_each(Emulated::restore);
}

/// Refuses when a disk that would go is in use.
fn check_unused(devices: &[Emulated], wanted: Wanted) -> Result {
    for device in devices {
        let What::Disk { openers, .. } = device.what() else {
            continue;
        };
        if openers == 0 || !vanishes(device, wanted.classes) {
            continue;
        }
        if !wanted.force {
            pr_err!(
                "unplug= would take the disk {} away, which is in use: use its paravirtual twin instead, or unplug_force=1\n",
                device.name()
            );
            return Err(EBUSY);
        }
        pr_warn!(
            "the disk {} is in use and goes all the same: unplug_force=1\n",
            device.name()
        );
    }
    Ok(())
}

/// Whether the device model takes `device` away, by itself or with its controller.
fn vanishes(device: &Emulated, classes: Classes) -> bool {
    let Some(kind) = Kind::of_class(device.class()) else {
        return false;
    };
    match device.what() {
        What::Function => kind.goes_whole() && classes.take(kind, None),
        What::Disk { cdrom: true, .. } => false,
        What::Disk { place, .. } => {
            let place = place.map(|(port, device)| AtaPlace { port, device });
            classes.take(kind, place)
        }
    }
}

/// Whether `device` is a function that goes.
fn goes_whole(device: &Emulated, classes: Classes) -> bool {
    device.what() == What::Function && vanishes(device, classes)
}

/// Whether `device` is to be taken out by itself: a disk whose controller goes, goes with it.
fn goes(device: &Emulated, classes: Classes) -> bool {
    let with_controller = Kind::of_class(device.class()).is_some_and(Kind::goes_whole);
    vanishes(device, classes) && (device.what() == What::Function || !with_controller)
}

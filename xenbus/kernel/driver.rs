// SPDX-License-Identifier: GPL-2.0-only
//! What a driver of Xen devices is.

use crate::device::Device;
use crate::service::shared;
use crate::DeviceRef;
use core::sync::atomic::Ordering;
use kernel::{prelude::*, sync::Arc};
use linux::thread::{now_ms, NoIo, Sleep};
use xen_sys::XenbusState;

/// How long a registration waits for the devices there are, in milliseconds.
const SETTLE_LIMIT: u64 = 10_000;

/// One device in the hands of its driver. Calls come in process context, one at a time for each device, mostly from the
/// thread that brings disks back: they must not wait for a lock whose holder may wait for a disk, such as RTNL.
pub trait Frontend: Send + Sync + 'static {
    /// The backend is ready: make rings, ports and grants and write their nodes, in a transaction. The state to announce
    /// is [`XenbusState::Initialised`] when the driver waits for the backend's properties, else
    /// [`XenbusState::Connected`].
    ///
    /// # Errors
    /// Why not; [`Frontend::closing`] follows, and another attempt later.
    fn publish(&self, device: &Device) -> Result<XenbusState>;

    /// The backend is connected: read its properties and go live.
    ///
    /// # Errors
    /// Why not; [`Frontend::closing`] follows, and another attempt later.
    fn connect(&self, device: &Device) -> Result;

    /// The backend announced itself anew: read its properties again.
    fn changed(&self, device: &Device);

    /// Stop; end pending work with errors; drop rings, ports and grants. Called after every [`Frontend::publish`], well
    /// ended or not, before the next one. Must not wait for the backend without a limit.
    fn closing(&self, device: &Device);

    /// The domain is about to be suspended: use rings, ports and grants no more, but keep them. Must not ask the store,
    /// nor wait for the backend.
    fn suspend(&self, device: &Device);

    /// The domain was not suspended after all: go on with all that there is.
    fn resume(&self, device: &Device);

    /// The domain was suspended and goes on as another one: rings, ports and grants are lost, the backend is another one.
    /// Drop what is left of them; pending work waits for the next [`Frontend::publish`]. Must not ask the store.
    fn lost(&self, device: &Device);

    /// The device is gone for good; the last call, and after [`Frontend::closing`] if there was something to close. What
    /// is shown below it in sysfs has a [`Stay`](crate::Stay), or goes now.
    fn removed(&self, device: &Device);
}

/// A driver for one type of devices.
pub trait Driver: 'static {
    /// The type of devices, such as `c"vbd"`.
    const DEVTYPE: &'static CStr;
    /// The driver's name in sysfs.
    const NAME: &'static CStr;
    /// What the driver makes of a device.
    type Frontend: Frontend;

    /// Takes a device. Only what the driver needs before there is a backend; no waiting.
    ///
    /// # Errors
    /// Why it does not take this one; `ENODEV` when it is not for this driver.
    fn probe(device: &DeviceRef) -> Result<Arc<Self::Frontend>>;
}

/// A [`Driver`] without its type.
pub struct Vtable {
    pub(crate) probe: fn(&DeviceRef) -> Result<Arc<dyn Frontend>>,
}

struct Erased<D>(core::marker::PhantomData<D>);

impl<D: Driver> Erased<D> {
    const VTABLE: Vtable = Vtable {
        probe: |device| {
            let frontend: Arc<dyn Frontend> = D::probe(device)?;
            Ok(frontend)
        },
    };
}

/// A registered driver. Dropping it closes all its devices, each left ready for another driver, and waits for that, ten
/// seconds at most for a backend that does not follow.
pub struct DriverRegistration {
    driver: Option<linux::bus::Driver<Device>>,
    vtable: &'static Vtable,
}

/// Registers a driver. Devices of its type that are there are taken at once; this waits up to ten seconds for them to
/// work, so that what a script does next finds its disk or interface.
///
/// # Errors
/// `EBUSY` when there is a driver of this name, `ENOMEM`.
pub fn register_driver<D: Driver>(module: &'static ThisModule) -> Result<DriverRegistration> {
    register(D::NAME, D::DEVTYPE, module, &Erased::<D>::VTABLE)
}

fn register(
    name: &'static CStr,
    devtype: &'static CStr,
    module: &'static ThisModule,
    vtable: &'static Vtable,
) -> Result<DriverRegistration> {
    // The worker waits for the locks that are held in here.
    let _no_io = NoIo::new();
    let registration = DriverRegistration {
        driver: Some(linux::bus::Driver::register(name, devtype, module, vtable)?),
        vtable,
    };
    settle(devtype);
    Ok(registration)
}

/// Waits until the devices of a type, those of which the store knows now, work or have failed.
fn settle(devtype: &CStr) {
    let Ok(shared) = shared() else {
        return;
    };
    let deadline = now_ms().saturating_add(SETTLE_LIMIT);
    let rest = || Some(deadline.saturating_sub(now_ms()));
    // A fatal signal ends these waits; the driver is registered all the same.
    let scanned = shared.changed.wait(Sleep::Killable, rest(), || {
        shared.scanned.load(Ordering::Acquire)
    });
    let devices = shared.snapshot().unwrap_or_else(|_| KVec::new());
    if scanned != Ok(true) {
        return;
    }
    for device in devices.iter().filter(|device| device.devtype() == devtype) {
        let settled = || !device.connecting.load(Ordering::Acquire);
        if device.moved.wait(Sleep::Killable, rest(), settled).is_err() {
            return;
        }
    }
}

impl Drop for DriverRegistration {
    fn drop(&mut self) {
        // As in `register`.
        let _no_io = NoIo::new();
        // All devices at once, so that silent backends cost their time only once.
        if let Ok(devices) = shared().and_then(|shared| shared.snapshot()) {
            devices
                .iter()
                .for_each(|device| device.begin_unbind(self.vtable));
        }
        self.driver = None;
    }
}

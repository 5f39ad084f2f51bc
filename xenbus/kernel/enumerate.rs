// SPDX-License-Identifier: GPL-2.0-only
//! Which devices the store has, and which of them Linux knows.

use crate::device::{Device, Names};
use crate::service::Shared;
use crate::store::{self, Event, WatchHandler};
use crate::DeviceRef;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{prelude::*, sync::Arc};
use linux::bus::{Bus, BusDevice};
use xenbus::device::{Change, DeviceName, DEVICES_MAX, ROOT};

/// Keeps Linux's devices those of the store. Only the worker calls it.
pub(crate) struct Enumerator {
    shared: Arc<Shared>,
    bus: Arc<Bus<Device>>,
    /// The last look at all devices failed: another is due.
    again: AtomicBool,
}

impl WatchHandler for Enumerator {
    fn changed(&self, event: Event<'_>) {
        let change = match event {
            Event::Changed(path) => Change::at(path),
            Event::Rescan => Change::All,
        };
        let result = match change {
            Change::All => self.scan(),
            Change::Device(name) => self.check(&name),
            Change::Nothing => Ok(()),
        };
        self.note(result);
    }

    fn wants(&self, path: &[u8]) -> bool {
        Change::at(path) != Change::Nothing
    }
}

impl Enumerator {
    pub(crate) fn new(shared: Arc<Shared>, bus: Arc<Bus<Device>>) -> Result<Arc<Self>> {
        let again = AtomicBool::new(false);
        Ok(Arc::new(Self { shared, bus, again }, GFP_KERNEL)?)
    }

    /// Takes away what could not go before, and looks at all devices again if the last look failed. Returns whether another
    /// look is due.
    pub(crate) fn retry(&self) -> bool {
        while let Some(device) = self.next_leaver() {
            self.unregister(&device);
            // Another one may have its name by now.
            let result = device.names().map_or(Ok(()), |name| self.check(&name));
            self.note(result);
        }
        if self.again.swap(false, Ordering::Relaxed) {
            let result = self.scan();
            self.note(result);
        }
        self.again.load(Ordering::Relaxed)
    }

    /// A device that has vanished, and that nothing keeps any more.
    fn next_leaver(&self) -> Option<DeviceRef> {
        let devices = self.shared.devices.lock();
        let may_go =
            |device: &&DeviceRef| device.leaving.load(Ordering::Relaxed) && !device.is_kept();
        devices.iter().find(may_go).cloned()
    }

    fn note(&self, result: Result) {
        if let Err(error) = result {
            pr_debug!("the devices cannot be listed ({:?})\n", error);
            self.again.store(true, Ordering::Relaxed);
        }
    }

    /// Takes up every device that is new and drops every one that is gone.
    fn scan(&self) -> Result {
        let mut seen: KVec<DeviceRef> = KVec::new();
        for devtype in children(ROOT)?.iter() {
            for id in children(&store::join(&[ROOT, devtype])?)?.iter() {
                let Some(name) = DeviceName::new(devtype, id) else {
                    continue;
                };
                if let Some(device) = self.look(&name, true)? {
                    seen.push(device, GFP_KERNEL)?;
                }
            }
        }
        for device in self.shared.snapshot()?.iter() {
            if !seen.iter().any(|known| same(known, device)) {
                self.drop_device(device);
            }
        }
        self.shared.scanned.store(true, Ordering::Release);
        self.shared.changed.wake_all();
        Ok(())
    }

    /// Takes up or drops one device.
    fn check(&self, name: &DeviceName<'_>) -> Result {
        let node = store::join(&[ROOT, name.devtype, name.id])?;
        self.look(name, store::exists(&node)?).map(drop)
    }

    /// Makes the device of this name what the store says, and returns it if there is one.
    fn look(&self, name: &DeviceName<'_>, exists: bool) -> Result<Option<DeviceRef>> {
        let known = {
            let devices = self.shared.devices.lock();
            devices.iter().find(|device| device.is(name)).cloned()
        };
        match known {
            // What has its name now is looked for when it has gone.
            Some(device) if device.leaving.load(Ordering::Relaxed) => return Ok(None),
            Some(device) if exists && !device.is_replaced() => {
                device.begin();
                return Ok(Some(device));
            }
            Some(device) => {
                if !self.drop_device(&device) {
                    return Ok(None);
                }
            }
            None => {}
        }
        if exists {
            return self.add(name);
        }
        Ok(None)
    }

    fn add(&self, name: &DeviceName<'_>) -> Result<Option<DeviceRef>> {
        if self.shared.devices.lock().len() >= DEVICES_MAX {
            kernel::pr_err_once!(
                "more than {} devices in xenstore: the rest is left alone\n",
                DEVICES_MAX
            );
            return Ok(None);
        }
        let names = Names::new(name)?;
        let label = names.name()?;
        self.shared.devices.lock().reserve(1, GFP_KERNEL)?;
        let device = Device::new(self.shared.clone(), names);
        let device = match BusDevice::add(&self.bus, &label, device) {
            Ok(device) => device,
            Err(error) => {
                // It must not keep the others from being taken up.
                pr_warn!("{}: Linux does not take the device ({error:?})\n", &*label);
                return Ok(None);
            }
        };
        self.shared
            .devices
            .lock()
            .push(device.clone(), GFP_KERNEL)?;
        Ok(Some(device))
    }

    /// Takes away a device that has vanished from the store, or leaves that to [`Self::retry`] while something keeps it.
    /// Returns whether it is gone.
    fn drop_device(&self, device: &DeviceRef) -> bool {
        device.vanish();
        device.leaving.store(true, Ordering::Release);
        let may_go = !device.is_kept();
        if may_go {
            self.unregister(device);
        }
        may_go
    }

    fn unregister(&self, device: &DeviceRef) {
        self.shared
            .devices
            .lock()
            .retain(|known| !same(known, device));
        device.unregister();
    }
}

fn same(a: &DeviceRef, b: &DeviceRef) -> bool {
    core::ptr::eq::<BusDevice<Device>>(&**a, &**b)
}

/// A directory's children; none when there is no such directory.
fn children(path: &[u8]) -> Result<store::Listing> {
    match store::directory(path) {
        Err(error) if error == ENOENT => Ok(store::Listing::default()),
        result => result,
    }
}

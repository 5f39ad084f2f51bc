// SPDX-License-Identifier: GPL-2.0-only
//! A driver for devices of type `xtest`, whose backend is a script in dom0: shows how the bus calls a driver.
//!
//! Each call is counted in the device's `trace` node: `publish connect changed closing`, and logged. Nodes of the
//! backend make the driver misbehave: `break-protocol` = 1 reports a violation at the next announcement, `fail-publish`
//! and `fail-connect` = 1 let these fail.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use kernel::prelude::*;
use kernel::sync::Arc;
use xen_bus::{Device, DeviceRef, Driver, DriverRegistration, Frontend, XenbusState};

/// Registers the driver.
pub(crate) fn register(module: &'static ThisModule) -> Result<DriverRegistration> {
    xen_bus::register_driver::<TestDriver>(module)
}

struct TestDriver;

impl Driver for TestDriver {
    const DEVTYPE: &'static CStr = c"xtest";
    const NAME: &'static CStr = c"xtest";
    type Frontend = Tracing;

    fn probe(device: &DeviceRef) -> Result<Arc<Tracing>> {
        pr_info!("{}: probe\n", device.name());
        Ok(Arc::new(Tracing::default(), GFP_KERNEL)?)
    }
}

/// Counts its calls.
#[derive(Default)]
struct Tracing {
    published: AtomicU32,
    connected: AtomicU32,
    changed: AtomicU32,
    closed: AtomicU32,
}

impl Tracing {
    fn trace(&self, device: &Device, call: &str, counter: &AtomicU32) {
        counter.fetch_add(1, SeqCst);
        pr_info!("{}: {call}\n", device.name());
        let [published, connected, changed, closed] = [
            &self.published,
            &self.connected,
            &self.changed,
            &self.closed,
        ]
        .map(|counter| counter.load(SeqCst));
        let written = device.transaction(|store| {
            // Not into a device that is gone: it would come back.
            store.read(b"state")?;
            store.write(
                b"trace",
                format_args!("{published} {connected} {changed} {closed}"),
            )
        });
        if let Err(error) = written {
            pr_info!("{}: no trace written ({error:?})\n", device.name());
        }
    }
}

fn is_asked(device: &Device, key: &[u8]) -> bool {
    device.read_backend_u64(key) == Ok(Some(1))
}

impl Frontend for Tracing {
    fn publish(&self, device: &Device) -> Result<XenbusState> {
        self.trace(device, "publish", &self.published);
        if is_asked(device, b"fail-publish") {
            device.fail(ENOSPC, format_args!("asked to fail"));
            return Err(ENOSPC);
        }
        Ok(XenbusState::Initialised)
    }

    fn connect(&self, device: &Device) -> Result {
        self.trace(device, "connect", &self.connected);
        if is_asked(device, b"fail-connect") {
            return Err(ENOMEM);
        }
        Ok(())
    }

    fn changed(&self, device: &Device) {
        self.trace(device, "changed", &self.changed);
        if is_asked(device, b"break-protocol") {
            device.report_violation("asked to report one");
            device.report_violation("asked to report another");
        }
    }

    fn closing(&self, device: &Device) {
        self.trace(device, "closing", &self.closed);
    }

    fn suspend(&self, _device: &Device) {}

    fn resume(&self, _device: &Device) {}

    fn lost(&self, _device: &Device) {
        self.closed.fetch_add(1, SeqCst);
    }

    fn removed(&self, device: &Device) {
        pr_info!("{}: removed\n", device.name());
    }
}

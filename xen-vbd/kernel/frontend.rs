// SPDX-License-Identifier: GPL-2.0-only
//! What the bus calls.

use kernel::{
    prelude::*,
    sync::{global_lock, Arc},
};
use linux::workqueue::WorkQueue;
use vbd_core::{Family, Placement};
use xen_bus::{Device, DeviceRef, Driver, Frontend};
use xen_sys::XenbusState;

use crate::{attachment::Attachment, backend, params, places::Reserved, ring_page::Published};

global_lock! {
    // SAFETY: `Works::start` is called when the module is loaded, before there can be a device.
    unsafe(uninit) static WORKS: Mutex<Option<Arc<WorkQueue>>> = None;
}

/// The toolstack gives the device model the first disks too, whatever they are called.
const EMULATED_DISKS: u32 = 4;

/// The module's hold on its work queue; when it is dropped, no work is left.
pub(crate) struct Works;

impl Works {
    /// Offers the queue to every device.
    ///
    /// # Safety
    /// Once, before there is a device.
    pub(crate) unsafe fn start(queue: Arc<WorkQueue>) -> Self {
        // SAFETY: as the caller promises.
        unsafe { WORKS.init() };
        *WORKS.lock() = Some(queue);
        Self
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        let queue = WORKS.lock().take();
        drop(queue);
    }
}

/// The driver of the devices of type vbd.
pub(crate) struct VbdDriver;

impl Driver for VbdDriver {
    const DEVTYPE: &'static CStr = c"vbd";
    const NAME: &'static CStr = c"vbd";
    type Frontend = Vbd;

    fn probe(device: &DeviceRef) -> Result<Arc<Vbd>> {
        let placement = placement(device)?;
        if is_cdrom(device) {
            pr_info!(
                "{}: a CD-ROM is left to the emulated drive\n",
                device.name()
            );
            return Err(ENODEV);
        }
        let place = Reserved::new(placement).inspect_err(|_| {
            pr_err!(
                "{}: another vbd is {} already, or has its minor numbers: give each a name of its own\n",
                device.name(),
                placement.name.as_str()
            );
        })?;
        let works = WORKS.lock().clone().ok_or(ENODEV)?;
        let attachment = Attachment::new(device, placement, handle(device)?)?;
        Ok(Arc::new(
            Vbd {
                attachment,
                works,
                _place: place,
            },
            GFP_KERNEL,
        )?)
    }
}

/// The frontend of one device.
pub(crate) struct Vbd {
    attachment: Arc<Attachment>,
    works: Arc<WorkQueue>,
    _place: Reserved,
}

impl Frontend for Vbd {
    fn publish(&self, device: &Device) -> Result<XenbusState> {
        self.attachment
            .publish(|published| announce(device, published))?;
        Ok(XenbusState::Initialised)
    }

    fn connect(&self, device: &Device) -> Result {
        self.attachment
            .connect(&backend::properties(device)?, &self.works)
    }

    fn changed(&self, device: &Device) {
        self.attachment
            .resize(|logical_block| backend::capacity(device, logical_block));
    }

    fn closing(&self, device: &Device) {
        self.attachment
            .close(backend::is_online(device), &self.works);
    }

    fn suspend(&self, _device: &Device) {
        self.attachment.suspend();
    }

    fn resume(&self, _device: &Device) {
        self.attachment.resume();
    }

    fn lost(&self, _device: &Device) {
        self.attachment.lost(&self.works);
    }

    fn removed(&self, _device: &Device) {
        self.attachment.remove();
    }
}

/// Where the device's disk belongs. hd and sd disks have an emulated twin on the same image: with both in use the data
/// would be lost.
fn placement(device: &Device) -> Result<Placement> {
    let text = match device.read(b"virtual-device") {
        Err(ENOENT) => device.read(b"virtual-device-ext"),
        result => result,
    }?;
    let placement = vbd_core::parse_virtual_device(&text)
        .and_then(Placement::of)
        .map_err(|why| {
            pr_err!("{}: {}\n", device.name(), format_args!("{why}"));
            ENODEV
        })?;
    if placement.family != Family::Xvd {
        pr_info!(
            "{}: left to the emulated disk: name it xvd* in the guest's configuration\n",
            device.name()
        );
        return Err(ENODEV);
    }
    if placement.index < EMULATED_DISKS {
        pr_info!(
            "{}: {} may also be there as an emulated disk: never use both, or name it xvde or later\n",
            device.name(),
            placement.name.as_str()
        );
    }
    Ok(placement)
}

fn is_cdrom(device: &Device) -> bool {
    device
        .read(b"device-type")
        .is_ok_and(|kind| &*kind == b"cdrom")
}

/// The number that goes into every request: the device's own, of which the wire has room for 16 bits.
fn handle(device: &Device) -> Result<u16> {
    let id = device.id().to_str().map_err(|_| EINVAL)?;
    let number: u32 = id.parse().map_err(|_| EINVAL)?;
    Ok(number as u16)
}

/// Writes the ring's nodes.
fn announce(device: &Device, published: &Published) -> Result {
    let (gref, port) = (published.gref().0, published.port().0);
    let persistent = u8::from(params::persistent());
    device.transaction(|store| {
        store.write(b"ring-ref", format_args!("{gref}"))?;
        store.write(b"event-channel", format_args!("{port}"))?;
        store.write(b"protocol", format_args!("x86_64-abi"))?;
        store.write(b"feature-persistent", format_args!("{persistent}"))
    })
}

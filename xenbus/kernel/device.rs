// SPDX-License-Identifier: GPL-2.0-only
//! One device: its names, its nodes, what its driver may do with it.

use crate::driver::Vtable;
use crate::lifecycle::Core;
use crate::service::Shared;
use crate::store::{self, StoreValue, Transaction};
use crate::DeviceRef;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use kernel::str::CString;
use kernel::sync::{new_mutex, new_spinlock, Arc, Mutex, SpinLock};
use kernel::{bindings, fmt, prelude::*};
use linux::bus::{BusDevice, Carried, Number, Text};
use linux::thread::WaitQueue;
use xen_events::{DeviceEvents, EventChannel, EventHandler};
use xen_grants::GrantAccount;
use xen_sys::{Domid, XenbusState};
use xenbus::device::DeviceName;

/// A driver took the device: find its backend.
pub(crate) const WANTS_BEGIN: u32 = 1;
/// The device is at fault, or its backend is.
pub(crate) const WANTS_FAULT: u32 = 2;

/// What [`Device::otherend_id`] says without a backend (`DOMID_INVALID` in `xen/include/public/xen.h`).
const NOBODY: Domid = Domid(0x7ff4);

/// Where a device's backend is.
pub struct Otherend {
    path: KVec<u8>,
    domid: Domid,
}

impl Otherend {
    pub(crate) fn new(path: KVec<u8>, domid: Domid) -> Self {
        Self { path, domid }
    }

    /// The backend's directory in the store, absolute.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The backend's domain.
    pub fn domid(&self) -> Domid {
        self.domid
    }
}

/// A device of the bus: `device/<type>/<id>` in the store, `<type>-<id>` in Linux.
///
/// Exists only inside a `struct device`; [`DeviceRef`](crate::DeviceRef) is a counted reference to it.
#[pin_data]
pub struct Device {
    pub(crate) shared: Arc<Shared>,
    name: CString,
    devtype: CString,
    id: CString,
    nodename: CString,
    /// What the device's `state` node says, by our own doing.
    pub(crate) state: AtomicU32,
    /// `WANTS_*`: what the worker is to do.
    pub(crate) wants: AtomicU32,
    pub(crate) violations: AtomicU64,
    events: Arc<DeviceEvents>,
    grants: GrantAccount,
    /// When the state machine wants to hear of the time; 0 for never.
    pub(crate) deadline: AtomicU64,
    /// When to try again what the store did not do; 0 for never.
    pub(crate) retry_at: AtomicU64,
    /// The `state` node does not say what it should.
    pub(crate) unwritten: AtomicBool,
    /// The device is on its way up.
    pub(crate) connecting: AtomicBool,
    /// Steps of the state machine so far, as a clock for those who wait at `moved`.
    pub(crate) steps: AtomicU32,
    /// How many [`Stay`]s there are.
    stays: AtomicU32,
    /// The device has vanished from the store; Linux has it still.
    pub(crate) leaving: AtomicBool,
    #[pin]
    pub(crate) moved: WaitQueue,
    #[pin]
    pub(crate) otherend: SpinLock<Option<Arc<Otherend>>>,
    #[pin]
    pub(crate) core: Mutex<Core>,
}

impl Device {
    /// The device of this name, not known to Linux yet.
    pub(crate) fn new(shared: Arc<Shared>, names: Names) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            shared,
            grants: GrantAccount::open(&names.name)?,
            name: names.name,
            devtype: names.devtype,
            id: names.id,
            nodename: names.nodename,
            state: AtomicU32::new(XenbusState::Initialising.number()),
            wants: AtomicU32::new(0),
            violations: AtomicU64::new(0),
            events: Arc::pin_init(DeviceEvents::new(), GFP_KERNEL)?,
            deadline: AtomicU64::new(0),
            retry_at: AtomicU64::new(0),
            unwritten: AtomicBool::new(false),
            connecting: AtomicBool::new(false),
            steps: AtomicU32::new(0),
            stays: AtomicU32::new(0),
            leaving: AtomicBool::new(false),
            moved <- WaitQueue::new(),
            otherend <- new_spinlock!(None),
            core <- new_mutex!(Core::new()),
        })
    }

    /// The device's name in Linux, such as `vbd-51712`.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The device's type, such as `vbd`.
    pub fn devtype(&self) -> &CStr {
        &self.devtype
    }

    /// The device's id among those of its type, such as `51712`.
    pub fn id(&self) -> &CStr {
        &self.id
    }

    /// The device's directory in the store, relative to the domain's home, such as `device/vbd/51712`.
    pub fn nodename(&self) -> &CStr {
        &self.nodename
    }

    /// Where the backend is; `None` while no driver has the device.
    pub fn otherend(&self) -> Option<Arc<Otherend>> {
        self.otherend.lock().clone()
    }

    /// The backend's domain, the one to grant pages and offer ports to.
    pub fn otherend_id(&self) -> Domid {
        self.otherend().map_or(NOBODY, |otherend| otherend.domid)
    }

    /// The `struct device`, for those who want it as a parent. Valid as long as this reference.
    pub fn as_device(&self) -> *mut bindings::device {
        // SAFETY: A `Device` is only ever made by `BusDevice::add`, in `enumerate`.
        unsafe { BusDevice::carrying(self) }.as_raw()
    }

    /// Keeps the device in Linux, for something that is to be shown below it. From [`Frontend::connect`] only.
    ///
    /// [`Frontend::connect`]: crate::Frontend::connect
    pub fn stay(&self) -> Stay {
        self.stays.fetch_add(1, Ordering::Relaxed);
        // SAFETY: A `Device` is only ever made by `BusDevice::add`, in `enumerate`.
        Stay(unsafe { BusDevice::carrying(self) }.into())
    }

    /// Whether something of Linux's is below the device.
    pub(crate) fn is_kept(&self) -> bool {
        self.stays.load(Ordering::Acquire) != 0
    }

    /// As [`EventChannel::alloc_unbound`], for the backend; what the channel sees is counted as the device's.
    ///
    /// # Errors
    /// The same.
    pub fn event_channel<H: EventHandler>(
        &self,
        name: &CStr,
        handler: Arc<H>,
    ) -> Result<EventChannel> {
        EventChannel::alloc_unbound_of(&self.events, self.otherend_id(), name, handler)
    }

    /// What the device takes its grant references from, so that it cannot take those of all others.
    pub fn grants(&self) -> &GrantAccount {
        &self.grants
    }

    /// How often the backend broke the protocol.
    pub fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    /// Reads one of the device's own nodes.
    ///
    /// # Errors
    /// `ENOENT` when there is none; see [`store`].
    pub fn read(&self, key: &[u8]) -> Result<StoreValue> {
        store::read(&self.path(key)?)
    }

    /// Reads one of the backend's nodes.
    ///
    /// # Errors
    /// `ENOENT` when there is none, `ENODEV` without a backend; see [`store`].
    pub fn read_backend(&self, key: &[u8]) -> Result<StoreValue> {
        let otherend = self.otherend().ok_or(ENODEV)?;
        store::read(&store::join(&[&otherend.path, key])?)
    }

    /// Reads one of the device's own nodes as a number; `None` when there is none.
    ///
    /// # Errors
    /// `EINVAL` when it holds no decimal number; see [`store`].
    pub fn read_u64(&self, key: &[u8]) -> Result<Option<u64>> {
        number(self.read(key))
    }

    /// Reads one of the backend's nodes as a number; `None` when there is none.
    ///
    /// # Errors
    /// `EINVAL` when it holds no decimal number; see [`store`].
    pub fn read_backend_u64(&self, key: &[u8]) -> Result<Option<u64>> {
        number(self.read_backend(key))
    }

    /// Writes one of the device's own nodes.
    ///
    /// # Errors
    /// See [`store`].
    pub fn write(&self, key: &[u8], value: fmt::Arguments<'_>) -> Result {
        store::write_fmt(&self.path(key)?, value)
    }

    /// Removes one of the device's own nodes, if it is there.
    ///
    /// # Errors
    /// See [`store`].
    pub fn remove(&self, key: &[u8]) -> Result {
        match store::rm(&self.path(key)?) {
            Err(error) if error != ENOENT => Err(error),
            _ => Ok(()),
        }
    }

    /// Runs `body` in a transaction on the device's own nodes; see [`store::transaction`].
    ///
    /// # Errors
    /// As [`store::transaction`].
    pub fn transaction<R>(
        &self,
        mut body: impl FnMut(&DeviceTransaction<'_>) -> Result<R>,
    ) -> Result<R> {
        store::transaction(|transaction| {
            body(&DeviceTransaction {
                device: self,
                transaction,
            })
        })
    }

    /// The driver cannot go on with the device as it is: says why, in the log and to the toolstack, and takes the
    /// device down. The bus tries again later. Process context.
    pub fn fail(&self, error: Error, why: fmt::Arguments<'_>) {
        pr_err!("{}: {} ({:?})\n", &*self.name, why, error);
        let errno = error.to_errno().wrapping_neg();
        let written = store::join(&[b"error", self.nodename.to_bytes(), b"error"])
            .and_then(|path| store::write_fmt(&path, fmt!("{errno} {why}")));
        if written.is_err() {
            pr_info!("{}: xenstore does not take the error\n", &*self.name);
        }
        self.want(WANTS_FAULT);
    }

    /// The backend broke the protocol: says so, once until the device has been taken down, and has the worker do that.
    /// Any context; `what` is what was broken.
    pub fn report_violation(&self, what: &'static str) {
        self.violations.fetch_add(1, Ordering::Relaxed);
        if self.want(WANTS_FAULT) {
            pr_err!(
                "{}: the backend breaks the protocol: {}; the device is disconnected\n",
                &*self.name,
                what
            );
        }
    }

    /// Asks the worker for something; whether it was not asked already. Any context.
    pub(crate) fn want(&self, what: u32) -> bool {
        let before = self.wants.fetch_or(what, Ordering::AcqRel);
        self.shared.call_worker();
        before & what == 0
    }

    /// The state that the device shows.
    pub(crate) fn shown(&self) -> XenbusState {
        XenbusState::from_number(self.state.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// The device's type and id.
    pub(crate) fn names(&self) -> Option<DeviceName<'_>> {
        DeviceName::new(self.devtype.to_bytes(), self.id.to_bytes())
    }

    /// Whether this is the device of that name.
    pub(crate) fn is(&self, name: &DeviceName<'_>) -> bool {
        self.devtype.to_bytes() == name.devtype && self.id.to_bytes() == name.id
    }

    /// The path of one of the device's own nodes.
    pub(crate) fn path(&self, key: &[u8]) -> Result<KVec<u8>> {
        store::join(&[self.nodename.to_bytes(), key])
    }
}

/// As long as this lives Linux has the device, also when it has vanished from the store: a device of the same name comes
/// afterwards. To be dropped before the driver's module goes.
pub struct Stay(DeviceRef);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.stays.fetch_sub(1, Ordering::Release);
        self.0.shared.call_worker();
    }
}

fn number(value: Result<StoreValue>) -> Result<Option<u64>> {
    match value {
        Ok(value) => value.parse_u64().ok_or(EINVAL).map(Some),
        Err(error) if error == ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names of a device.
pub(crate) struct Names {
    name: CString,
    devtype: CString,
    id: CString,
    nodename: CString,
}

impl Names {
    /// Copies the names; they are plain characters of paths.
    pub(crate) fn new(name: &DeviceName<'_>) -> Result<Self> {
        let devtype = core::str::from_utf8(name.devtype).map_err(|_| EINVAL)?;
        let id = core::str::from_utf8(name.id).map_err(|_| EINVAL)?;
        Ok(Self {
            name: CString::try_from_fmt(fmt!("{devtype}-{id}"))?,
            devtype: CString::try_from_fmt(fmt!("{devtype}"))?,
            id: CString::try_from_fmt(fmt!("{id}"))?,
            nodename: CString::try_from_fmt(fmt!("device/{devtype}/{id}"))?,
        })
    }

    /// The device's name in Linux.
    pub(crate) fn name(&self) -> Result<CString> {
        Ok(CString::try_from(&*self.name)?)
    }
}

/// A transaction on a device's own nodes, see [`Device::transaction`].
pub struct DeviceTransaction<'a> {
    device: &'a Device,
    transaction: &'a Transaction,
}

impl DeviceTransaction<'_> {
    /// Reads one of the device's own nodes.
    ///
    /// # Errors
    /// `ENOENT` when there is none; see [`store`].
    pub fn read(&self, key: &[u8]) -> Result<StoreValue> {
        self.transaction.read(&self.device.path(key)?)
    }

    /// Writes one of the device's own nodes.
    ///
    /// # Errors
    /// See [`store`].
    pub fn write(&self, key: &[u8], value: fmt::Arguments<'_>) -> Result {
        self.transaction.write_fmt(&self.device.path(key)?, value)
    }

    /// Removes one of the device's own nodes, if it is there.
    ///
    /// # Errors
    /// See [`store`].
    pub fn remove(&self, key: &[u8]) -> Result {
        match self.transaction.rm(&self.device.path(key)?) {
            Err(error) if error != ENOENT => Err(error),
            _ => Ok(()),
        }
    }
}

impl Carried for Device {
    type Driver = Vtable;

    fn text(&self, which: Text) -> &CStr {
        match which {
            Text::Devtype => &self.devtype,
            Text::Nodename => &self.nodename,
            Text::State => match self.shown() {
                XenbusState::Unknown => c"Unknown",
                XenbusState::Initialising => c"Initialising",
                XenbusState::InitWait => c"InitWait",
                XenbusState::Initialised => c"Initialised",
                XenbusState::Connected => c"Connected",
                XenbusState::Closing => c"Closing",
                XenbusState::Closed => c"Closed",
                XenbusState::Reconfiguring => c"Reconfiguring",
                XenbusState::Reconfigured => c"Reconfigured",
            },
        }
    }

    fn number(&self, which: Number) -> u64 {
        let events = &self.events;
        match which {
            Number::EventChannels => events.event_channels(),
            Number::Events => events.events(),
            Number::JiffiesEoiDelayed => events.jiffies_eoi_delayed(),
            Number::SpuriousEvents => events.spurious_events(),
            Number::SpuriousThreshold => events.spurious_threshold().into(),
        }
    }

    fn set_spurious_threshold(&self, threshold: u32) {
        self.events.set_spurious_threshold(threshold);
    }

    fn probe(device: &BusDevice<Self>, driver: &'static Vtable) -> Result {
        Self::bind(device, driver)
    }

    fn remove(device: &BusDevice<Self>) {
        device.unbind();
    }
}

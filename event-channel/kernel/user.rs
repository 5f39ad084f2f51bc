// SPDX-License-Identifier: GPL-2.0-only
//! /dev/xen/evtchn: event channels for processes of the guest, as libxenevtchn wants them.
//!
//! An event masks its port and notes that the port is to be read. A read gives the numbers of such ports, a write of a
//! number opens the port again. So each port has one event at most that nobody has read, there is nothing that could
//! overflow, and a peer that sends events without end reaches no further than the first.
//!
//! When the domain was suspended and goes on as another one, the ports are gone: [`Processes::lose`] takes them from the
//! files, or they would keep their numbers from the devices. A file that has lost ports says so at each read, and to
//! whoever polls, until the process asks for a port again.
//!
//! What may be asked is decided in [`event_channel::user`].

use crate::channel::EventChannel;
use crate::gate::EventHandler;
use crate::service::service;
use core::mem::take;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use event_channel::user::{in_turn, Command, Refused, Source, ARGUMENT_MAX};
use event_channel::{Handled, MaskReason, PortIndex};
use kernel::error::code::{EACCES, EAGAIN, EEXIST, EINVAL, EIO, ENODEV, ENOSPC, ENOSYS, ENOTCONN};
use kernel::prelude::*;
use kernel::sync::{global_lock, new_mutex, Arc, GlobalGuard, Mutex};
use kernel::uaccess::{UserPtr, UserSlice, UserSliceReader, UserSliceWriter};
use linux::file::{Device, File, Ready};
use linux::thread::{NoIo, Sleep, WaitQueue};
use xen_sys::{Domid, Port};

/// Ports that are moved from or to a process at once.
const BATCH: usize = 64;
/// Bytes of a port's number.
const NUMBER: usize = size_of::<u32>();

global_lock! {
    // SAFETY: Initialised in `EventDevice::show`, before there is a file.
    unsafe(uninit) static FILES: Mutex<KVec<Arc<PortFile>>> = KVec::new();
}

global_lock! {
    // SAFETY: As above.
    unsafe(uninit) static BINDS: Mutex<()> = ();
}

/// Ports of all files.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// There may be files.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// How many ports processes have.
pub(crate) fn open_ports() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// As long as this lives no process binds a port.
pub struct Processes {
    _binds: GlobalGuard<BINDS>,
}

/// Has processes wait that want to bind a port: what is dead has its number until it is dropped. `None` when there are
/// no such processes.
pub fn hold_processes() -> Option<Processes> {
    SHOWN.load(Ordering::Acquire).then(|| Processes {
        _binds: BINDS.lock(),
    })
}

impl Processes {
    /// Takes from all files the ports that they had in the domain that was suspended. With no channel frozen.
    pub fn lose(&self) {
        for file in FILES.lock().iter() {
            file.lose();
        }
    }
}

/// One of the ports that processes have.
struct Counted(());

impl Counted {
    fn new() -> Result<Self> {
        // Most ports of all files together: half of those that there may be.
        let limit = service().map_or(0, |service| service.ports().limit() as usize / 2);
        let more = |count: usize| (count < limit).then(|| count.saturating_add(1));
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| ENOSPC)?;
        Ok(Self(()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Masks the port of an event and notes it.
struct Noter {
    port: PortIndex,
    /// There is an event that nobody has read.
    pending: AtomicBool,
    file: Arc<PortFile>,
}

impl EventHandler for Noter {
    fn handle(&self) -> Handled {
        let slot = service().and_then(|service| Some((service, service.slots().get(self.port)?)));
        if let Some((service, slot)) = slot {
            slot.mask(service.ports(), MaskReason::Driver);
        }
        // After the mask: who sees this may open the port at once.
        self.pending.store(true, Ordering::Release);
        self.file.tell();
        // The process says when there may be another one.
        Handled::Work
    }
}

global_lock! {
    // SAFETY: Initialised in `EventDevice::show`, before any file is open.
    unsafe(uninit) static LISTED: Mutex<KVec<Arc<OpenPort>>> = KVec::new();
}

/// A port that a process has opened.
struct OpenPort {
    channel: EventChannel,
    _count: Counted,
}

/// A port that others find by its number, as long as its file has it.
struct Listed(Arc<OpenPort>);

impl Listed {
    fn new(channel: EventChannel, count: Counted) -> Result<Self> {
        let port = OpenPort {
            channel,
            _count: count,
        };
        let listed = Self(Arc::new(port, GFP_KERNEL_ACCOUNT)?);
        LISTED.lock().push(listed.0.clone(), GFP_KERNEL_ACCOUNT)?;
        Ok(listed)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut list = LISTED.lock();
        let place = list.iter().position(|port| Arc::ptr_eq(port, &self.0));
        // Not the last reference: that is ours.
        if let Some(place) = place {
            drop(list.remove(place));
        }
    }
}

/// A port of a process, kept open for one last event whatever becomes of the process.
pub struct HeldPort(Arc<OpenPort>);

impl HeldPort {
    /// Keeps `port` open.
    ///
    /// # Errors
    /// `EINVAL` when no process has a port of this number.
    pub fn hold(port: Port) -> Result<Self> {
        let list = LISTED.lock();
        let found = list.iter().find(|it| it.channel.port() == port);
        found.cloned().map(Self).ok_or(EINVAL)
    }

    /// Sends an event to the other end.
    pub fn notify(&self) {
        self.0.channel.notify();
    }
}

/// A port of a file.
struct UserPort {
    open: Listed,
    noter: Arc<Noter>,
}

impl UserPort {
    fn channel(&self) -> &EventChannel {
        &self.open.0.channel
    }
}

/// What a file has.
struct Table {
    ports: KVec<UserPort>,
    /// The place of the port that was read last.
    last: usize,
    restriction: Option<Domid>,
    /// Ports were lost with the domain that they were of.
    lost: bool,
}

impl Table {
    fn find(&self, port: Port) -> Result<usize> {
        let is = |it: &UserPort| it.channel().port() == port;
        self.ports.iter().position(is).ok_or(ENOTCONN)
    }

    fn get(&self, port: Port) -> Result<&UserPort> {
        self.ports.get(self.find(port)?).ok_or(ENOTCONN)
    }
}

/// An open file.
#[pin_data]
struct PortFile {
    #[pin]
    table: Mutex<Table>,
    /// Where readers and pollers wait.
    #[pin]
    queue: WaitQueue,
    /// Counts events.
    news: AtomicU32,
    /// Makes handlers' references to the file.
    #[pin]
    itself: Mutex<Option<Arc<PortFile>>>,
}

impl PortFile {
    fn tell(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
        self.queue.wake_all();
    }

    fn bind(&self, source: Source) -> Result<usize> {
        // Who suspends the domain waits for both locks while disks do not work.
        let _no_io = NoIo::new();
        let _turn = BINDS.lock();
        let count = Counted::new()?;
        let file = self.itself.lock().clone().ok_or(ENODEV)?;
        let mut noter = None;
        let channel = EventChannel::open(source, c"evtchn", |port| {
            let new = Noter {
                port,
                pending: AtomicBool::new(false),
                file,
            };
            Ok(noter.insert(Arc::new(new, GFP_KERNEL_ACCOUNT)?).clone())
        })?;
        let port = channel.port();
        let new = UserPort {
            open: Listed::new(channel, count)?,
            noter: noter.ok_or(ENODEV)?,
        };
        self.add(new)?;
        // An event may have come before the port had its place.
        self.tell();
        Ok(port.0 as usize)
    }

    fn add(&self, new: UserPort) -> Result {
        let mut table = self.table.lock();
        table.lost = false;
        Ok(table.ports.push(new, GFP_KERNEL_ACCOUNT)?)
    }

    /// See [`Processes::lose`].
    fn lose(&self) {
        let ports = {
            let mut table = self.table.lock();
            table.lost |= !table.ports.is_empty();
            take(&mut table.ports)
        };
        // Each waits for its handler.
        drop(ports);
        self.tell();
    }

    fn perform(&self, command: Command) -> Result<usize> {
        match command {
            Command::Bind(source) => return self.bind(source),
            Command::Unbind(port) => {
                let gone = {
                    let mut table = self.table.lock();
                    let index = table.find(port)?;
                    table.ports.remove(index)
                };
                drop(gone);
            }
            Command::Notify(port) => self.table.lock().get(port)?.channel().notify(),
            Command::Reset => {
                for it in self.table.lock().ports.iter() {
                    it.noter.pending.store(false, Ordering::Release);
                }
            }
            Command::Restrict(domain) => {
                self.table.lock().restriction = Some(domain);
            }
        }
        Ok(0)
    }

    /// Takes ports with an event, as many as there is room for.
    fn collect(&self, room: &mut [u32]) -> usize {
        let mut table = self.table.lock();
        let Table { ports, last, .. } = &mut *table;
        let pending = |place: usize| {
            ports
                .get(place)
                .is_some_and(|it| it.noter.pending.swap(false, Ordering::AcqRel))
        };
        let mut count = 0usize;
        let (len, size) = (ports.len(), room.len());
        *last = in_turn(len, *last, size, pending, |place| {
            if let (Some(it), Some(to)) = (ports.get(place), room.get_mut(count)) {
                *to = it.channel().port().0;
                count = count.saturating_add(1);
            }
        });
        count
    }

    /// These were taken, but could not be given to the process.
    fn put_back(&self, ports: &[u32]) {
        let table = self.table.lock();
        for port in ports {
            if let Ok(it) = table.get(Port(*port)) {
                it.noter.pending.store(true, Ordering::Release);
            }
        }
    }
}

impl File for PortFile {
    fn open() -> Result<Arc<Self>> {
        let table = Table {
            ports: KVec::new(),
            last: 0,
            restriction: None,
            lost: false,
        };
        let file = Arc::pin_init(
            pin_init!(Self {
                table <- new_mutex!(table),
                queue <- WaitQueue::new(),
                news: AtomicU32::new(0),
                itself <- new_mutex!(None),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        {
            // As in `bind`.
            let _no_io = NoIo::new();
            FILES.lock().push(file.clone(), GFP_KERNEL_ACCOUNT)?;
        }
        *file.itself.lock() = Some(file.clone());
        Ok(file)
    }

    fn read(&self, mut to: UserSliceWriter, may_wait: bool) -> Result<usize> {
        let mut ports = [0; BATCH];
        let room = ports
            .get_mut(..(to.len() / NUMBER).min(BATCH))
            .unwrap_or(&mut []);
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            let seen = self.news.load(Ordering::Acquire);
            let count = self.collect(room);
            let found = room.get(..count).unwrap_or(&[]);
            if !found.is_empty() {
                for port in found {
                    to.write_slice(&port.to_ne_bytes())
                        .inspect_err(|_| self.put_back(found))?;
                }
                return Ok(found.len().saturating_mul(NUMBER));
            }
            if self.table.lock().lost {
                return Err(EIO);
            }
            if !may_wait {
                return Err(EAGAIN);
            }
            let news = || self.news.load(Ordering::Acquire) != seen;
            self.queue.wait(Sleep::Interruptible, None, news)?;
        }
    }

    fn write(&self, mut from: UserSliceReader, _: bool) -> Result<usize> {
        let mut taken = 0usize;
        while from.len() >= NUMBER && taken < kernel::page::PAGE_SIZE {
            let mut number = [0; NUMBER];
            from.read_slice(&mut number)?;
            taken = taken.saturating_add(NUMBER);
            // A number that is no port of the file's is none of its business.
            if let Ok(it) = self.table.lock().get(Port(u32::from_ne_bytes(number))) {
                it.channel().unmask();
            }
        }
        Ok(taken)
    }

    fn ready(&self) -> Ready {
        let table = self.table.lock();
        let pending = |it: &UserPort| it.noter.pending.load(Ordering::Acquire);
        Ready {
            readable: table.lost || table.ports.iter().any(pending),
            writable: true,
            error: table.lost,
        }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, command: u32, argument: UserPtr) -> Result<usize> {
        let len = Command::argument_len(command).ok_or(ENOSYS)?;
        let mut bytes = [0; ARGUMENT_MAX];
        UserSlice::new(argument, len)
            .reader()
            .read_slice(bytes.get_mut(..len).unwrap_or(&mut []))?;
        let restriction = self.table.lock().restriction;
        let command =
            Command::of(command, &bytes, restriction).map_err(|refused| match refused {
                Refused::Unknown => ENOSYS,
                Refused::Invalid => EINVAL,
                Refused::Restricted => EACCES,
            })?;
        self.perform(command)
    }

    fn closed(self: Arc<Self>) {
        FILES.lock().retain(|file| !Arc::ptr_eq(file, &self));
        let ports = take(&mut self.table.lock().ports);
        // Each waits for its handler, which has a reference to the file.
        drop(ports);
        let itself = self.itself.lock().take();
        drop(itself);
    }
}

/// The device, as long as this lives. Dropped before [`crate::Events`], with no file open.
pub struct EventDevice {
    _device: Device<PortFile>,
}

impl EventDevice {
    /// Shows /dev/xen/evtchn. Processes may have it open from then on.
    ///
    /// # Errors
    /// `EEXIST` when there is one, `ENOMEM`.
    pub fn show() -> Result<Self> {
        if SHOWN.load(Ordering::Acquire) {
            return Err(EEXIST);
        }
        // SAFETY: Once in the module's life, as the line above sees to, and there is no file yet.
        unsafe {
            FILES.init();
            LISTED.init();
            BINDS.init();
        }
        SHOWN.store(true, Ordering::Release);
        Ok(Self {
            _device: Device::register(c"xen/evtchn")?,
        })
    }
}

impl Drop for EventDevice {
    fn drop(&mut self) {
        // The list is empty, but has its memory: nobody drops a static.
        *LISTED.lock() = KVec::new();
    }
}

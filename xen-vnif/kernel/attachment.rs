// SPDX-License-Identifier: GPL-2.0-only
//! One interface between its backend, as the bus tells of it, and the network stack.
//!
//! What the stack does under its own lock (RTNL) is done by a work item ([`Stack`] says why, and what): one of all
//! interfaces at a time, in the order in which the bus has told of them, so that an interface which comes after another
//! one has gone can have its name.

use kernel::{
    impl_has_work, new_mutex, new_work,
    prelude::*,
    sync::{global_lock, Arc, Mutex},
    workqueue::{Work, WorkItem},
};
use linux::workqueue::WorkQueue;
use linux_net::{Limits, NetDevice};
use vnif_core::{
    features::{Features, MacAddress},
    stack::{Stack, Step},
};
use xen_bus::{Device, DeviceRef, Stay};

use crate::{receive::Receive, transmit::Transmit, vif::Vif};

global_lock! {
    // SAFETY: `Works::start` is called when the module is loaded, before there can be a device.
    unsafe(uninit) static WORKS: Mutex<Option<WorkQueues>> = None;
}

/// What works for all interfaces.
struct WorkQueues {
    /// For what takes RTNL.
    stack: Arc<WorkQueue>,
    /// For what waits for the store, which may be silent: the other interfaces' turn is to come meanwhile.
    reports: Arc<WorkQueue>,
}

/// How long the module's insertion waits for the interfaces to be there, in milliseconds.
const SETTLE_LIMIT: u64 = 10_000;

/// The module's hold on its work queues; when it is dropped, no interface is left. That may take until RTNL is free.
///
/// Field order matters: the work of `stack` has reports made.
pub(crate) struct Works {
    stack: Arc<WorkQueue>,
    _reports: Arc<WorkQueue>,
}

impl Works {
    /// Offers the queues to every interface.
    ///
    /// # Safety
    /// Once, before there is a device.
    pub(crate) unsafe fn start() -> Result<Self> {
        let stack = Arc::new(WorkQueue::ordered(c"xen_vnif")?, GFP_KERNEL)?;
        let reports = Arc::new(WorkQueue::new(c"xen_vnif_reports")?, GFP_KERNEL)?;
        // SAFETY: As the caller promises.
        unsafe { WORKS.init() };
        *WORKS.lock() = Some(WorkQueues {
            stack: stack.clone(),
            reports: reports.clone(),
        });
        Ok(Self {
            stack,
            _reports: reports,
        })
    }

    /// Waits for the interfaces whose backends have connected, so that what a script does next finds them; not for ever.
    pub(crate) fn settle(&self) {
        // If that takes longer the interfaces come later.
        let _ = self.stack.settle(SETTLE_LIMIT);
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        // There is no device any more that could queue anything, so that the last reference to `stack` is ours; work that
        // goes on may have one to `reports`.
        *WORKS.lock() = None;
    }
}

/// An interface.
#[pin_data]
pub(crate) struct Attachment {
    net: Arc<NetDevice<Vif>>,
    device: DeviceRef,
    #[pin]
    state: Mutex<State>,
    #[pin]
    work: Work<Attachment>,
}

impl_has_work! {
    impl HasWork<Self> for Attachment { self.work }
}

/// Locked for moments only, never over a step of the work: the bus's thread takes it.
struct State {
    stack: Stack,
    /// The connection while it is out of everybody's reach: in a suspend, or until the stack has been told of its limits.
    parked: Option<(Transmit, Receive)>,
    /// While the interface is registered, or about to be.
    stay: Option<Stay>,
}

impl Attachment {
    pub(crate) fn new(device: &DeviceRef, mac: &MacAddress) -> Result<Arc<Self>> {
        let net = Arc::new(NetDevice::new(Vif::new(device.clone()), mac)?, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                net,
                device: device.clone(),
                state <- new_mutex!(State { stack: Stack::new(), parked: None, stay: None }),
                work <- new_work!("xen_vnif::Attachment"),
            }),
            GFP_KERNEL,
        )
    }

    /// The interface.
    pub(crate) fn net(&self) -> &Arc<NetDevice<Vif>> {
        &self.net
    }

    /// Takes over a connection that the backend has been told of.
    pub(crate) fn publish(&self, features: Features, tx: Transmit, rx: Receive) {
        let mut state = self.state.lock();
        state.stack.published(features);
        state.parked = Some((tx, rx));
        self.advance(&mut state);
    }

    /// The backend has connected.
    pub(crate) fn connect(
        self: &Arc<Self>,
        device: &Device,
        mtu: Option<&[u8]>,
        link: bool,
    ) -> Result {
        {
            let mut state = self.state.lock();
            if !state.stack.connected(mtu, link) {
                return Err(ENODEV);
            }
            state.stay.get_or_insert_with(|| device.stay());
            self.advance(&mut state);
        }
        self.call_work();
        Ok(())
    }

    /// The backend says whether the link is up.
    pub(crate) fn set_link(self: &Arc<Self>, link: bool) {
        {
            let mut state = self.state.lock();
            state.stack.link_changed(link);
            if state.stack.is_live() {
                self.net.interface().set_carrier(link);
            }
        }
        // The neighbours may not have been told yet.
        self.call_work();
    }

    /// Takes no more packets, and gives back all that the backend was given. The link stays as it is.
    pub(crate) fn disconnect(&self) {
        let interface = self.net.interface();
        let connection = {
            let mut state = self.state.lock();
            state.stack.disconnected();
            interface.disable_queue();
            state.parked.take().or_else(|| self.net.take(interface))
        };
        if let Some((tx, rx)) = connection {
            self.net.end(tx, rx);
        }
    }

    /// Takes the connection out of everybody's reach.
    pub(crate) fn suspend(&self) {
        let interface = self.net.interface();
        let mut state = self.state.lock();
        state.stack.suspended();
        interface.disable_queue();
        if let Some((mut tx, rx)) = self.net.take(interface) {
            // The interface may go down meanwhile.
            tx.let_go();
            state.parked = Some((tx, rx));
        }
    }

    /// Goes on with it.
    pub(crate) fn resume(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            state.stack.resumed();
            self.advance(&mut state);
        }
        self.call_work();
    }

    /// The device is gone, and disconnected.
    pub(crate) fn remove(self: &Arc<Self>) {
        self.state.lock().stack.removed();
        self.call_work();
    }

    /// Puts the connection in place and lets packets come and go, as far as the stack is ready for it.
    fn advance(&self, state: &mut State) {
        if !state.stack.may_carry() {
            return;
        }
        let interface = self.net.interface();
        if let Some((tx, rx)) = state.parked.take() {
            self.net.install(interface, tx, rx);
        }
        if state.stack.is_live() {
            self.net.go_on(interface);
            interface.set_carrier(state.stack.link());
        }
    }

    /// Has the work item look whether there is something to do.
    fn call_work(self: &Arc<Self>) {
        if let Some(queues) = &*WORKS.lock() {
            // If it is in the queue already it has not looked yet.
            let _ = queues.stack.enqueue(self.clone());
        }
    }

    /// Has the bus and the toolstack told that the interface cannot be registered.
    fn report(&self, error: Error) {
        // Not with the lock, which the bus's thread takes: memory may have to be waited for.
        let reports = WORKS.lock().as_ref().map(|queues| queues.reports.clone());
        let device = self.device.clone();
        let told = reports.is_some_and(|reports| {
            let tell = move || tell_unregistered(&device, error);
            reports.try_spawn(GFP_KERNEL, tell).is_ok()
        });
        if !told {
            tell_unregistered(&self.device, error);
        }
    }

    /// Does one thing that needs RTNL.
    fn carry_out(&self, step: Step) -> Result {
        match step {
            Step::Limit(features) => self.net.interface().set_limits(&Limits {
                sg: features.sg,
                csum_v4: features.csum_v4,
                csum_v6: features.csum_v6,
                gso_v4: features.gso_v4,
                gso_v6: features.gso_v6,
                mtu_max: features.mtu_max(),
            }),
            Step::Register(mtu) => {
                self.net.set_initial_mtu(mtu);
                // SAFETY: The device stays in Linux as long as `State::stay` lives. That is made before a backend counts as
                // connected, without which there is no such step, and dropped only in `run`, after `Step::Unregister`.
                return unsafe { self.net.register(self.device.as_device()) };
            }
            Step::Announce => self.net.interface().notify_peers(),
            Step::Unregister => self.net.unregister(),
        }
        Ok(())
    }
}

/// Waits for the store.
fn tell_unregistered(device: &Device, error: Error) {
    device.fail(error, format_args!("the interface cannot be registered"));
}

impl WorkItem for Attachment {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        loop {
            let step = {
                let mut state = this.state.lock();
                let Some(step) = state.stack.next_step() else {
                    break;
                };
                step
            };
            let result = this.carry_out(step);
            {
                let mut state = this.state.lock();
                state.stack.done(step, result.is_ok());
                this.advance(&mut state);
            }
            if let Err(error) = result {
                // Only now, for it brings about the next attempt.
                this.report(error);
            }
        }
        let mut state = this.state.lock();
        if state.stack.is_over() {
            let stay = state.stay.take();
            drop(state);
            drop(stay);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! What the bus calls.

use kernel::{new_mutex, prelude::*, sync::Arc, sync::Mutex};
use linux_net::{Limits, NetDevice};
use vnif_core::features::{carrier, parse_mac, BackendNodes, BadMac, Features, NoRxCopy};
use xen_bus::{store::StoreValue, Device, DeviceRef, Driver, Frontend, XenbusState};
use xen_events::{EventHandler, Handled};

use crate::{receive::Receive, transmit::Transmit, vif::Vif};

/// The driver of the devices of type vif.
pub(crate) struct VifDriver;

impl Driver for VifDriver {
    const DEVTYPE: &'static CStr = c"vif";
    const NAME: &'static CStr = c"vif";
    type Frontend = Vnif;

    fn probe(device: &DeviceRef) -> Result<Arc<Vnif>> {
        let mac = device.read(b"mac").inspect_err(|_| {
            pr_err!("{}: its node mac cannot be read\n", device.name());
        })?;
        let mac = parse_mac(&mac).map_err(|why| {
            let why = match why {
                BadMac::Form => "not of the form 00:16:3e:xx:xx:xx",
                BadMac::Multicast => "a group address, which no interface can have",
                BadMac::Zero => "all zeros",
            };
            pr_err!(
                "{}: its mac is {why}: correct the vif's mac= in the guest's configuration\n",
                device.name()
            );
            EINVAL
        })?;
        let net = Arc::new(NetDevice::new(Vif::new(device.clone()), &mac)?, GFP_KERNEL)?;
        Arc::pin_init(
            try_pin_init!(Vnif {
                net,
                state <- new_mutex!(State { registered: false, features: None, parked: None }),
            }),
            GFP_KERNEL,
        )
    }
}

/// The frontend of one device.
#[pin_data]
pub(crate) struct Vnif {
    net: Arc<NetDevice<Vif>>,
    #[pin]
    state: Mutex<State>,
}

struct State {
    registered: bool,
    /// Of the connection that is announced or live.
    features: Option<Features>,
    /// The connection, out of everybody's reach while the domain is being suspended.
    parked: Option<(Transmit, Receive)>,
}

/// Asks for a poll at each event.
struct Poll(Arc<NetDevice<Vif>>);

impl EventHandler for Poll {
    fn handle(&self) -> Handled {
        self.0.event();
        self.0.interface().schedule_poll_from_interrupt();
        Handled::Later
    }
}

impl Frontend for Vnif {
    fn publish(&self, device: &Device) -> Result<XenbusState> {
        let features = negotiate(device)?;
        let backend = device.otherend_id();
        let handler = Arc::new(Poll(self.net.clone()), GFP_KERNEL)?;
        let channel = device.event_channel(device.name(), handler)?;
        let channel = Arc::new(channel, GFP_KERNEL)?;
        let tx = Transmit::new(backend, channel.clone(), features)?;
        let rx = Receive::new(backend, channel.clone())?;
        let (tx_ref, rx_ref, port) = (tx.gref().0, rx.gref().0, channel.port().0);
        let rx_notify = u8::from(features.rx_notify);
        device.transaction(|store| {
            store.write(b"tx-ring-ref", format_args!("{tx_ref}"))?;
            store.write(b"rx-ring-ref", format_args!("{rx_ref}"))?;
            store.write(b"event-channel", format_args!("{port}"))?;
            store.write(b"request-rx-copy", format_args!("1"))?;
            store.write(b"feature-rx-notify", format_args!("{rx_notify}"))?;
            store.write(b"feature-sg", format_args!("1"))?;
            store.write(b"feature-no-csum-offload", format_args!("0"))?;
            store.write(b"feature-ipv6-csum-offload", format_args!("1"))?;
            store.write(b"feature-gso-tcpv4", format_args!("1"))?;
            store.write(b"feature-gso-tcpv6", format_args!("1"))
        })?;
        self.net.interface().set_limits(&Limits {
            sg: features.sg,
            csum_v4: features.csum_v4,
            csum_v6: features.csum_v6,
            gso_v4: features.gso_v4,
            gso_v6: features.gso_v6,
            mtu_max: features.mtu_max(),
        });
        self.net.install(self.net.interface(), tx, rx);
        self.state.lock().features = Some(features);
        Ok(XenbusState::Connected)
    }

    fn connect(&self, device: &Device) -> Result {
        let interface = self.net.interface();
        let mut state = self.state.lock();
        let features = state.features.ok_or(ENODEV)?;
        if state.registered {
            interface.notify_peers();
        } else {
            let mtu = node(device.read(b"mtu"))?;
            self.net
                .set_initial_mtu(features.initial_mtu(mtu.as_deref()));
            // SAFETY: The interface is unregistered in `removed`, which the bus calls before the device goes.
            unsafe { self.net.register(device.as_device()) }?;
            state.registered = true;
        }
        interface.wake_queue();
        interface.schedule_poll();
        drop(state);
        self.changed(device);
        Ok(())
    }

    fn changed(&self, device: &Device) {
        let connected = self.state.lock().features.is_some();
        let up = carrier(
            node(device.read_backend(b"carrier"))
                .ok()
                .flatten()
                .as_deref(),
        );
        self.net.interface().set_carrier(connected && up);
    }

    fn closing(&self, _device: &Device) {
        self.net.interface().set_carrier(false);
        self.disconnect();
    }

    fn suspend(&self, _device: &Device) {
        let interface = self.net.interface();
        interface.disable_queue();
        self.state.lock().parked = self.net.take(interface);
    }

    fn resume(&self, _device: &Device) {
        let interface = self.net.interface();
        let parked = self.state.lock().parked.take();
        if let Some((tx, rx)) = parked {
            self.net.install(interface, tx, rx);
            self.net.go_on(interface);
        }
    }

    fn lost(&self, _device: &Device) {
        // The link stays, or its queue would be taken down and what announces us at the new place thrown away.
        self.disconnect();
        self.net.await_backend(self.net.interface());
    }

    fn removed(&self, _device: &Device) {
        self.net.unregister();
        self.state.lock().registered = false;
    }
}

impl Vnif {
    /// Takes no more packets, and gives back all that the backend was given.
    fn disconnect(&self) {
        let interface = self.net.interface();
        interface.disable_queue();
        let parked = {
            let mut state = self.state.lock();
            state.features = None;
            state.parked.take()
        };
        self.net.uninstall(interface);
        if let Some((tx, rx)) = parked {
            self.net.end(tx, rx);
        }
    }
}

/// A node that need not be there.
fn node(read: Result<StoreValue>) -> Result<Option<StoreValue>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What may be used with the backend.
fn negotiate(device: &Device) -> Result<Features> {
    let rx_copy = node(device.read_backend(b"feature-rx-copy"))?;
    let sg = node(device.read_backend(b"feature-sg"))?;
    let no_csum_offload = node(device.read_backend(b"feature-no-csum-offload"))?;
    let ipv6_csum_offload = node(device.read_backend(b"feature-ipv6-csum-offload"))?;
    let gso_tcpv4 = node(device.read_backend(b"feature-gso-tcpv4"))?;
    let gso_tcpv6 = node(device.read_backend(b"feature-gso-tcpv6"))?;
    let multicast_control = node(device.read_backend(b"feature-multicast-control"))?;
    Features::negotiate(&BackendNodes {
        rx_copy: rx_copy.as_deref(),
        sg: sg.as_deref(),
        no_csum_offload: no_csum_offload.as_deref(),
        ipv6_csum_offload: ipv6_csum_offload.as_deref(),
        gso_tcpv4: gso_tcpv4.as_deref(),
        gso_tcpv6: gso_tcpv6.as_deref(),
        multicast_control: multicast_control.as_deref(),
    })
    .map_err(|NoRxCopy| {
        pr_err!("{}: the backend does not offer feature-rx-copy, without which no packet can be received\n", device.name());
        EOPNOTSUPP
    })
}

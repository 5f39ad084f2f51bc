// SPDX-License-Identifier: GPL-2.0-only
//! What the bus calls.

use kernel::{prelude::*, sync::Arc};
use linux_net::NetDevice;
use vnif_core::features::{carrier, parse_mac, BackendNodes, BadMac, Features, NoRxCopy};
use xen_bus::{store::StoreValue, Device, DeviceRef, Driver, Frontend, XenbusState};
use xen_events::{EventHandler, Handled};

use crate::{attachment::Attachment, receive::Receive, transmit::Transmit, vif::Vif};

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
        Ok(Arc::new(Vnif(Attachment::new(device, &mac)?), GFP_KERNEL)?)
    }
}

/// The frontend of one device.
pub(crate) struct Vnif(Arc<Attachment>);

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
        let handler = Arc::new(Poll(self.0.net().clone()), GFP_KERNEL)?;
        let channel = device.event_channel(device.name(), handler)?;
        let channel = Arc::new(channel, GFP_KERNEL)?;
        let tx = Transmit::new(device, channel.clone(), features)?;
        let rx = Receive::new(device, channel.clone())?;
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
        self.0.publish(features, tx, rx);
        Ok(XenbusState::Connected)
    }

    fn connect(&self, device: &Device) -> Result {
        let mtu = node(device.read(b"mtu"))?;
        self.0.connect(device, mtu.as_deref(), link(device))
    }

    fn changed(&self, device: &Device) {
        self.0.set_link(link(device));
    }

    fn closing(&self, _device: &Device) {
        self.0.disconnect();
        self.0.net().interface().set_carrier(false);
    }

    fn suspend(&self, _device: &Device) {
        self.0.suspend();
    }

    fn resume(&self, _device: &Device) {
        self.0.resume();
    }

    fn lost(&self, _device: &Device) {
        // The link stays, or its queue would be taken down and what announces us at the new place thrown away.
        self.0.disconnect();
        self.0.net().await_backend(self.0.net().interface());
    }

    fn removed(&self, _device: &Device) {
        self.0.remove();
    }
}

/// Whether the backend says that the link is up.
fn link(device: &Device) -> bool {
    let said = node(device.read_backend(b"carrier")).ok().flatten();
    carrier(said.as_deref())
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

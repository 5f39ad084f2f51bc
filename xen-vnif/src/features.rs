// SPDX-License-Identifier: GPL-2.0-only
//! What the two ends agree on through xenstore (`xen/include/public/io/netif.h`), and the nodes the toolstack leaves.
//!
//! All values come from outside. A feature that cannot be read is a feature the backend does not have.

use crate::{gso::Kind, tx::Packet, PACKET_MAX};

/// A MAC address, as it goes over the wire.
pub type MacAddress = [u8; 6];

/// Bytes of an Ethernet header with one VLAN tag: what the wire format must have room for beside the MTU.
const VLAN_ETH_HLEN: u32 = 18;

/// The MTU when nothing else is said.
pub const MTU_DEFAULT: u32 = 1500;

/// The least MTU (IPv4's).
pub const MTU_MIN: u32 = 68;

/// The nodes in the backend's directory that matter, as read; `None` where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackendNodes<'a> {
    /// `feature-rx-copy`: the backend copies into granted pages. Required.
    pub rx_copy: Option<&'a [u8]>,
    /// `feature-sg`: packets of more than one slot.
    pub sg: Option<&'a [u8]>,
    /// `feature-no-csum-offload`: 1 when blank IPv4 checksums are not taken.
    pub no_csum_offload: Option<&'a [u8]>,
    /// `feature-ipv6-csum-offload`: 1 when blank IPv6 checksums are taken.
    pub ipv6_csum_offload: Option<&'a [u8]>,
    /// `feature-gso-tcpv4`: 1 when TCP over IPv4 may come in packets larger than the MTU.
    pub gso_tcpv4: Option<&'a [u8]>,
    /// `feature-gso-tcpv6`: 1 when TCP over IPv6 may.
    pub gso_tcpv6: Option<&'a [u8]>,
    /// `feature-multicast-control`: 1 in xen-netback since Linux 4.3. Not used, but it tells the backend's age.
    pub multicast_control: Option<&'a [u8]>,
}

/// What may be used with this backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Packets may have several slots each way.
    pub sg: bool,
    /// IPv4 TCP and UDP checksums may be left to the other end.
    pub csum_v4: bool,
    /// IPv6 TCP and UDP checksums may be left to the other end.
    pub csum_v6: bool,
    /// TCP over IPv4 may be sent in packets larger than the MTU, for the backend to cut.
    pub gso_v4: bool,
    /// TCP over IPv6 may.
    pub gso_v6: bool,
    /// The backend is told that it may count on an event when there is room to receive again. Not if it is one that may
    /// stop listening then, see `docs/decisions/0017`; older ones may insist on it.
    pub rx_notify: bool,
}

/// The backend cannot copy received packets, only flip pages, which no backend has done since 2010.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRxCopy;

impl Features {
    /// Reads what the backend offers.
    pub fn negotiate(nodes: &BackendNodes<'_>) -> Result<Self, NoRxCopy> {
        if !flag(nodes.rx_copy, false) {
            return Err(NoRxCopy);
        }
        let sg = flag(nodes.sg, false);
        let csum_v4 = !flag(nodes.no_csum_offload, false);
        let csum_v6 = flag(nodes.ipv6_csum_offload, false);
        Ok(Self {
            sg,
            csum_v4,
            csum_v6,
            // Such a packet takes several slots, and the checksums of its segments are made where it is cut.
            gso_v4: sg && csum_v4 && flag(nodes.gso_tcpv4, false),
            gso_v6: sg && csum_v6 && flag(nodes.gso_tcpv6, false),
            rx_notify: !flag(nodes.multicast_control, false),
        })
    }

    /// Whether the backend can take a packet.
    #[inline]
    #[must_use]
    pub const fn can_take(&self, packet: &Packet) -> bool {
        match packet.gso() {
            None => self.sg || packet.slots() == 1,
            // With scatter-gather, or it would not be offered.
            Some(gso) => match gso.kind {
                Kind::TcpV4 => self.gso_v4,
                Kind::TcpV6 => self.gso_v6,
            },
        }
    }

    /// The largest MTU that can be used: without scatter-gather a packet has to fit one slot.
    #[must_use]
    pub const fn mtu_max(&self) -> u32 {
        if self.sg {
            PACKET_MAX.saturating_sub(VLAN_ETH_HLEN)
        } else {
            MTU_DEFAULT
        }
    }

    /// The MTU to begin with: the toolstack's `mtu` node as far as it makes sense here, else the default.
    #[must_use]
    pub fn initial_mtu(&self, node: Option<&[u8]>) -> u32 {
        node.and_then(decimal)
            .filter(|mtu| (MTU_MIN..=self.mtu_max()).contains(mtu))
            .unwrap_or(MTU_DEFAULT)
    }
}

/// A 0/1 node; anything that is not a number counts as `default`.
fn flag(node: Option<&[u8]>, default: bool) -> bool {
    node.and_then(decimal).map_or(default, |value| value != 0)
}

/// Whether the backend's `carrier` node says that the link is up. Without the node it is.
#[must_use]
pub fn carrier(node: Option<&[u8]>) -> bool {
    flag(node, true)
}

/// A plain decimal number without sign or blanks.
fn decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u32, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// Why a `mac` node is no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMac {
    /// It is not of the form `00:16:3e:xx:xx:xx`.
    Form,
    /// It is a group address, which no station may have.
    Multicast,
    /// It is all zeros.
    Zero,
}

/// Reads the `mac` node.
pub fn parse_mac(text: &[u8]) -> Result<MacAddress, BadMac> {
    let mut mac = MacAddress::default();
    let mut parts = text.split(|byte| *byte == b':');
    for byte in &mut mac {
        *byte = match parts.next() {
            Some(&[high, low]) => hex(high)
                .zip(hex(low))
                .map(|(high, low)| high << 4 | low)
                .ok_or(BadMac::Form)?,
            _ => return Err(BadMac::Form),
        };
    }
    if parts.next().is_some() {
        return Err(BadMac::Form);
    }
    match mac {
        [0, 0, 0, 0, 0, 0] => Err(BadMac::Zero),
        [first, ..] if first & 1 != 0 => Err(BadMac::Multicast),
        _ => Ok(mac),
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

// SPDX-License-Identifier: GPL-2.0-only
//! Segmentation offload: a packet larger than the wire bears goes to the other end whole, with the size of the segments
//! that it stands for in an extra-info slot behind its first one.

use core::num::NonZeroU16;

use xen_sys::netif::{NetifExtraInfo, NetifGso, GSO_TYPE_TCPV4, GSO_TYPE_TCPV6};

/// The least payload of a segment that is believed. Linux makes none smaller: its MSS is at least 48
/// (`TCP_MIN_SND_MSS`), of which options take up to 40. Without a bound, a frame of 64 KiB could have our stack cut and
/// send 65 thousand packets.
pub const RECEIVED_SIZE_MIN: u16 = 8;

/// What the packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
}

/// How a packet is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// What it is.
    pub kind: Kind,
    /// Bytes of payload in each segment but the last, headers not counted.
    pub size: NonZeroU16,
}

impl Gso {
    /// Reads what a backend says about a received frame: `None` if it makes no sense.
    pub(crate) fn received(info: NetifGso) -> Option<Self> {
        let kind = match info.kind {
            GSO_TYPE_TCPV4 => Kind::TcpV4,
            GSO_TYPE_TCPV6 => Kind::TcpV6,
            _ => return None,
        };
        let size = NonZeroU16::new(info.size).filter(|size| size.get() >= RECEIVED_SIZE_MIN)?;
        Some(Self { kind, size })
    }

    /// The extra info that tells a backend.
    #[inline]
    pub(crate) const fn extra_info(self) -> NetifExtraInfo {
        NetifExtraInfo::from_gso(NetifGso {
            size: self.size.get(),
            kind: match self.kind {
                Kind::TcpV4 => GSO_TYPE_TCPV4,
                Kind::TcpV6 => GSO_TYPE_TCPV6,
            },
            features: 0,
        })
    }
}

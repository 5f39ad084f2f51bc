// SPDX-License-Identifier: GPL-2.0-only
//! The network interface's slots (`xen/include/public/io/netif.h`).
//!
//! Both rings carry packets as chains of slots, and an "extra info" descriptor may take a slot of its own, so
//! [`NetifTxSlot`] (guest to backend) and [`NetifRxSlot`] (backend to guest) are unions; which of the two a slot
//! holds is said by the slot before it.
use core::mem::{offset_of, size_of};
use zerocopy::transmute;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{generated as sys, GrantRef};

/// Slots of one packet that every backend takes.
pub const NR_SLOTS_MIN: usize = sys::XEN_NETIF_NR_SLOTS_MIN as usize;
/// Bytes of the largest packet, segmentation offload included.
pub const MAX_TX_SIZE: usize = sys::XEN_NETIF_MAX_TX_SIZE as usize;

/// The packet was taken, or given.
pub const RSP_OKAY: i16 = sys::NETIF_RSP_OKAY as i16;
/// The packet was lost to an error.
pub const RSP_ERROR: i16 = sys::NETIF_RSP_ERROR as i16;
/// The packet was dropped.
pub const RSP_DROPPED: i16 = sys::NETIF_RSP_DROPPED as i16;
/// The answer to a slot that held extra info: nothing to say.
pub const RSP_NULL: i16 = sys::NETIF_RSP_NULL as i16;

/// [`NetifExtraInfo::kind`]: segmentation offload.
pub const EXTRA_TYPE_GSO: u8 = sys::XEN_NETIF_EXTRA_TYPE_GSO as u8;
/// [`NetifExtraInfo::kind`]: listen to a multicast address.
pub const EXTRA_TYPE_MCAST_ADD: u8 = sys::XEN_NETIF_EXTRA_TYPE_MCAST_ADD as u8;
/// [`NetifExtraInfo::kind`]: stop listening to a multicast address.
pub const EXTRA_TYPE_MCAST_DEL: u8 = sys::XEN_NETIF_EXTRA_TYPE_MCAST_DEL as u8;
/// [`NetifExtraInfo::kind`]: the packet's hash.
pub const EXTRA_TYPE_HASH: u8 = sys::XEN_NETIF_EXTRA_TYPE_HASH as u8;
/// [`NetifExtraInfo::flags`]: one more extra info slot follows.
pub const EXTRA_FLAG_MORE: u8 = sys::XEN_NETIF_EXTRA_FLAG_MORE as u8;

/// [`NetifGso::kind`]: TCP over IPv4.
pub const GSO_TYPE_TCPV4: u8 = sys::XEN_NETIF_GSO_TYPE_TCPV4 as u8;
/// [`NetifGso::kind`]: TCP over IPv6.
pub const GSO_TYPE_TCPV6: u8 = sys::XEN_NETIF_GSO_TYPE_TCPV6 as u8;

/// Flags of a transmit request (`NETTXF_*`).
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct TxFlags(u16);

bitflags::bitflags! {
    impl TxFlags: u16 {
        /// The protocol checksum is still to be computed.
        const CSUM_BLANK = sys::NETTXF_csum_blank as u16;
        /// The packet's data is known to be right.
        const DATA_VALIDATED = sys::NETTXF_data_validated as u16;
        /// The packet goes on in the next request.
        const MORE_DATA = sys::NETTXF_more_data as u16;
        /// Extra info follows in the next slot.
        const EXTRA_INFO = sys::NETTXF_extra_info as u16;
    }
}

/// Flags of a receive response (`NETRXF_*`).
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct RxFlags(u16);

bitflags::bitflags! {
    impl RxFlags: u16 {
        /// The protocol checksum was checked.
        const DATA_VALIDATED = sys::NETRXF_data_validated as u16;
        /// The protocol checksum was never computed.
        const CSUM_BLANK = sys::NETRXF_csum_blank as u16;
        /// The packet goes on in the next response.
        const MORE_DATA = sys::NETRXF_more_data as u16;
        /// Extra info follows in the next slot.
        const EXTRA_INFO = sys::NETRXF_extra_info as u16;
        /// Old form of segmentation offload, never negotiated by us.
        const GSO_PREFIX = sys::NETRXF_gso_prefix as u16;
    }
}

/// A transmit request (`struct netif_tx_request`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifTxRequest {
    /// The granted page that holds the data.
    pub gref: GrantRef,
    /// Where in the page the data begins, in bytes.
    pub offset: u16,
    /// What follows, and what is known of the checksum.
    pub flags: TxFlags,
    /// Comes back in the response.
    pub id: u16,
    /// Bytes: of the whole packet in its first request, of this request's data in the others.
    pub size: u16,
}

/// A transmit response (`struct netif_tx_response`).
#[repr(C, align(4))]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifTxResponse {
    /// The request's id; meaningless if `status` is [`RSP_NULL`].
    pub id: u16,
    /// [`RSP_OKAY`], [`RSP_ERROR`], [`RSP_DROPPED`] or [`RSP_NULL`].
    pub status: i16,
}

/// A receive request: an empty page for the backend to fill (`struct netif_rx_request`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifRxRequest {
    /// Comes back in the response.
    pub id: u16,
    pad: u16,
    /// The granted page.
    pub gref: GrantRef,
}

impl NetifRxRequest {
    /// Offers the page granted as `gref`.
    #[inline]
    pub const fn new(id: u16, gref: GrantRef) -> Self {
        Self { id, pad: 0, gref }
    }
}

/// A receive response: a page with a packet or a part of one (`struct netif_rx_response`).
#[repr(C, align(4))]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifRxResponse {
    /// The request's id.
    pub id: u16,
    /// Where in the page the data begins, in bytes.
    pub offset: u16,
    /// What follows, and what is known of the checksum.
    pub flags: RxFlags,
    /// Bytes of data in this page, or a negative status.
    pub status: i16,
}

/// An extra info descriptor (`struct netif_extra_info`).
#[repr(C, align(4))]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifExtraInfo {
    /// `EXTRA_TYPE_*`.
    pub kind: u8,
    /// [`EXTRA_FLAG_MORE`] or 0.
    pub flags: u8,
    /// What `kind` says.
    pub data: [u8; 6],
}

/// Segmentation offload: the part of an extra info descriptor of kind [`EXTRA_TYPE_GSO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetifGso {
    /// Bytes of payload in each segment, headers not counted.
    pub size: u16,
    /// [`GSO_TYPE_TCPV4`] or [`GSO_TYPE_TCPV6`].
    pub kind: u8,
    /// No feature is defined: 0.
    pub features: u16,
}

impl NetifExtraInfo {
    /// The descriptor of a packet to be segmented.
    #[inline]
    pub const fn from_gso(gso: NetifGso) -> Self {
        let [size0, size1] = gso.size.to_le_bytes();
        let [features0, features1] = gso.features.to_le_bytes();
        Self {
            kind: EXTRA_TYPE_GSO,
            flags: 0,
            data: [size0, size1, gso.kind, 0, features0, features1],
        }
    }

    /// What a descriptor of kind [`EXTRA_TYPE_GSO`] says, `None` for any other kind.
    #[inline]
    pub const fn gso(&self) -> Option<NetifGso> {
        if self.kind != EXTRA_TYPE_GSO {
            return None;
        }
        let [size0, size1, kind, _, features0, features1] = self.data;
        Some(NetifGso {
            size: u16::from_le_bytes([size0, size1]),
            kind,
            features: u16::from_le_bytes([features0, features1]),
        })
    }

    /// Whether one more extra info slot follows.
    #[inline]
    pub const fn has_more(&self) -> bool {
        self.flags & EXTRA_FLAG_MORE != 0
    }
}

/// A slot of the transmit ring on its way to the backend, every byte defined.
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifTxSlot([u32; 3]);

impl NetifTxSlot {
    /// The slot read as a request.
    #[inline]
    pub fn as_request(&self) -> NetifTxRequest {
        transmute!(*self)
    }

    /// The slot read as extra info.
    #[inline]
    pub fn as_extra_info(&self) -> NetifExtraInfo {
        let [first, second, _] = self.0;
        transmute!([first, second])
    }
}

impl From<NetifTxRequest> for NetifTxSlot {
    #[inline]
    fn from(request: NetifTxRequest) -> Self {
        transmute!(request)
    }
}

impl From<NetifExtraInfo> for NetifTxSlot {
    #[inline]
    fn from(extra: NetifExtraInfo) -> Self {
        let [first, second]: [u32; 2] = transmute!(extra);
        Self([first, second, 0])
    }
}

/// A slot of the receive ring on its way from the backend.
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetifRxSlot([u32; 2]);

impl NetifRxSlot {
    /// The slot read as a response.
    #[inline]
    pub fn as_response(&self) -> NetifRxResponse {
        transmute!(*self)
    }

    /// The slot read as extra info.
    #[inline]
    pub fn as_extra_info(&self) -> NetifExtraInfo {
        transmute!(*self)
    }
}

impl From<NetifRxResponse> for NetifRxSlot {
    #[inline]
    fn from(response: NetifRxResponse) -> Self {
        transmute!(response)
    }
}

impl From<NetifExtraInfo> for NetifRxSlot {
    #[inline]
    fn from(extra: NetifExtraInfo) -> Self {
        transmute!(extra)
    }
}

/// Asserts that our type has the size of the C structure and its fields the same places.
macro_rules! same_layout {
    ($ours:ty, $theirs:ty: $($our:ident = $their:ident),* $(,)?) => {
        const _: () = {
            assert!(size_of::<$ours>() == size_of::<$theirs>());
            $(assert!(offset_of!($ours, $our) == offset_of!($theirs, $their));)*
        };
    };
}

same_layout!(NetifTxRequest, sys::netif_tx_request: gref = gref, offset = offset, flags = flags, id = id, size = size);
same_layout!(NetifTxResponse, sys::netif_tx_response: id = id, status = status);
same_layout!(NetifRxRequest, sys::netif_rx_request: id = id, gref = gref);
same_layout!(NetifRxResponse, sys::netif_rx_response: id = id, offset = offset, flags = flags, status = status);
same_layout!(NetifExtraInfo, sys::netif_extra_info: kind = type_, flags = flags, data = u);
const _: () = assert!(size_of::<NetifTxSlot>() == size_of::<sys::netif_tx_request>());
const _: () = assert!(size_of::<NetifRxSlot>() == size_of::<sys::netif_rx_response>());

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn tx_slots() {
        let request = NetifTxRequest {
            gref: GrantRef(0x0102_0304),
            offset: 0x0506,
            flags: TxFlags::CSUM_BLANK | TxFlags::EXTRA_INFO,
            id: 0x0708,
            size: 0x090a,
        };
        let slot = NetifTxSlot::from(request);
        assert_eq!(slot.as_request(), request);
        assert_eq!(slot.as_bytes(), &[4, 3, 2, 1, 6, 5, 9, 0, 8, 7, 0x0a, 0x09]);
    }

    #[test]
    fn extra_info() {
        let gso = NetifGso {
            size: 1448,
            kind: GSO_TYPE_TCPV4,
            features: 0,
        };
        let extra = NetifExtraInfo::from_gso(gso);
        assert_eq!(extra.gso(), Some(gso));
        assert!(!extra.has_more());
        assert_eq!(NetifTxSlot::from(extra).as_extra_info(), extra);
        assert_eq!(NetifRxSlot::from(extra).as_extra_info(), extra);
        assert_eq!(extra.as_bytes(), &[1, 0, 0xa8, 0x05, 1, 0, 0, 0]);
        let hash = NetifExtraInfo {
            kind: EXTRA_TYPE_HASH,
            flags: EXTRA_FLAG_MORE,
            data: [0; 6],
        };
        assert_eq!(hash.gso(), None);
        assert!(hash.has_more());
    }

    #[test]
    fn rx_slots() {
        let response = NetifRxResponse {
            id: 3,
            offset: 2,
            flags: RxFlags::MORE_DATA,
            status: -1,
        };
        let slot = NetifRxSlot::from(response);
        assert_eq!(slot.as_response(), response);
        assert_eq!(slot.as_bytes(), &[3, 0, 2, 0, 4, 0, 0xff, 0xff]);
        let request = NetifRxRequest::new(7, GrantRef(8));
        assert_eq!(request.as_bytes(), &[7, 0, 0, 0, 8, 0, 0, 0]);
    }
}

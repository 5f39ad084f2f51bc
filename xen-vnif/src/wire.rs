// SPDX-License-Identifier: GPL-2.0-only
//! What a slot of the two rings holds (`xen/include/public/io/netif.h`).
//!
//! Every struct here covers each of its bytes: nothing uninitialised can leave the guest in a slot (XSA-216).
//! A slot read back is just numbers; [`crate::rx`] and [`crate::tx`] decide what to believe.

use bitflags::bitflags;

/// Most bytes one packet may have on either ring (`XEN_NETIF_MAX_TX_SIZE`): the size field has 16 bits.
pub const PACKET_MAX: u32 = 0xffff;

/// Slots of one packet that each backend must take (`XEN_NETIF_NR_SLOTS_MIN`).
pub const PACKET_SLOTS_MAX: usize = 18;

/// Bytes of a granted page.
pub const PAGE_SIZE: u32 = 4096;

/// Bytes of an Ethernet header: no packet is shorter.
pub const ETH_HLEN: u32 = 14;

bitflags! {
    /// `flags` of a transmit request (`XEN_NETTXF_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TxFlags: u16 {
        /// The protocol checksum is not filled in (`XEN_NETTXF_csum_blank`).
        const CSUM_BLANK = 1;
        /// The payload is known to be intact (`XEN_NETTXF_data_validated`).
        const DATA_VALIDATED = 2;
        /// The packet goes on in the next slot (`XEN_NETTXF_more_data`).
        const MORE_DATA = 4;
        /// An extra-info slot follows (`XEN_NETTXF_extra_info`).
        const EXTRA_INFO = 8;
    }
}

bitflags! {
    /// `flags` of a receive response (`XEN_NETRXF_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RxFlags: u16 {
        /// The backend has checked the protocol checksum (`XEN_NETRXF_data_validated`).
        const DATA_VALIDATED = 1;
        /// The protocol checksum is not filled in (`XEN_NETRXF_csum_blank`).
        const CSUM_BLANK = 2;
        /// The packet goes on in the next slot (`XEN_NETRXF_more_data`).
        const MORE_DATA = 4;
        /// An extra-info slot follows (`XEN_NETRXF_extra_info`).
        const EXTRA_INFO = 8;
        /// This slot is the old GSO prefix, which carries no data (`XEN_NETRXF_gso_prefix`).
        const GSO_PREFIX = 16;
    }
}

/// A transmit request (`struct xen_netif_tx_request`, 12 bytes).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxRequest {
    /// Grant of the page that holds the data.
    pub gref: u32,
    /// First byte within the page.
    pub offset: u16,
    /// [`TxFlags`].
    pub flags: u16,
    /// Echoed in the response.
    pub id: u16,
    /// Bytes: of the whole packet in its first slot, of this slot in the others.
    pub size: u16,
}

/// A transmit response (`struct xen_netif_tx_response`, 4 bytes).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxResponse {
    /// The request's id.
    pub id: u16,
    /// `XEN_NETIF_RSP_*`.
    pub status: i16,
}

impl TxResponse {
    /// Status of a packet that was taken (`XEN_NETIF_RSP_OKAY`).
    pub const OKAY: i16 = 0;
    /// Status of a packet that the backend could not send (`XEN_NETIF_RSP_ERROR`).
    pub const ERROR: i16 = -1;
    /// Status of a packet that the backend chose not to send (`XEN_NETIF_RSP_DROPPED`).
    pub const DROPPED: i16 = -2;
}

/// A receive request: a page for the backend to fill (`struct xen_netif_rx_request`, 8 bytes).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxRequest {
    /// Echoed in the response.
    pub id: u16,
    /// Zero.
    pub pad: u16,
    /// Grant of the page, writable for the backend.
    pub gref: u32,
}

/// A receive response (`struct xen_netif_rx_response`, 8 bytes), which may be an [`Extra`] instead.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxResponse {
    /// The request's id.
    pub id: u16,
    /// First byte within the page.
    pub offset: u16,
    /// [`RxFlags`].
    pub flags: u16,
    /// Bytes of this slot, or an `XEN_NETIF_RSP_*` error below zero.
    pub status: i16,
}

/// What the frontend needs of an extra-info slot (`struct xen_netif_extra_info`, 8 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// `XEN_NETIF_EXTRA_TYPE_*`.
    pub kind: u8,
    /// Another extra-info slot follows (`XEN_NETIF_EXTRA_FLAG_MORE`).
    pub more: bool,
}

impl Extra {
    /// Segmentation information (`XEN_NETIF_EXTRA_TYPE_GSO`).
    pub const GSO: u8 = 1;
    /// The highest type that is defined (`XEN_NETIF_EXTRA_TYPE_XDP` of Linux's header).
    pub const KIND_MAX: u8 = 5;
    const FLAG_MORE: u8 = 1;
}

impl RxResponse {
    /// Reads the slot as extra info: its type and flags are where a response has its id.
    #[must_use]
    pub const fn as_extra(self) -> Extra {
        let [kind, flags] = self.id.to_le_bytes();
        Extra {
            kind,
            more: flags & Extra::FLAG_MORE != 0,
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Xenstore's wire format and ring page (`xen/include/public/io/xs_wire.h`).
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::generated as sys;

/// Bytes of the request ring, and of the reply ring.
pub const RING_SIZE: usize = sys::XENSTORE_RING_SIZE as usize;
/// The longest payload of a message, in bytes, the header not counted.
pub const PAYLOAD_MAX: usize = sys::XENSTORE_PAYLOAD_MAX as usize;
/// The longest absolute path, in bytes, its NUL not counted.
pub const ABS_PATH_MAX: usize = sys::XENSTORE_ABS_PATH_MAX as usize;
/// The longest relative path, in bytes, its NUL not counted.
pub const REL_PATH_MAX: usize = sys::XENSTORE_REL_PATH_MAX as usize;

/// Places in the ring page (`struct xenstore_domain_interface`), in bytes.
pub mod interface {
    use super::*;

    /// Requests, guest to xenstored.
    pub const REQ: usize = offset_of!(sys::xenstore_domain_interface, req);
    /// Replies and watch events, xenstored to guest.
    pub const RSP: usize = offset_of!(sys::xenstore_domain_interface, rsp);
    /// Consumer index of the request ring; xenstored writes it.
    pub const REQ_CONS: usize = offset_of!(sys::xenstore_domain_interface, req_cons);
    /// Producer index of the request ring; the guest writes it.
    pub const REQ_PROD: usize = offset_of!(sys::xenstore_domain_interface, req_prod);
    /// Consumer index of the reply ring; the guest writes it.
    pub const RSP_CONS: usize = offset_of!(sys::xenstore_domain_interface, rsp_cons);
    /// Producer index of the reply ring; xenstored writes it.
    pub const RSP_PROD: usize = offset_of!(sys::xenstore_domain_interface, rsp_prod);
    /// `SERVER_FEATURE_*` bits.
    pub const SERVER_FEATURES: usize = offset_of!(sys::xenstore_domain_interface, server_features);
    /// `CONNECTED` or `RECONNECT`.
    pub const CONNECTION: usize = offset_of!(sys::xenstore_domain_interface, connection);
    /// `ERROR_*`.
    pub const ERROR: usize = offset_of!(sys::xenstore_domain_interface, error);
}

/// xenstored can reset the ring at the guest's wish.
pub const SERVER_FEATURE_RECONNECTION: u32 = sys::XENSTORE_SERVER_FEATURE_RECONNECTION;
/// xenstored tells its errors in the ring page.
pub const SERVER_FEATURE_ERROR: u32 = sys::XENSTORE_SERVER_FEATURE_ERROR;
/// `connection`: all is well.
pub const CONNECTED: u32 = sys::XENSTORE_CONNECTED;
/// `connection`: the guest asked for a reset, which is not done yet.
pub const RECONNECT: u32 = sys::XENSTORE_RECONNECT;

/// A message's header (`struct xsd_sockmsg`).
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct XsdSockmsg {
    /// The operation, see [`MessageType`].
    pub kind: u32,
    /// Chosen by who asks; comes back in the reply. 0 in a watch event.
    pub req_id: u32,
    /// The transaction, 0 for none.
    pub tx_id: u32,
    /// Bytes that follow.
    pub len: u32,
}

const _: () = {
    assert!(size_of::<XsdSockmsg>() == size_of::<sys::xsd_sockmsg>());
    assert!(offset_of!(XsdSockmsg, kind) == offset_of!(sys::xsd_sockmsg, type_));
    assert!(offset_of!(XsdSockmsg, req_id) == offset_of!(sys::xsd_sockmsg, req_id));
    assert!(offset_of!(XsdSockmsg, tx_id) == offset_of!(sys::xsd_sockmsg, tx_id));
    assert!(offset_of!(XsdSockmsg, len) == offset_of!(sys::xsd_sockmsg, len));
};

/// Declares the message types that a guest may send or receive.
macro_rules! message_types {
    ($($name:ident = $value:ident, $doc:literal;)*) => {
        /// What a message is (`enum xsd_sockmsg_type`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum MessageType {
            $(#[doc = $doc] $name = sys::$value,)*
        }

        impl MessageType {
            /// The type with this number, `None` for one that no guest should see.
            #[inline]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $(sys::$value => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

message_types! {
    Control = XS_CONTROL, "Control of xenstored; refused to guests.";
    Directory = XS_DIRECTORY, "Names of a node's children.";
    Read = XS_READ, "A node's value.";
    GetPerms = XS_GET_PERMS, "A node's permissions.";
    Watch = XS_WATCH, "Begin to watch a node.";
    Unwatch = XS_UNWATCH, "End to watch a node.";
    TransactionStart = XS_TRANSACTION_START, "Begin a transaction.";
    TransactionEnd = XS_TRANSACTION_END, "Commit or abandon a transaction.";
    Introduce = XS_INTRODUCE, "Make a domain known; for dom0.";
    Release = XS_RELEASE, "Forget a domain; for dom0.";
    GetDomainPath = XS_GET_DOMAIN_PATH, "A domain's home.";
    Write = XS_WRITE, "Set a node's value.";
    Mkdir = XS_MKDIR, "Make a node.";
    Rm = XS_RM, "Remove a node and what is below.";
    SetPerms = XS_SET_PERMS, "Set a node's permissions.";
    WatchEvent = XS_WATCH_EVENT, "A watch has fired; never asked for.";
    Error = XS_ERROR, "The answer to a request that failed: the error's name.";
    IsDomainIntroduced = XS_IS_DOMAIN_INTRODUCED, "Whether a domain is known.";
    Resume = XS_RESUME, "For dom0.";
    SetTarget = XS_SET_TARGET, "For dom0.";
    ResetWatches = XS_RESET_WATCHES, "Forget all watches and transactions of the guest.";
    DirectoryPart = XS_DIRECTORY_PART, "Names of a node's children, from an offset on.";
}

impl MessageType {
    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The store's error names (`xsd_errors` in `xen/include/public/io/xs_wire.h`).
//!
//! The store hands errors over as text, since errno numbers differ between the systems that talk
//! to it. The numbers here are Linux's, positive, as in `asm-generic/errno*.h`.

/// Linux's number, positive, for a request that belongs to a connection which was begun anew (`ESTALE`). The store never
/// says so: it does not hear of such a request.
pub const STALE: i32 = 116;

/// Defines the errors from one table: variant, name on the wire, Linux's number.
macro_rules! store_errors {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $errno:literal;)*) => {
        /// Why the store refused a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum StoreError {
            $($(#[$doc])* $variant,)*
        }

        impl StoreError {
            /// Every error, for tables and tests.
            pub const ALL: &'static [StoreError] = &[$(StoreError::$variant,)*];

            /// The error's name on the wire, without the terminating NUL.
            pub fn name(self) -> &'static str {
                match self { $(StoreError::$variant => $name,)* }
            }

            /// Linux's number for the error, positive.
            pub fn errno(self) -> i32 {
                match self { $(StoreError::$variant => $errno,)* }
            }
        }
    };
}

store_errors! {
    /// The request or its arguments make no sense to the store.
    Invalid = "EINVAL", 22;
    /// No permission for this node.
    Access = "EACCES", 13;
    /// The node or watch is there already.
    Exists = "EEXIST", 17;
    /// The node is a directory.
    IsDirectory = "EISDIR", 21;
    /// No such node, watch or transaction.
    NotFound = "ENOENT", 2;
    /// The store is out of memory.
    NoMemory = "ENOMEM", 12;
    /// A quota of this domain is used up.
    NoSpace = "ENOSPC", 28;
    /// The store's data base is damaged.
    Io = "EIO", 5;
    /// The directory has children.
    NotEmpty = "ENOTEMPTY", 39;
    /// The store does not know the operation.
    NotImplemented = "ENOSYS", 38;
    /// The store takes no writes.
    ReadOnly = "EROFS", 30;
    /// The store is busy, or a transaction of that id runs.
    Busy = "EBUSY", 16;
    /// The transaction met another's writes: do it again.
    Again = "EAGAIN", 11;
    /// The domain is introduced already.
    IsConnected = "EISCONN", 106;
    /// The reply does not fit one message.
    TooBig = "E2BIG", 7;
    /// The operation is not for this domain.
    NotPermitted = "EPERM", 1;
}

impl StoreError {
    /// The error that Linux's number (positive) stands for. One that the store does not have is
    /// [`StoreError::Io`]: it was the way to the store that failed.
    pub fn from_errno(errno: i32) -> StoreError {
        Self::ALL
            .iter()
            .copied()
            .find(|error| error.errno() == errno)
            .unwrap_or(StoreError::Io)
    }

    /// The error a reply of type `XS_ERROR` names. A name that is not in the list, or one without
    /// its NUL, counts as [`StoreError::Invalid`], as in every other client.
    pub fn from_payload(payload: &[u8]) -> StoreError {
        let name = payload.strip_suffix(b"\0").unwrap_or(payload);
        Self::ALL
            .iter()
            .copied()
            .find(|error| error.name().as_bytes() == name)
            .unwrap_or(StoreError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_with_and_without_nul() {
        for error in StoreError::ALL {
            let name = error.name();
            assert_eq!(StoreError::from_payload(name.as_bytes()), *error);
            assert_eq!(
                StoreError::from_payload(std::format!("{name}\0").as_bytes()),
                *error
            );
        }
    }

    #[test]
    fn nonsense_is_invalid() {
        for payload in [
            &b""[..],
            b"\0",
            b"ENOENTX\0",
            b"enoent\0",
            b"ENOENT\0\0",
            &[0xff; 40],
        ] {
            assert_eq!(StoreError::from_payload(payload), StoreError::Invalid);
        }
    }

    #[test]
    fn numbers_are_distinct_and_positive() {
        assert_eq!(StoreError::from_errno(110), StoreError::Io);
        for (i, a) in StoreError::ALL.iter().enumerate() {
            assert!(a.errno() > 0);
            assert_eq!(StoreError::from_errno(a.errno()), *a);
            assert!(StoreError::ALL
                .iter()
                .skip(i + 1)
                .all(|b| b.errno() != a.errno()));
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Xen's error numbers.
use core::fmt;

use crate::generated as sys;

/// An error that Xen returned: a negative number of `xen/include/public/errno.h`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct XenError(i32);

/// Declares the named errors, and their names for people.
macro_rules! errors {
    ($($name:ident = $value:ident, $text:literal;)*) => {
        impl XenError {
            $(
                #[doc = concat!($text, " (`", stringify!($value), "`).")]
                pub const $name: Self = Self(-(sys::$value as i32));
            )*

            /// The error's name and meaning, or `None` for a number without a name here.
            pub const fn name(self) -> Option<&'static str> {
                $(
                    if self.0 == Self::$name.0 {
                        return Some(concat!(stringify!($name), ": ", $text));
                    }
                )*
                None
            }
        }
    };
}

errors! {
    EPERM = XEN_EPERM, "operation not permitted";
    ENOENT = XEN_ENOENT, "no such thing";
    ESRCH = XEN_ESRCH, "no such domain";
    EIO = XEN_EIO, "I/O error";
    ENXIO = XEN_ENXIO, "no such device or address";
    E2BIG = XEN_E2BIG, "argument list too long";
    EAGAIN = XEN_EAGAIN, "try again";
    ENOMEM = XEN_ENOMEM, "out of memory";
    EACCES = XEN_EACCES, "permission denied";
    EFAULT = XEN_EFAULT, "bad address";
    EBUSY = XEN_EBUSY, "busy";
    EEXIST = XEN_EEXIST, "already exists";
    ENODEV = XEN_ENODEV, "no such device";
    EINVAL = XEN_EINVAL, "invalid argument";
    ENOSPC = XEN_ENOSPC, "no space left";
    ERANGE = XEN_ERANGE, "out of range";
    ENOSYS = XEN_ENOSYS, "not implemented by this Xen";
    EOVERFLOW = XEN_EOVERFLOW, "value too large";
    EOPNOTSUPP = XEN_EOPNOTSUPP, "operation not supported";
    EISCONN = XEN_EISCONN, "already connected";
    ENOTCONN = XEN_ENOTCONN, "not connected";
    ETIMEDOUT = XEN_ETIMEDOUT, "timed out";
}

impl XenError {
    /// Reads a hypercall's return value: a negative one is the error, anything else the result.
    ///
    /// A negative value outside Linux's range of error numbers is [`XenError::EIO`]: Xen has none there.
    #[inline]
    pub const fn from_return(value: i64) -> Result<u64, Self> {
        if value >= 0 {
            Ok(value as u64)
        } else if value >= -Self::MAX_ERRNO {
            Err(Self(value as i32))
        } else {
            Err(Self::EIO)
        }
    }

    /// The error of a grant table status (`GNTST_*`, `xen/include/public/grant_table.h`), `Ok` for a
    /// status that reports none.
    pub const fn from_grant_status(status: i16) -> Result<(), Self> {
        if status >= 0 {
            return Ok(());
        }
        Err(match status as i32 {
            sys::GNTST_bad_domain => Self::ESRCH,
            sys::GNTST_permission_denied => Self::EPERM,
            sys::GNTST_no_device_space | sys::GNTST_no_space => Self::ENOSPC,
            sys::GNTST_address_too_big => Self::ERANGE,
            sys::GNTST_eagain => Self::EAGAIN,
            sys::GNTST_bad_gntref
            | sys::GNTST_bad_handle
            | sys::GNTST_bad_virt_addr
            | sys::GNTST_bad_dev_addr
            | sys::GNTST_bad_page
            | sys::GNTST_bad_copy_arg => Self::EINVAL,
            _ => Self::EIO,
        })
    }

    /// Linux's error number, negative, ready for `kernel::error::Error::from_errno`.
    ///
    /// The numbers are the same: Xen took its from x86 Linux and promises them as ABI.
    pub const fn to_errno(self) -> i32 {
        self.0
    }

    /// Linux's `MAX_ERRNO`.
    const MAX_ERRNO: i64 = 4095;
}

impl fmt::Debug for XenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for XenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "Xen error {}", self.0),
        }
    }
}

impl core::error::Error for XenError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn return_values() {
        assert_eq!(XenError::from_return(0), Ok(0));
        assert_eq!(XenError::from_return(0x40014), Ok(0x40014));
        assert_eq!(XenError::from_return(-22), Err(XenError::EINVAL));
        assert_eq!(XenError::from_return(-4095), Err(XenError(-4095)));
        assert_eq!(XenError::from_return(-4096), Err(XenError::EIO));
        assert_eq!(XenError::from_return(i64::MIN), Err(XenError::EIO));
    }

    #[test]
    fn grant_statuses() {
        assert_eq!(XenError::from_grant_status(0), Ok(()));
        assert_eq!(XenError::from_grant_status(-1), Err(XenError::EIO));
        assert_eq!(XenError::from_grant_status(-12), Err(XenError::EAGAIN));
        assert_eq!(XenError::from_grant_status(-13), Err(XenError::ENOSPC));
        assert_eq!(XenError::from_grant_status(i16::MIN), Err(XenError::EIO));
    }

    #[test]
    fn numbers_are_linux_numbers() {
        assert_eq!(XenError::ENOSYS.to_errno(), -38);
        assert_eq!(
            XenError::ENOSYS.to_string(),
            "ENOSYS: not implemented by this Xen (-38)"
        );
        assert_eq!(
            XenError::from_return(-122).unwrap_err().to_string(),
            "Xen error -122"
        );
    }
}

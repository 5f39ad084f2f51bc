// SPDX-License-Identifier: GPL-2.0-only
//! What Xen says about itself (`XENVER_*`, `xen/include/public/version.h`).
use core::fmt::{self, Write};

use crate::Result;

/// Text that Xen has written into a field of `N` bytes: what comes before the first NUL, or the whole field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<const N: usize>(pub [u8; N]);

/// Printed, everything but printable ASCII is a question mark: it ends up in files that programs read line by line.
impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |byte: u8| matches!(byte, b' '..=b'~');
        self.0
            .iter()
            .take_while(|byte| **byte != 0)
            .map(|byte| if printable(*byte) { *byte } else { b'?' })
            .try_for_each(|byte| f.write_char(char::from(byte)))
    }
}

/// How Xen was compiled (`struct xen_compile_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileInfo {
    /// By which compiler.
    pub compiler: Text<64>,
    /// By which user.
    pub compile_by: Text<16>,
    /// On which day.
    pub compile_date: Text<32>,
}

/// Xen's build id, as long as Xen says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildId {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl BuildId {
    /// The longest one that is shown; linkers make 20 bytes of SHA-1, or what they are told.
    pub const MAX: usize = 64;

    /// The first `len` of `bytes`, or `None` if there are not so many.
    pub fn new(bytes: [u8; Self::MAX], len: usize) -> Option<Self> {
        (len <= Self::MAX).then_some(Self { bytes, len })
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes
            .iter()
            .take(self.len)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The domain's UUID (`xen_domain_handle_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainHandle(pub [u8; 16]);

impl fmt::Display for DomainHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_char('-')?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Questions to Xen about itself. They change nothing.
pub trait About {
    /// What follows the version's numbers (`XENVER_extraversion`).
    fn extra_version(&self) -> Result<Text<16>>;
    /// How Xen was compiled (`XENVER_compile_info`).
    fn compile_info(&self) -> Result<CompileInfo>;
    /// The kinds of guests that Xen can run (`XENVER_capabilities`).
    fn capabilities(&self) -> Result<Text<1024>>;
    /// Where Xen's sources were in their history (`XENVER_changeset`).
    fn changeset(&self) -> Result<Text<64>>;
    /// Where Xen's own part of a PV guest's address space begins (`XENVER_platform_parameters`).
    fn virtual_start(&self) -> Result<u64>;
    /// Bytes of Xen's pages (`XENVER_pagesize`).
    fn page_size(&self) -> Result<u64>;
    /// A word of the features that this guest has (`XENVER_get_features`, `XENFEAT_*`).
    fn features(&self, submap: u32) -> Result<u32>;
    /// The domain's UUID (`XENVER_guest_handle`).
    fn domain_handle(&self) -> Result<DomainHandle>;
    /// Which build of Xen this is (`XENVER_build_id`); `EPERM` where guests are not to know.
    fn build_id(&self) -> Result<BuildId>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_ends_at_the_first_nul_or_with_its_field() {
        for (bytes, text) in [
            (*b"abc\0def\0", "abc"),
            (*b"abcdefgh", "abcdefgh"),
            (*b"\0bcdefgh", ""),
            (*b"a\nb\x1b\xff~ \0", "a?b??~ "),
        ] {
            assert_eq!(Text(bytes).to_string(), text);
        }
    }

    #[test]
    fn a_build_id_is_not_longer_than_its_room() {
        let bytes = [0xa5; BuildId::MAX];
        assert_eq!(BuildId::new(bytes, 3).unwrap().to_string(), "a5a5a5");
        assert_eq!(BuildId::new(bytes, 0).unwrap().to_string(), "");
        assert_eq!(
            BuildId::new(bytes, BuildId::MAX).unwrap().to_string().len(),
            2 * BuildId::MAX
        );
        assert_eq!(BuildId::new(bytes, BuildId::MAX + 1), None);
    }

    #[test]
    fn a_handle_prints_as_a_uuid() {
        let bytes = core::array::from_fn(|index| index as u8 * 0x11);
        assert_eq!(
            DomainHandle(bytes).to_string(),
            "00112233-4455-6677-8899-aabbccddeeff"
        );
    }
}

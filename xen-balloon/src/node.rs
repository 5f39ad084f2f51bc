// SPDX-License-Identifier: GPL-2.0-only
//! Numbers that other people write: xenstore nodes and sysfs files.

use crate::{PAGE_KIB, PAGE_SIZE};
use core::ops::Deref;

/// The most pages that a number may mean: a guest-physical address has no more than 52 bits.
const PAGES_MAX: u64 = 1 << 40;

/// A node such as `memory/target` or `memory/static-max`: plain decimal KiB, as pages. `None` for anything else, and
/// for more memory than a machine can have.
#[must_use]
pub fn pages_of_kib(text: &[u8]) -> Option<u64> {
    let pages = decimal(text)? / PAGE_KIB;
    (pages <= PAGES_MAX).then_some(pages)
}

/// Of several nodes that may say the same, what the first one that is there and makes sense says; `None` when there is
/// no such node.
///
/// # Errors
/// That of a node which could not be read: whether it is there is not known then.
pub fn first_pages_of_kib<T: Deref<Target = [u8]>, E>(
    nodes: impl IntoIterator<Item = Result<Option<T>, E>>,
) -> Result<Option<u64>, E> {
    for node in nodes {
        if let Some(pages) = node?.and_then(|text| pages_of_kib(&text)) {
            return Ok(Some(pages));
        }
    }
    Ok(None)
}

/// What was written to the sysfs file `target_kb`: as [`pages_of_kib`], with a newline allowed.
#[must_use]
pub fn pages_of_kib_line(line: &[u8]) -> Option<u64> {
    pages_of_kib(line.trim_ascii())
}

/// What was written to the sysfs file `target`: bytes, with a suffix K, M, G or T allowed, as pages.
#[must_use]
pub fn pages_of_bytes_line(line: &[u8]) -> Option<u64> {
    let text = line.trim_ascii();
    let (digits, shift) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 10),
        (b'm' | b'M', digits) => (digits, 20),
        (b'g' | b'G', digits) => (digits, 30),
        (b't' | b'T', digits) => (digits, 40),
        _ => (text, 0),
    };
    let bytes = decimal(digits)?.checked_mul(1 << shift)?;
    let pages = bytes / PAGE_SIZE;
    (pages <= PAGES_MAX).then_some(pages)
}

/// What was written to one of the other sysfs files: a decimal number with a newline allowed.
#[must_use]
pub fn number_line(line: &[u8]) -> Option<u32> {
    decimal(line.trim_ascii())?.try_into().ok()
}

/// A plain decimal number without sign or blanks.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

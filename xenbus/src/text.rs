// SPDX-License-Identifier: GPL-2.0-only
//! What nodes and replies hold: numbers in decimal, lists of NUL-ended strings.

use crate::wire::PAYLOAD_MAX;
use xen_sys::{Domid, XenbusState};

/// Reads an unsigned decimal number, strictly: digits only, no sign, no blanks, no NUL, in range.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads a number as [`parse_u64`] does, in 32 bits.
pub fn parse_u32(text: &[u8]) -> Option<u32> {
    parse_u64(text).and_then(|value| u32::try_from(value).ok())
}

/// First number that names no domain of its own (`DOMID_FIRST_RESERVED` in
/// `xen/include/public/xen.h`).
const DOMID_FIRST_RESERVED: u16 = 0x7ff0;

/// Reads the number of a domain that can hold a backend.
pub fn parse_domid(text: &[u8]) -> Option<Domid> {
    parse_u64(text)
        .and_then(|value| u16::try_from(value).ok())
        .filter(|value| *value < DOMID_FIRST_RESERVED)
        .map(Domid)
}

/// Reads a `state` node. `None` for anything that is no state's number.
pub fn parse_state(text: &[u8]) -> Option<XenbusState> {
    parse_u32(text).and_then(XenbusState::from_number)
}

/// The strings of a reply that is a list, each ended by a NUL. A last string without its NUL is
/// still a string; empty ones are left out.
pub fn strings(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    payload
        .split(|byte| *byte == 0)
        .filter(|string| !string.is_empty())
}

/// The first two strings of a payload, both ended by NULs: a watch event's path and token.
pub fn pair(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut strings = payload.strip_suffix(b"\0")?.splitn(2, |byte| *byte == 0);
    let (first, second) = (strings.next()?, strings.next()?);
    (!first.is_empty() && !second.contains(&0)).then_some((first, second))
}

/// Reads the id that a transaction begins with (the reply to
/// [`TransactionStart`](crate::wire::Operation::TransactionStart)). 0 means "no transaction" and
/// is refused.
pub fn transaction_id(payload: &[u8]) -> Option<u32> {
    parse_u32(payload.strip_suffix(b"\0").unwrap_or(payload)).filter(|id| *id != 0)
}

/// One piece of a directory too long for one message (reply to
/// [`DirectoryPart`](crate::wire::Operation::DirectoryPart)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryPiece<'a> {
    /// Changes whenever the directory does: pieces of different generations do not fit.
    pub generation: u64,
    /// Names, each ended by a NUL.
    pub names: &'a [u8],
    /// Nothing follows this piece.
    pub last: bool,
}

/// Takes a piece of a directory apart. `None` when the reply has not the shape of one, or would
/// never come to an end.
pub fn directory_piece(payload: &[u8]) -> Option<DirectoryPiece<'_>> {
    let nul = payload.iter().position(|byte| *byte == 0)?;
    let generation = parse_u64(payload.get(..nul)?)?;
    let rest = payload.get(nul.checked_add(1)?..)?;
    let (names, last) = match rest {
        [0] => (&[][..], true),
        [names @ .., 0, 0] => (rest.get(..names.len().checked_add(1)?)?, true),
        [.., 0] => (rest, false),
        _ => return None,
    };
    Some(DirectoryPiece {
        generation,
        names,
        last,
    })
}

/// Longest directory that is taken piece by piece, in bytes: bounds what a store can make a guest
/// hold.
pub const DIRECTORY_MAX: usize = 64 * PAYLOAD_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{format, vec, vec::Vec};

    #[test]
    fn numbers_are_strict() {
        assert_eq!(parse_u64(b"0"), Some(0));
        assert_eq!(parse_u64(b"007"), Some(7));
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "18446744073709551616",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1\0",
            "0x10",
            "١",
        ] {
            assert_eq!(parse_u64(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_u32(b"4294967296"), None);
    }

    #[test]
    fn domids_and_states() {
        assert_eq!(parse_domid(b"0"), Some(Domid(0)));
        assert_eq!(parse_domid(b"32751"), Some(Domid(32751)));
        for bad in [&b"32752"[..], b"65535", b"65536", b"-1"] {
            assert_eq!(parse_domid(bad), None);
        }
        assert_eq!(parse_state(b"4"), Some(XenbusState::Connected));
        for bad in [&b"9"[..], b"", b"4294967300", b"Connected"] {
            assert_eq!(parse_state(bad), None);
        }
    }

    #[test]
    fn transaction_ids() {
        assert_eq!(transaction_id(b"17\0"), Some(17));
        assert_eq!(transaction_id(b"17"), Some(17));
        for bad in [&b"0\0"[..], b"", b"\0", b"4294967296\0", b"1\0\0"] {
            assert_eq!(transaction_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pairs() {
        assert_eq!(pair(b"a/b\0tok\0"), Some((&b"a/b"[..], &b"tok"[..])));
        assert_eq!(pair(b"a\0\0"), Some((&b"a"[..], &b""[..])));
        for bad in [
            &b""[..],
            b"\0",
            b"a\0",
            b"a\0b",
            b"a\0b\0c\0",
            b"\0b\0",
            b"\0\0",
        ] {
            assert_eq!(pair(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn directory_pieces() {
        let piece = |generation, names, last| {
            Some(DirectoryPiece {
                generation,
                names,
                last,
            })
        };
        assert_eq!(
            directory_piece(b"5\0a\0bc\0"),
            piece(5, &b"a\0bc\0"[..], false)
        );
        assert_eq!(directory_piece(b"5\0a\0\0"), piece(5, &b"a\0"[..], true));
        assert_eq!(directory_piece(b"5\0\0"), piece(5, &b""[..], true));
        for bad in [&b""[..], b"5", b"5\0", b"x\0a\0", b"5\0a", b"\0a\0"] {
            assert_eq!(directory_piece(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_round_trip(value: u64) {
            prop_assert_eq!(parse_u64(format!("{value}").as_bytes()), Some(value));
        }

        #[test]
        fn no_payload_panics(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (pair(&payload), directory_piece(&payload), parse_state(&payload));
            prop_assert!(strings(&payload).all(|s| !s.is_empty() && !s.contains(&0)));
        }

        /// Whatever the names, cutting their list at name boundaries and reading the pieces back
        /// gives the list.
        #[test]
        fn pieces_make_the_directory(
            names in prop::collection::vec("[a-z0-9-]{1,9}", 0..20),
            per_piece in 1usize..5,
        ) {
            let mut seen: Vec<u8> = vec![];
            let mut chunks: Vec<_> = names.chunks(per_piece).collect();
            if chunks.is_empty() {
                chunks.push(&[]);
            }
            let count = chunks.len();
            for (i, chunk) in chunks.into_iter().enumerate() {
                let mut payload = b"7\0".to_vec();
                chunk.iter().for_each(|name| payload.extend_from_slice(format!("{name}\0").as_bytes()));
                if i + 1 == count {
                    payload.push(0);
                }
                let piece = directory_piece(&payload).unwrap();
                prop_assert_eq!(piece.last, i + 1 == count);
                seen.extend_from_slice(piece.names);
            }
            prop_assert!(strings(&seen).eq(names.iter().map(|name| name.as_bytes())));
        }
    }
}

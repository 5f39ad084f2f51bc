// SPDX-License-Identifier: GPL-2.0-only
//! What the toolstack asks of the guest as a whole, by nodes below `control` in the domain's home
//! (`docs/misc/xenstore-paths.pandoc`).
//!
//! Who can write there can end the guest anyway, so a request need not be believed, only understood: a
//! word or a key that is not known does nothing.
//!
//! C counterpart: `drivers/xen/manage.c`.

use core::fmt;

/// The node that asks the guest to end; it is emptied to acknowledge.
pub const SHUTDOWN: &[u8] = b"control/shutdown";
/// The node that presses a key of the guest's magic SysRq; emptied likewise.
pub const SYSRQ: &[u8] = b"control/sysrq";

/// The nodes that say what the guest follows: each word of [`Shutdown`], and [`SYSRQ`].
pub const FEATURES: [&[u8]; 5] = [
    b"control/feature-poweroff",
    b"control/feature-halt",
    b"control/feature-reboot",
    b"control/feature-suspend",
    b"control/feature-sysrq",
];

/// What each of [`FEATURES`] holds.
pub const fn feature(offered: bool) -> &'static [u8] {
    if offered {
        b"1"
    } else {
        b"0"
    }
}

/// What the toolstack may ask by [`SHUTDOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// End, for good.
    Poweroff,
    /// The same by its older name.
    Halt,
    /// End and begin anew.
    Reboot,
    /// Stop so that the domain can be saved, and go on, perhaps elsewhere.
    Suspend,
}

impl Shutdown {
    /// All that is followed.
    pub const ALL: [Self; 4] = [Self::Poweroff, Self::Halt, Self::Reboot, Self::Suspend];

    /// The word in the node.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Poweroff => "poweroff",
            Self::Halt => "halt",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
        }
    }
}

/// What [`SHUTDOWN`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Nothing: no request, or one that was acknowledged.
    None,
    /// A request to be acknowledged and followed.
    Known(Shutdown),
    /// A word that is none of ours. It is not acknowledged, so that the toolstack sees it.
    Unknown(Word<'a>),
}

impl<'a> Request<'a> {
    /// Reads the node.
    pub fn parse(value: &'a [u8]) -> Self {
        if value.is_empty() {
            return Self::None;
        }
        Shutdown::ALL
            .into_iter()
            .find(|known| known.word().as_bytes() == value)
            .map_or(Self::Unknown(Word(value)), Self::Known)
    }
}

/// Bytes of a word that are shown.
const WORD_SHOWN: usize = 32;

/// A word of the toolstack's, for the log: its first bytes, and a dot for each that is not plain ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a>(&'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let shown = self.0.get(..WORD_SHOWN).unwrap_or(self.0);
        for byte in shown {
            let plain = byte.is_ascii_graphic() || *byte == b' ';
            f.write_char(if plain { char::from(*byte) } else { '.' })?;
        }
        f.write_str(if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        })
    }
}

/// What [`SYSRQ`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing: no key, or one that was taken.
    None,
    /// This key of the magic SysRq.
    Pressed(u8),
    /// No single letter or digit.
    Nonsense,
}

impl Key {
    /// Reads the node.
    pub fn parse(value: &[u8]) -> Self {
        match value {
            [] => Self::None,
            [key] if key.is_ascii_alphanumeric() => Self::Pressed(*key),
            _ => Self::Nonsense,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path;
    use proptest::prelude::*;
    use std::{string::ToString, vec};

    #[test]
    fn every_word_is_understood_and_has_its_feature_node() {
        for known in Shutdown::ALL {
            let word = known.word().as_bytes();
            assert_eq!(Request::parse(word), Request::Known(known));
            let node = [b"control/feature-", word].concat();
            assert!(FEATURES.contains(&&node[..]), "{known:?}");
        }
        assert_eq!(FEATURES.len(), Shutdown::ALL.len() + 1);
        assert_eq!(Request::parse(b""), Request::None);
    }

    #[test]
    fn the_nodes_are_paths() {
        for node in [SHUTDOWN, SYSRQ].iter().chain(&FEATURES) {
            assert_eq!(path::check(node), Ok(()));
        }
        assert_eq!((feature(true), feature(false)), (&b"1"[..], &b"0"[..]));
    }

    #[test]
    fn other_words_are_shown_shortened_and_harmless() {
        for (value, shown) in [
            (&b"poweroff "[..], "poweroff "),
            (b"Poweroff", "Poweroff"),
            (b"poweroff\0", "poweroff."),
            (b"\x1b[2J\nreboot", ".[2J.reboot"),
            (b"\xff", "."),
            (&[b'x'; 33], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."),
        ] {
            match Request::parse(value) {
                Request::Unknown(word) => assert_eq!(word.to_string(), shown),
                other => panic!("{value:?} is taken for {other:?}"),
            }
        }
    }

    #[test]
    fn keys() {
        assert_eq!(Key::parse(b""), Key::None);
        assert_eq!(Key::parse(b"h"), Key::Pressed(b'h'));
        assert_eq!(Key::parse(b"9"), Key::Pressed(b'9'));
        for nonsense in [&b"\0"[..], b" ", b"\n", b"hc", b"\xff", b"h\0"] {
            assert_eq!(Key::parse(nonsense), Key::Nonsense, "{nonsense:?}");
        }
        assert_eq!(Key::parse(&vec![b'c'; 4096]), Key::Nonsense);
    }

    proptest! {
        /// Whatever a node holds, only our own words are followed, and what is shown is short and plain.
        #[test]
        fn nothing_else_is_followed(value in prop::collection::vec(any::<u8>(), 0..4096)) {
            match Request::parse(&value) {
                Request::None => prop_assert!(value.is_empty()),
                Request::Known(known) => prop_assert_eq!(known.word().as_bytes(), &value[..]),
                Request::Unknown(word) => {
                    let text = word.to_string();
                    prop_assert!(text.len() <= WORD_SHOWN + 3);
                    prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
                }
            }
            if let Key::Pressed(key) = Key::parse(&value) {
                prop_assert_eq!(&value[..], &[key][..]);
            }
        }
    }
}

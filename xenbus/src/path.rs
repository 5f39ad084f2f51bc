// SPDX-License-Identifier: GPL-2.0-only
//! Paths of store nodes (`docs/misc/xenstore.txt`, "Store paths").
//!
//! A path is absolute (`/local/domain/1/name`) or relative to the domain's home (`device/vbd`).
//! Characters allowed: ASCII letters, digits and `-/_@`. No empty elements, no slash at the end.

pub use xen_sys::xenstore::{ABS_PATH_MAX, REL_PATH_MAX};

/// Why a path is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The path is empty.
    Empty,
    /// The path is longer than the protocol allows.
    TooLong,
    /// A byte that no path may hold.
    BadCharacter(u8),
    /// Two slashes in a row, or one at the end.
    EmptyElement,
    /// The buffer given does not hold the result.
    NoRoom,
}

/// Checks that `path` names a node, or one of the store's own events such as `@releaseDomain`.
///
/// # Errors
/// Says what is wrong with the path.
pub fn check(path: &[u8]) -> Result<(), PathError> {
    let (limit, body) = match path {
        [] => return Err(PathError::Empty),
        b"/" => return Ok(()),
        [b'/', body @ ..] => (ABS_PATH_MAX, body),
        body => (REL_PATH_MAX, body),
    };
    if path.len() > limit {
        return Err(PathError::TooLong);
    }
    if let Some(byte) = path.iter().copied().find(|byte| !is_path_byte(*byte)) {
        return Err(PathError::BadCharacter(byte));
    }
    if body.split(|byte| *byte == b'/').any(<[u8]>::is_empty) {
        return Err(PathError::EmptyElement);
    }
    Ok(())
}

/// Checks one element of a path: no slash, not empty.
pub fn is_element(element: &[u8]) -> bool {
    !element.is_empty()
        && element
            .iter()
            .all(|byte| *byte != b'/' && is_path_byte(*byte))
}

/// Joins `parts` with slashes into `buffer` and checks the result. Empty parts are left out, so
/// that joining a directory with an empty name gives the directory.
///
/// # Errors
/// The result is no path, or does not fit.
pub fn join<'b>(buffer: &'b mut [u8], parts: &[&[u8]]) -> Result<&'b [u8], PathError> {
    let mut len = 0usize;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        // The root itself brings the slash that would stand between it and its child.
        if len != 0 && buffer.get(..len) != Some(b"/") {
            put(buffer, &mut len, b"/")?;
        }
        put(buffer, &mut len, part)?;
    }
    let path = buffer.get(..len).ok_or(PathError::NoRoom)?;
    check(path)?;
    Ok(path)
}

/// What of `path` lies below `directory`: `Some("")` for the directory itself, `None` when the
/// path is elsewhere.
pub fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    match path.strip_prefix(directory)? {
        [] => Some(&[]),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_' | b'@')
}

fn put(buffer: &mut [u8], len: &mut usize, bytes: &[u8]) -> Result<(), PathError> {
    let end = len.checked_add(bytes.len()).ok_or(PathError::NoRoom)?;
    buffer
        .get_mut(*len..end)
        .ok_or(PathError::NoRoom)?
        .copy_from_slice(bytes);
    *len = end;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn good_paths() {
        let long = vec![b'a'; REL_PATH_MAX];
        let mut absolute = vec![b'b'; ABS_PATH_MAX];
        absolute[0] = b'/';
        for path in [
            &b"/"[..],
            b"name",
            b"/a",
            b"device/vbd/51712",
            b"@releaseDomain",
            &long,
            &absolute,
        ] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn bad_paths() {
        let long = vec![b'a'; REL_PATH_MAX + 1];
        let mut absolute = vec![b'b'; ABS_PATH_MAX + 1];
        absolute[0] = b'/';
        assert_eq!(check(b""), Err(PathError::Empty));
        assert_eq!(check(&long), Err(PathError::TooLong));
        assert_eq!(check(&absolute), Err(PathError::TooLong));
        for path in [&b"//"[..], b"a/", b"/a/", b"a//b", b"//a"] {
            assert_eq!(check(path), Err(PathError::EmptyElement), "{path:?}");
        }
        for byte in [0u8, b' ', b'.', b':', b'\\', b'\n', 0x80, 0xff] {
            assert_eq!(check(&[b'a', byte]), Err(PathError::BadCharacter(byte)));
        }
    }

    #[test]
    fn joining() {
        let mut buffer = [0; 16];
        assert_eq!(
            join(&mut buffer, &[b"device", b"vbd"]),
            Ok(&b"device/vbd"[..])
        );
        assert_eq!(join(&mut buffer, &[b"device", b""]), Ok(&b"device"[..]));
        assert_eq!(join(&mut buffer, &[b"/", b"a"]), Ok(&b"/a"[..]));
        assert_eq!(join(&mut buffer, &[b"/a", b"b/c"]), Ok(&b"/a/b/c"[..]));
        assert_eq!(join(&mut buffer, &[]), Err(PathError::Empty));
        assert_eq!(
            join(&mut buffer, &[b"0123456789", b"012345"]),
            Err(PathError::NoRoom)
        );
        assert_eq!(
            join(&mut buffer, &[b"a", b"/b"]),
            Err(PathError::EmptyElement)
        );
    }

    #[test]
    fn below_needs_a_whole_element() {
        assert_eq!(below(b"device/vbd/1", b"device"), Some(&b"vbd/1"[..]));
        assert_eq!(below(b"device", b"device"), Some(&b""[..]));
        assert_eq!(below(b"devices", b"device"), None);
        assert_eq!(below(b"dev", b"device"), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! Devices as the store names them: `device/<type>/<id>` in the domain's home.

use crate::path;

/// Directory of a domain's frontends, relative to its home.
pub const ROOT: &[u8] = b"device";
/// Longest `<type>-<id>` in bytes, the device's name in Linux (`XEN_BUS_ID_SIZE`, less its NUL).
pub const NAME_MAX: usize = 19;
/// Most devices that are taken up: bounds what a store can make a guest hold.
pub const DEVICES_MAX: usize = 1024;

/// The type and id of a frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceName<'a> {
    /// Device type, such as `vbd` or `vif`.
    pub devtype: &'a [u8],
    /// The device's id among those of its type, such as `51712` or `0`.
    pub id: &'a [u8],
}

impl<'a> DeviceName<'a> {
    /// A device's name, if these can be one: each one path element, together no longer than
    /// [`NAME_MAX`] with the hyphen between them.
    pub fn new(devtype: &'a [u8], id: &'a [u8]) -> Option<Self> {
        let len = devtype.len().checked_add(id.len())?.checked_add(1)?;
        let ok = len <= NAME_MAX
            && path::is_element(devtype)
            && path::is_element(id)
            && !devtype.contains(&b'@')
            && !id.contains(&b'@');
        ok.then_some(DeviceName { devtype, id })
    }
}

/// What a change at one path below [`ROOT`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Look at every device again.
    All,
    /// Look at this device: it may be new, gone, or another one of the same name.
    Device(DeviceName<'a>),
    /// Nothing a bus cares about: some other node of a device.
    Nothing,
}

impl<'a> Change<'a> {
    /// What a change at `path`, as a watch event names it, asks for.
    pub fn at(path: &'a [u8]) -> Change<'a> {
        let Some(rest) = path::below(path, ROOT) else {
            return Change::Nothing;
        };
        let mut elements = rest.splitn(3, |byte| *byte == b'/');
        let (Some(devtype), Some(id)) = (elements.next(), elements.next()) else {
            return Change::All;
        };
        match elements.next() {
            None | Some(b"state" | b"backend" | b"backend-id") => {
                DeviceName::new(devtype, id).map_or(Change::Nothing, Change::Device)
            }
            Some(_) => Change::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(DeviceName::new(b"vbd", b"51712").is_some());
        assert!(DeviceName::new(b"vbd", b"268435455").is_some());
        assert!(DeviceName::new(b"0123456789", b"01234567").is_some());
        for (devtype, id) in [
            (&b""[..], &b"0"[..]),
            (b"vif", b""),
            (b"v/f", b"0"),
            (b"vif", b"0\0"),
            (b"vif", b".."),
            (b"vif", b"@0"),
            (b"0123456789", b"012345678"),
        ] {
            assert_eq!(DeviceName::new(devtype, id), None);
        }
    }

    #[test]
    fn changes() {
        let vif = DeviceName {
            devtype: b"vif",
            id: b"0",
        };
        for path in ["device/vif/0", "device/vif/0/state", "device/vif/0/backend"] {
            assert_eq!(Change::at(path.as_bytes()), Change::Device(vif), "{path}");
        }
        for path in ["device", "device/vif"] {
            assert_eq!(Change::at(path.as_bytes()), Change::All, "{path}");
        }
        for path in [
            "device/vif/0/mac",
            "device/vif/0/queue-0/state",
            "devices",
            "memory/target",
            "",
        ] {
            assert_eq!(Change::at(path.as_bytes()), Change::Nothing, "{path}");
        }
    }
}

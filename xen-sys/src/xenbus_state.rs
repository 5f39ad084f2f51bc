// SPDX-License-Identifier: GPL-2.0-only
//! The states that the two ends of a device show each other.
use crate::generated as sys;

/// State of one end of a device, as its `state` node holds it in decimal
/// (`enum xenbus_state`, `xen/include/public/io/xenbus.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum XenbusState {
    /// No node, or one that says nothing we know.
    #[default]
    Unknown = sys::XenbusStateUnknown,
    /// The toolstack made the device; this end has not begun.
    Initialising = sys::XenbusStateInitialising,
    /// The backend waits for the frontend's rings and ports.
    InitWait = sys::XenbusStateInitWait,
    /// This end has published its part and waits for the other's.
    Initialised = sys::XenbusStateInitialised,
    /// The device works.
    Connected = sys::XenbusStateConnected,
    /// This end is going down, or asks the other to.
    Closing = sys::XenbusStateClosing,
    /// This end is down: it uses no ring, port or grant any more.
    Closed = sys::XenbusStateClosed,
    /// The device is being changed while it works.
    Reconfiguring = sys::XenbusStateReconfiguring,
    /// The change is done.
    Reconfigured = sys::XenbusStateReconfigured,
}

impl XenbusState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Initialising,
        Self::InitWait,
        Self::Initialised,
        Self::Connected,
        Self::Closing,
        Self::Closed,
        Self::Reconfiguring,
        Self::Reconfigured,
    ];

    /// The state with this number, `None` if there is none.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The number that the `state` node holds.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The state's name, for people and for sysfs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Initialising => "Initialising",
            Self::InitWait => "InitWait",
            Self::Initialised => "Initialised",
            Self::Connected => "Connected",
            Self::Closing => "Closing",
            Self::Closed => "Closed",
            Self::Reconfiguring => "Reconfiguring",
            Self::Reconfigured => "Reconfigured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for (number, state) in (0u32..).zip(XenbusState::ALL) {
            assert_eq!(state.number(), number);
            assert_eq!(XenbusState::from_number(number), Some(state));
        }
        assert_eq!(XenbusState::from_number(9), None);
        assert_eq!(XenbusState::from_number(u32::MAX), None);
    }
}

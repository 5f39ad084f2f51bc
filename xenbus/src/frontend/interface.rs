// SPDX-License-Identifier: GPL-2.0-only
//! What the state machine of a frontend is told, and what it says.

use crate::text;
use xen_sys::XenbusState;

/// A backend's `state` node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// There is no such node, or it says Unknown: the backend is gone.
    Missing,
    /// The node holds no state. Ignored, since the next write may be sound.
    Nonsense,
    /// A state.
    Is(XenbusState),
}

impl PeerState {
    /// What the node's value (`None`: no node) means.
    pub fn parse(value: Option<&[u8]>) -> PeerState {
        match value.map(text::parse_state) {
            None | Some(Some(XenbusState::Unknown)) => PeerState::Missing,
            Some(None) => PeerState::Nonsense,
            Some(Some(state)) => PeerState::Is(state),
        }
    }
}

/// What the backend shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its state.
    pub state: PeerState,
    /// Its `online` node is not 0: the toolstack does not take the device away.
    pub online: bool,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The backend's nodes were read, because a watch fired or to begin with.
    Backend(Backend),
    /// [`Action::Publish`] is done: the state to announce (Initialised or Connected), or `None`
    /// when it failed.
    Published(Option<XenbusState>),
    /// [`Action::Connect`] is done, well or not.
    Connected(bool),
    /// The driver cannot go on, or the backend broke the protocol.
    Fault,
    /// The driver is taken off the device.
    Unbind,
    /// The kernel makes room for another one (kexec): as [`Input::Unbind`], but what the driver has to do with Linux stays
    /// as it is, so that requests wait for ever. There is no [`Action::Remove`].
    Retire,
    /// The device's nodes are gone, or belong to another device now.
    Vanish,
    /// The domain was resumed: rings, ports and grants are lost, the backend is another one.
    Resume,
    /// Time passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make rings, ports and grants and write their nodes; then [`Input::Published`].
    Publish,
    /// Read the backend's properties and go live; then [`Input::Connected`].
    Connect,
    /// The backend announced itself anew: read its properties again.
    Changed,
    /// Stop, end pending work, drop rings, ports and grants.
    Close,
    /// Write this to the device's `state` node. A failure to write changes nothing.
    WriteState(XenbusState),
    /// Tell people that the backend does not go on.
    ReportStall,
    /// The device is gone for the driver. Always the last action, and there is always one; after [`Input::Retire`] only when
    /// the device or the driver goes.
    Remove,
}

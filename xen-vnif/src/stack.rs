// SPDX-License-Identifier: GPL-2.0-only
//! What the network stack has to be told under its own lock (RTNL), and when.
//!
//! Whoever holds that lock may wait for a disk, and the bus's thread brings disks back: it must not wait for the lock.
//! So the bus says here what has happened ([`Stack::published`], [`Stack::connected`] and so on), and a work item does what
//! is to be done, one [`Step`] after the other: [`Stack::next_step`], then the step, then [`Stack::done`]. Anything may
//! happen between the two.
//!
//! A connection is put in place as soon as the stack makes no packets but such as the backend takes
//! ([`Stack::may_carry`]): at once unless the backend can do less than the one before. Traffic does not wait for the lock then.

use crate::features::Features;

/// What is to be done under RTNL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Have the stack make only packets that such a backend takes.
    Limit(Features),
    /// Show the interface to the system, with this MTU.
    Register(u32),
    /// Tell the neighbours where the interface is.
    Announce,
    /// Take the interface away.
    Unregister,
}

/// What is known of an interface on both sides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stack {
    /// What the backend takes, while there is a connection.
    backend: Option<Features>,
    /// For which backend the stack makes its packets; `None` while it makes none, since there is no interface yet.
    told: Option<Features>,
    /// For which one it is being told to.
    telling: Option<Features>,
    /// What the interface is to begin with, once the backend is connected.
    connected: Option<u32>,
    suspended: bool,
    link: bool,
    registered: bool,
    /// The system did not take the interface; not to be tried again with this connection.
    refused: bool,
    /// The driver has left.
    removed: bool,
    /// The neighbours are to be told.
    announce: bool,
    /// The connection, which was there when it was decided to tell them, was out of reach in between.
    interrupted: bool,
}

impl Stack {
    /// An interface that nobody knows.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            backend: None,
            told: None,
            telling: None,
            connected: None,
            suspended: false,
            link: false,
            registered: false,
            refused: false,
            removed: false,
            announce: false,
            interrupted: false,
        }
    }

    /// A connection to a backend that takes this has been made.
    pub fn published(&mut self, backend: Features) {
        self.backend = Some(backend);
    }

    /// The backend has connected and says whether the `link` is up. False when there is no connection.
    pub fn connected(&mut self, mtu: Option<&[u8]>, link: bool) -> bool {
        let Some(backend) = self.backend else {
            return false;
        };
        self.connected = Some(backend.initial_mtu(mtu));
        self.link = link;
        // Of an interface that is new its user tells them.
        self.announce = self.registered;
        true
    }

    /// The backend says whether the link is up.
    pub fn link_changed(&mut self, link: bool) {
        self.link = link;
    }

    /// The connection is over.
    pub fn disconnected(&mut self) {
        self.backend = None;
        self.connected = None;
        self.suspended = false;
        self.refused = false;
        self.interrupted = true;
    }

    /// The connection is out of reach until [`resumed`](Self::resumed) or [`disconnected`](Self::disconnected).
    pub fn suspended(&mut self) {
        self.suspended = true;
        self.interrupted = true;
    }

    /// The connection goes on.
    pub fn resumed(&mut self) {
        self.suspended = false;
    }

    /// The driver has left, after [`disconnected`](Self::disconnected).
    pub fn removed(&mut self) {
        self.removed = true;
    }

    /// Whether the connection, if there is one, can take all that the stack sends.
    #[must_use]
    pub fn may_carry(&self) -> bool {
        let Some(backend) = self.backend.filter(|_| !self.suspended) else {
            return false;
        };
        let mut limits = self.told.iter().chain(&self.telling);
        limits.all(|limits| takes_all(&backend, limits))
    }

    /// Whether packets may come and go.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.registered && self.connected.is_some() && self.may_carry()
    }

    /// Whether the link of a live interface is up.
    #[must_use]
    pub fn link(&self) -> bool {
        self.link
    }

    /// Whether the driver has left and the system does not know the interface any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.removed && !self.registered
    }

    /// The next thing to do under RTNL, if there is one. [`done`](Self::done) must follow before this is called again.
    pub fn next_step(&mut self) -> Option<Step> {
        if self.removed {
            return self.registered.then_some(Step::Unregister);
        }
        if let Some(backend) = self.backend.filter(|backend| self.told != Some(*backend)) {
            self.telling = Some(backend);
            return Some(Step::Limit(backend));
        }
        if let Some(mtu) = self.connected.filter(|_| !self.registered && !self.refused) {
            return Some(Step::Register(mtu));
        }
        if self.announce && self.link && self.is_live() {
            self.announce = false;
            self.interrupted = false;
            return Some(Step::Announce);
        }
        None
    }

    /// The step was done, or could not be.
    pub fn done(&mut self, step: Step, ok: bool) {
        match step {
            Step::Limit(limits) => {
                self.told = Some(limits);
                self.telling = None;
            }
            Step::Register(_) => {
                self.registered = ok;
                self.refused = !ok;
            }
            // What was said while the connection was out of reach was heard by nobody.
            Step::Announce => self.announce |= self.interrupted,
            Step::Unregister => self.registered = false,
        }
    }
}

/// Whether a `backend` takes every packet that is made for one with these `limits`.
fn takes_all(backend: &Features, limits: &Features) -> bool {
    let pairs = [
        (backend.sg, limits.sg),
        (backend.csum_v4, limits.csum_v4),
        (backend.csum_v6, limits.csum_v6),
        (backend.gso_v4, limits.gso_v4),
        (backend.gso_v6, limits.gso_v6),
    ];
    pairs.into_iter().all(|(can, asked)| can || !asked) && backend.mtu_max() >= limits.mtu_max()
}

#[cfg(test)]
mod tests;

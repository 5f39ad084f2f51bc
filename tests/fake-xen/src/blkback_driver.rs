// SPDX-License-Identifier: GPL-2.0-only
//! xen-blkback's side of a device's life: states in the store, and the backend that comes and goes with them.
use std::sync::Arc;

use xen_sys::{GrantRef, Port, XenbusState};
use xenbus::text::{parse_state, parse_u32};

use crate::blkback::{Blkback, MAX_INDIRECT_SEGMENTS};
use crate::store::Xenstored;
use crate::xen::{FakeXen, BACKEND, GUEST};

/// The frontend's directory.
pub const FRONTEND: &str = "/local/domain/7/device/vbd/51712";
/// The backend's directory.
pub const OTHEREND: &str = "/local/domain/0/backend/vbd/7/51712";

/// A backend driver for one disk.
pub struct BlkbackDriver {
    xen: Arc<FakeXen>,
    disk: Vec<u8>,
    state: XenbusState,
    gone: bool,
    /// The connection, while there is one.
    pub back: Option<Blkback>,
}

impl BlkbackDriver {
    /// The toolstack attaches a disk: the nodes of both ends.
    pub fn attach(xen: &Arc<FakeXen>, store: &mut Xenstored, disk: Vec<u8>) -> Self {
        let sectors = (disk.len() / 512).to_string();
        let front = [
            ("backend", OTHEREND.to_string()),
            ("backend-id", BACKEND.to_string()),
            ("virtual-device", "51712".into()),
            ("state", "1".into()),
        ];
        let back = [
            ("frontend", FRONTEND.to_string()),
            ("frontend-id", GUEST.to_string()),
            ("online", "1".into()),
            ("sectors", sectors),
            ("sector-size", "512".into()),
            ("info", "0".into()),
            ("feature-flush-cache", "1".into()),
            (
                "feature-max-indirect-segments",
                MAX_INDIRECT_SEGMENTS.to_string(),
            ),
            ("state", "1".into()),
        ];
        for (node, value) in back {
            store.write(format!("{OTHEREND}/{node}").as_bytes(), value.as_bytes());
        }
        for (node, value) in front {
            store.write(format!("{FRONTEND}/{node}").as_bytes(), value.as_bytes());
        }
        let mut driver = Self {
            xen: xen.clone(),
            disk,
            state: XenbusState::Initialising,
            gone: false,
            back: None,
        };
        driver.switch(store, XenbusState::InitWait);
        driver
    }

    /// What is on the disk.
    pub fn disk(&self) -> &[u8] {
        self.back.as_ref().map_or(&self.disk, Blkback::disk)
    }

    /// The state that it shows.
    pub fn state(&self) -> XenbusState {
        self.state
    }

    /// The toolstack asks for the disk back (`xl block-detach`).
    pub fn detach(&mut self, store: &mut Xenstored) {
        store.write(format!("{OTHEREND}/online").as_bytes(), b"0");
        self.switch(store, XenbusState::Closing);
    }

    /// The backend's domain is gone, with all that it had mapped.
    pub fn vanish(&mut self, store: &mut Xenstored) {
        self.disconnect();
        self.gone = true;
        store.remove(OTHEREND.as_bytes());
    }

    fn node(&self, store: &Xenstored, node: &str) -> Option<u32> {
        let path = format!("{FRONTEND}/{node}");
        store.tree().read(path.as_bytes()).and_then(parse_u32)
    }

    fn switch(&mut self, store: &mut Xenstored, state: XenbusState) {
        self.state = state;
        let value = state.number().to_string();
        store.write(format!("{OTHEREND}/state").as_bytes(), value.as_bytes());
    }

    fn disconnect(&mut self) {
        if let Some(back) = self.back.take() {
            self.disk = back.disk().to_vec();
        }
    }

    fn connect(&mut self, store: &mut Xenstored) {
        let ring = self.node(store, "ring-ref").map(GrantRef);
        let port = self.node(store, "event-channel").map(Port);
        let (Some(ring), Some(port)) = (ring, port) else {
            return;
        };
        // A frontend that published what it had not made would stay unconnected here, as with the real one.
        if let Ok(back) = Blkback::connect(&self.xen, ring, port, self.disk.clone()) {
            self.back = Some(back);
            self.switch(store, XenbusState::Connected);
        }
    }

    /// Looks at the frontend's state and follows it, as xen-blkback's `frontend_changed` does. Says whether anything
    /// changed.
    pub fn poll(&mut self, store: &mut Xenstored) -> bool {
        use XenbusState as S;
        let path = format!("{FRONTEND}/state");
        let front = store.tree().read(path.as_bytes()).and_then(parse_state);
        let before = self.state;
        if self.gone {
            return false;
        }
        match (front, self.state) {
            (Some(S::Initialising), S::Closed) => self.switch(store, S::InitWait),
            (Some(S::Initialised | S::Connected), S::InitWait) => self.connect(store),
            (Some(S::Closing), S::InitWait | S::Connected) => self.switch(store, S::Closing),
            (Some(S::Closed), S::InitWait | S::Connected | S::Closing) => {
                self.disconnect();
                self.switch(store, S::Closed);
                // One that is not wanted any more does not wait for the frontend to come back.
                let online = format!("{OTHEREND}/online");
                self.gone = store.tree().read(online.as_bytes()) == Some(b"0");
            }
            _ => {}
        }
        self.state != before
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A backend's side of a device's life: states in the store, and the backend that comes and goes with them.
use std::sync::Arc;

use xen_sys::{GrantRef, Port, XenbusState};
use xenbus::text::{parse_state, parse_u32};

use crate::blkback::{Blkback, MAX_INDIRECT_SEGMENTS};
use crate::netback::Netback;
use crate::store::Xenstored;
use crate::xen::{FakeXen, BACKEND, GUEST};

/// A node and its value.
type Node = (&'static str, String);

/// A backend with a driver for its life.
pub trait Backend: Sized {
    /// What outlives a connection.
    type Kept;

    /// The frontend's directory.
    const FRONTEND: &'static str;
    /// The backend's directory.
    const OTHEREND: &'static str;

    /// The nodes of both ends that say what the device is: the frontend's, the backend's.
    fn nodes(kept: &Self::Kept) -> (Vec<Node>, Vec<Node>);

    /// Connects to what the frontend's nodes name. `None` if that is not there.
    fn connect_to(
        xen: &Arc<FakeXen>,
        node: impl Fn(&str) -> Option<u32>,
        kept: &Self::Kept,
    ) -> Option<Self>;

    /// What is to be kept of a connection that ends.
    fn keep(self, kept: &mut Self::Kept);
}

impl Backend for Blkback {
    type Kept = Vec<u8>;

    const FRONTEND: &'static str = "/local/domain/7/device/vbd/51712";
    const OTHEREND: &'static str = "/local/domain/0/backend/vbd/7/51712";

    fn nodes(disk: &Vec<u8>) -> (Vec<Node>, Vec<Node>) {
        let segments = MAX_INDIRECT_SEGMENTS.to_string();
        let back = vec![
            ("sectors", (disk.len() / 512).to_string()),
            ("sector-size", "512".into()),
            ("info", "0".into()),
            ("feature-flush-cache", "1".into()),
            ("feature-max-indirect-segments", segments),
        ];
        (vec![("virtual-device", "51712".into())], back)
    }

    fn connect_to(
        xen: &Arc<FakeXen>,
        node: impl Fn(&str) -> Option<u32>,
        disk: &Vec<u8>,
    ) -> Option<Self> {
        let (ring, port) = (GrantRef(node("ring-ref")?), Port(node("event-channel")?));
        Self::connect(xen, ring, port, disk.clone()).ok()
    }

    fn keep(self, disk: &mut Vec<u8>) {
        *disk = self.disk().to_vec();
    }
}

impl Backend for Netback {
    type Kept = ();

    const FRONTEND: &'static str = "/local/domain/7/device/vif/0";
    const OTHEREND: &'static str = "/local/domain/0/backend/vif/7/0";

    fn nodes((): &()) -> (Vec<Node>, Vec<Node>) {
        let features = [
            "feature-rx-copy",
            "feature-sg",
            "feature-ipv6-csum-offload",
            "feature-gso-tcpv4",
            "feature-gso-tcpv6",
            "feature-multicast-control",
        ];
        let back = features.map(|feature| (feature, "1".into())).to_vec();
        (vec![("mac", "00:16:3e:00:00:01".into())], back)
    }

    fn connect_to(xen: &Arc<FakeXen>, node: impl Fn(&str) -> Option<u32>, (): &()) -> Option<Self> {
        let (tx, rx) = (node("tx-ring-ref")?, node("rx-ring-ref")?);
        let port = Port(node("event-channel")?);
        // As xen-netback, which has nothing else for a frontend that does not copy.
        node("request-rx-copy").filter(|copy| *copy == 1)?;
        Self::connect(xen, GrantRef(tx), GrantRef(rx), port).ok()
    }

    fn keep(self, (): &mut ()) {}
}

/// A backend driver for one device.
pub struct BackendDriver<B: Backend> {
    xen: Arc<FakeXen>,
    kept: B::Kept,
    state: XenbusState,
    gone: bool,
    /// The connection, while there is one.
    pub back: Option<B>,
}

/// One for a disk.
pub type BlkbackDriver = BackendDriver<Blkback>;
/// One for an interface.
pub type NetbackDriver = BackendDriver<Netback>;

impl BlkbackDriver {
    /// What is on the disk.
    pub fn disk(&self) -> &[u8] {
        self.back.as_ref().map_or(&self.kept, Blkback::disk)
    }
}

impl<B: Backend> BackendDriver<B> {
    /// The toolstack attaches a device: the nodes of both ends.
    pub fn attach(xen: &Arc<FakeXen>, store: &mut Xenstored, kept: B::Kept) -> Self {
        let (front, back) = B::nodes(&kept);
        let (front_path, back_path) = (B::FRONTEND, B::OTHEREND);
        let common_front = [
            ("backend", back_path.to_string()),
            ("backend-id", BACKEND.to_string()),
            ("state", "1".into()),
        ];
        let common_back = [
            ("frontend", front_path.to_string()),
            ("frontend-id", GUEST.to_string()),
            ("online", "1".into()),
            ("state", "1".into()),
        ];
        for (node, value) in back.into_iter().chain(common_back) {
            store.write(format!("{back_path}/{node}").as_bytes(), value.as_bytes());
        }
        for (node, value) in front.into_iter().chain(common_front) {
            store.write(format!("{front_path}/{node}").as_bytes(), value.as_bytes());
        }
        let mut driver = Self {
            xen: xen.clone(),
            kept,
            state: XenbusState::Initialising,
            gone: false,
            back: None,
        };
        driver.switch(store, XenbusState::InitWait);
        driver
    }

    /// The state that it shows.
    pub fn state(&self) -> XenbusState {
        self.state
    }

    /// The toolstack asks for the device back (`xl block-detach`, `xl network-detach`).
    pub fn detach(&mut self, store: &mut Xenstored) {
        store.write(format!("{}/online", B::OTHEREND).as_bytes(), b"0");
        self.switch(store, XenbusState::Closing);
    }

    /// The backend's domain is gone, with all that it had mapped.
    pub fn vanish(&mut self, store: &mut Xenstored) {
        self.disconnect();
        self.gone = true;
        store.remove(B::OTHEREND.as_bytes());
    }

    fn node(&self, store: &Xenstored, node: &str) -> Option<u32> {
        let path = format!("{}/{node}", B::FRONTEND);
        store.tree().read(path.as_bytes()).and_then(parse_u32)
    }

    fn switch(&mut self, store: &mut Xenstored, state: XenbusState) {
        self.state = state;
        let value = state.number().to_string();
        store.write(
            format!("{}/state", B::OTHEREND).as_bytes(),
            value.as_bytes(),
        );
    }

    fn disconnect(&mut self) {
        if let Some(back) = self.back.take() {
            back.keep(&mut self.kept);
        }
    }

    fn connect(&mut self, store: &mut Xenstored) {
        let back = B::connect_to(&self.xen, |node| self.node(store, node), &self.kept);
        // A frontend that published what it had not made would stay unconnected here, as with the real one.
        if back.is_some() {
            self.back = back;
            self.switch(store, XenbusState::Connected);
        }
    }

    /// Looks at the frontend's state and follows it, as the `frontend_changed` of xen-blkback and xen-netback does. Says
    /// whether anything changed.
    pub fn poll(&mut self, store: &mut Xenstored) -> bool {
        use XenbusState as S;
        let path = format!("{}/state", B::FRONTEND);
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
                let online = format!("{}/online", B::OTHEREND);
                self.gone = store.tree().read(online.as_bytes()) == Some(b"0");
            }
            _ => {}
        }
        self.state != before
    }
}

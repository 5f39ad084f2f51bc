// SPDX-License-Identifier: GPL-2.0-only
//! A disk's frontend with its life: the pure state machine, driven through the store.
use std::sync::Arc;

use fake_xen::{
    BlkbackDriver, FakeXen, Grants, GuestPage, StoreClient, Xenstored, FRONTEND, OTHEREND,
};
use vbd_core::{BackendNodes, Properties};
use xen_sys::xenstore::MessageType as Op;
use xen_sys::{blkif::MAX_SEGMENTS_PER_REQUEST, XenbusState};
use xenbus::client::Refused;
use xenbus::errors::StoreError;
use xenbus::frontend::{Action, Backend, Input, Machine, PeerState};
use xenbus::text::{parse_u64, transaction_id};

use super::block::Disk;

/// Everything that one disk needs, on both sides.
pub struct World {
    pub xen: Arc<FakeXen>,
    pub grants: Arc<Grants>,
    // Shared with the toolstack for ever, so never granted here.
    _store_page: GuestPage,
    pub store: Xenstored,
    pub client: StoreClient,
    pub machine: Machine,
    pub driver: BlkbackDriver,
    pub disk: Option<Disk>,
    pub properties: Option<Properties>,
    pub now: u64,
    pub removed: bool,
    pub stalls: usize,
    pub closes: usize,
    pub announced: Vec<XenbusState>,
    /// The store has refused something that is to be done again.
    again: bool,
    unwritten: Option<XenbusState>,
}

impl World {
    pub fn new(sectors: usize) -> Self {
        let xen = FakeXen::new(1, 1000);
        let grants = Grants::new(&xen, 2).unwrap();
        let page = GuestPage::new(&xen);
        let mut store = Xenstored::new(page.memory()).unwrap();
        let client = StoreClient::new(page.memory()).unwrap();
        let driver = BlkbackDriver::attach(&xen, &mut store, vec![0; sectors * 512]);
        Self {
            xen,
            grants,
            _store_page: page,
            store,
            client,
            machine: Machine::new(),
            driver,
            disk: None,
            properties: None,
            now: 1000,
            removed: false,
            stalls: 0,
            closes: 0,
            announced: Vec::new(),
            again: false,
            unwritten: None,
        }
    }

    fn ask(&mut self, op: Op, tx: u32, parts: &[&[u8]]) -> Result<Vec<u8>, Refused> {
        let answer = self.client.request(&mut self.store, op, tx, parts);
        answer.expect("an honest store")
    }

    /// A node, `None` if it does not exist or may not be seen.
    fn read(&mut self, path: String) -> Result<Option<Vec<u8>>, Refused> {
        match self.ask(Op::Read, 0, &[path.as_bytes(), b"\0"]) {
            Ok(value) => Ok(Some(value)),
            Err(Refused::Store(StoreError::NotFound | StoreError::Access)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    fn write(&mut self, tx: u32, node: &str, value: &str) -> Result<(), Refused> {
        let path = format!("{FRONTEND}/{node}\0");
        let done = self.ask(Op::Write, tx, &[path.as_bytes(), value.as_bytes()])?;
        assert_eq!(done, b"OK\0");
        Ok(())
    }

    fn write_state(&mut self, state: XenbusState) {
        let written = self.write(0, "state", &state.number().to_string());
        self.unwritten = written.is_err().then_some(state);
        self.again |= written.is_err();
    }

    /// Lets the machine see the backend's nodes, unless the store refuses: then later.
    pub fn look(&mut self) {
        if let Some(state) = self.unwritten {
            self.write_state(state);
        }
        let state = self.read(format!("{OTHEREND}/state"));
        let online = self.read(format!("{OTHEREND}/online"));
        let (Ok(state), Ok(online)) = (state, online) else {
            self.again = true;
            return;
        };
        let backend = Backend {
            state: PeerState::parse(state.as_deref()),
            online: online.as_deref() != Some(b"0"),
        };
        self.input(Input::Backend(backend));
    }

    /// Gives the machine an input and does all that it wants then.
    pub fn input(&mut self, input: Input) {
        self.machine.handle(input, self.now);
        while let Some(action) = self.machine.next_action() {
            assert!(!self.removed, "{action:?} after the end");
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Publish => {
                let state = self.publish();
                self.machine.handle(Input::Published(state), self.now);
            }
            Action::Connect => {
                self.properties = self.negotiate();
                let connected = self.properties.is_some();
                if let (Some(properties), Some(disk)) = (&self.properties, &mut self.disk) {
                    if properties.segments > MAX_SEGMENTS_PER_REQUEST {
                        disk.allow_indirect();
                    }
                }
                self.machine.handle(Input::Connected(connected), self.now);
            }
            Action::Changed => self.properties = self.negotiate(),
            Action::Close => {
                self.disk = None;
                self.closes += 1;
            }
            Action::WriteState(state) => {
                self.announced.push(state);
                self.write_state(state);
            }
            Action::ReportStall => self.stalls += 1,
            Action::Remove => self.removed = true,
        }
    }

    fn publish(&mut self) -> Option<XenbusState> {
        assert!(self.disk.is_none(), "published twice");
        let disk = Disk::try_new(&self.xen, &self.grants).ok()?;
        let tx = self.ask(Op::TransactionStart, 0, &[b"\0"]).ok()?;
        let tx = transaction_id(&tx)?;
        let nodes = [
            ("ring-ref", disk.ring_ref().to_string()),
            ("event-channel", disk.port.to_string()),
            ("protocol", "x86_64-abi".into()),
        ];
        let written = nodes
            .iter()
            .try_for_each(|(node, value)| self.write(tx, node, value));
        if written.is_err() {
            // The store forgets it, whatever it answers.
            let _ = self.ask(Op::TransactionEnd, tx, &[b"F\0"]);
            return None;
        }
        self.ask(Op::TransactionEnd, tx, &[b"T\0"]).ok()?;
        self.disk = Some(disk);
        Some(XenbusState::Initialised)
    }

    /// What the backend offers, `None` if the store does not say it now.
    fn negotiate(&mut self) -> Option<Properties> {
        let mut refused = false;
        let mut number = |node: &str| {
            let value = self.read(format!("{OTHEREND}/{node}"));
            refused |= value.is_err();
            value.ok().flatten().and_then(|value| parse_u64(&value))
        };
        let nodes = BackendNodes {
            sectors: number("sectors"),
            sector_size: number("sector-size"),
            physical_sector_size: number("physical-sector-size"),
            info: number("info"),
            feature_flush_cache: number("feature-flush-cache"),
            feature_barrier: number("feature-barrier"),
            feature_persistent: number("feature-persistent"),
            feature_max_indirect_segments: number("feature-max-indirect-segments"),
        };
        Properties::negotiate(&nodes).ok().filter(|_| !refused)
    }

    /// Turns of both sides until nothing changes at this time.
    pub fn settle(&mut self) {
        loop {
            let before = self.announced.len();
            let moved = self.driver.poll(&mut self.store);
            self.again = false;
            self.look();
            if !moved && !self.again && self.announced.len() == before {
                return;
            }
        }
    }

    /// As [`settle`](Self::settle), and on to the next deadline again and again, for at most so many milliseconds.
    pub fn run_for(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        self.settle();
        while let Some(deadline) = self.machine.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
            self.settle();
        }
        self.now = end;
    }

    /// A write and a read through the whole way.
    pub fn use_disk(&mut self, seed: u8) {
        self.move_data(seed, 8192);
    }

    /// The same with so many bytes.
    pub fn move_data(&mut self, seed: u8, bytes: usize) {
        let disk = self.disk.as_mut().expect("a connected disk");
        let data: Vec<u8> = (0..bytes).map(|n| (n as u8) ^ seed).collect();
        let number = disk.submitted + 1;
        assert!(disk.submit(0, 16, data.len(), Some(&data)));
        disk.commit();
        let back = self.driver.back.as_mut().expect("a connected backend");
        back.run(9);
        disk.collect().unwrap();
        assert!(disk.submit(1, 16, data.len(), None));
        disk.commit();
        back.run(9);
        disk.collect().unwrap();
        assert!(disk.data(number) == data);
    }

    /// Nothing is left of the device on our side: only xenstore's page.
    #[track_caller]
    pub fn assert_clean(&mut self) {
        self.grants.tick(self.now / 1000);
        self.xen.assert_sound();
        assert_eq!(self.grants.counters().in_use, 0);
        assert_eq!(self.grants.counters().deferred, 0);
        assert_eq!(self.xen.guest_pages(), 1);
        assert_eq!(self.xen.open_ports(), 0);
        assert_eq!(self.store.open_transactions(), 0);
    }
}

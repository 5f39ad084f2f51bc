// SPDX-License-Identifier: GPL-2.0-only
//! A frontend with its life: the pure state machine, driven through the store.
use std::sync::Arc;

use fake_xen::{Backend as _, BackendDriver, FakeXen, Grants, GuestPage, StoreClient, Xenstored};
use xen_sys::xenstore::MessageType as Op;
use xen_sys::XenbusState;
use xenbus::client::Refused;
use xenbus::errors::StoreError;
use xenbus::frontend::{Action, Backend, Input, Machine, PeerState};
use xenbus::text::transaction_id;

use super::block::Disk;

/// Reads one of the backend's nodes: `None` if there is none, or the store does not say it now; then what is made of it
/// counts for nothing.
pub type Offers<'a> = &'a mut dyn FnMut(&str) -> Option<Vec<u8>>;

/// What a device is beside its life.
pub trait Front: Sized {
    type Back: fake_xen::Backend;
    type Properties: Copy;

    /// The state after its nodes were written.
    const PUBLISHED: XenbusState;

    /// Makes what is shared with the backend; what was made is undone if something cannot be.
    fn make(xen: &Arc<FakeXen>, grants: &Arc<Grants>, offers: Offers<'_>) -> Option<Self>;

    /// The nodes that tell the backend of it.
    fn nodes(&self) -> Vec<(&'static str, String)>;

    /// What may be used with a backend that has connected.
    fn connect(&mut self, offers: Offers<'_>) -> Option<Self::Properties>;
}

/// Everything that one device needs, on both sides.
pub struct World<F: Front = Disk> {
    pub xen: Arc<FakeXen>,
    pub grants: Arc<Grants>,
    // Shared with the toolstack for ever, so never granted here.
    _store_page: GuestPage,
    pub store: Xenstored,
    pub client: StoreClient,
    pub machine: Machine,
    pub driver: BackendDriver<F::Back>,
    pub front: Option<F>,
    pub properties: Option<F::Properties>,
    pub now: u64,
    pub removed: bool,
    pub stalls: usize,
    pub closes: usize,
    pub announced: Vec<XenbusState>,
    /// The store has refused something that is to be done again.
    again: bool,
    unwritten: Option<XenbusState>,
}

type KeptOf<F> = <<F as Front>::Back as fake_xen::Backend>::Kept;

impl<F: Front> World<F> {
    pub fn with(kept: KeptOf<F>) -> Self {
        let xen = FakeXen::new(1, 1000);
        let grants = Grants::new(&xen, 2).unwrap();
        let page = GuestPage::new(&xen);
        let mut store = Xenstored::new(page.memory()).unwrap();
        let client = StoreClient::new(page.memory()).unwrap();
        let driver = BackendDriver::attach(&xen, &mut store, kept);
        Self {
            xen,
            grants,
            _store_page: page,
            store,
            client,
            machine: Machine::new(),
            driver,
            front: None,
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
        let path = format!("{}/{node}\0", F::Back::FRONTEND);
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
        let state = self.read(format!("{}/state", F::Back::OTHEREND));
        let online = self.read(format!("{}/online", F::Back::OTHEREND));
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
                self.properties = self.connect();
                let connected = self.properties.is_some();
                self.machine.handle(Input::Connected(connected), self.now);
            }
            // What cannot be read is as it was.
            Action::Changed => self.properties = self.connect().or(self.properties),
            Action::Close => {
                self.front = None;
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
        assert!(self.front.is_none(), "published twice");
        let (xen, grants) = (self.xen.clone(), self.grants.clone());
        let front = self.offered(|offers| F::make(&xen, &grants, offers))?;
        let tx = self.ask(Op::TransactionStart, 0, &[b"\0"]).ok()?;
        let tx = transaction_id(&tx)?;
        let nodes = front.nodes();
        let written = nodes
            .iter()
            .try_for_each(|(node, value)| self.write(tx, node, value));
        if written.is_err() {
            // The store forgets it, whatever it answers.
            let _ = self.ask(Op::TransactionEnd, tx, &[b"F\0"]);
            return None;
        }
        self.ask(Op::TransactionEnd, tx, &[b"T\0"]).ok()?;
        self.front = Some(front);
        Some(F::PUBLISHED)
    }

    /// What is made of the backend's nodes, `None` if the store does not say one of them now.
    fn offered<R>(&mut self, make: impl FnOnce(Offers<'_>) -> Option<R>) -> Option<R> {
        let mut refused = false;
        let made = make(&mut |node| {
            let value = self.read(format!("{}/{node}", F::Back::OTHEREND));
            refused |= value.is_err();
            value.ok().flatten()
        });
        made.filter(|_| !refused)
    }

    fn connect(&mut self) -> Option<F::Properties> {
        let mut front = self.front.take()?;
        let properties = self.offered(|offers| front.connect(offers));
        self.front = Some(front);
        properties
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

    /// Nothing is left of the device on our side: only xenstore's page.
    #[track_caller]
    pub fn assert_clean(&mut self) {
        self.assert_clean_but(0);
    }

    /// As [`assert_clean`](Self::assert_clean), but for so many ports that Xen has not closed.
    #[track_caller]
    pub fn assert_clean_but(&mut self, ports: usize) {
        self.grants.tick(self.now / 1000);
        self.xen.assert_sound();
        assert_eq!(self.grants.counters().in_use, 0);
        assert_eq!(self.grants.counters().deferred, 0);
        assert_eq!(self.xen.guest_pages(), 1);
        assert_eq!(self.xen.open_ports(), ports);
        assert_eq!(self.store.open_transactions(), 0);
    }
}

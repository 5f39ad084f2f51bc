// SPDX-License-Identifier: GPL-2.0-only
//! A block frontend: the pure queue, with pages that are granted for each request.
use std::collections::BTreeMap;
use std::sync::Arc;

use fake_xen::{Blkback, FakeXen, Granted, Grants, GuestPage, BACKEND};
use grant_table::Access;
use ring::FrontRing;
use vbd_core::{
    BackendNodes, Direction, IndirectPage, Outcome, Properties, Queue, Slot, Violation,
};
use xen_sys::blkif::MAX_SEGMENTS_PER_REQUEST;
use xen_sys::{GrantRef, Hypervisor, Port, XenError, XenbusState, PAGE_SIZE};
use xenbus::text::parse_u64;

use super::device::{Front, Offers, World};

/// A request in flight: the token that the queue owns.
pub struct Io {
    pub number: u64,
    pages: Vec<Granted>,
    bytes: usize,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The backend has answered; what the pages hold.
    Answered(Outcome, Vec<u8>),
    /// The queue gave it back.
    TakenBack,
}

/// A frontend with one queue.
pub struct Disk {
    pub xen: Arc<FakeXen>,
    pub grants: Arc<Grants>,
    pub queue: Queue<Io, Vec<Slot<Io>>>,
    ring: Granted,
    /// For the segments of indirect requests.
    indirect: Vec<Granted>,
    pub port: Port,
    /// In which domain the port is.
    domain: u32,
    /// Every request that has ended, and how.
    pub ended: BTreeMap<u64, End>,
    pub submitted: u64,
    /// Whether the last notification went out.
    pub told: bool,
}

impl Disk {
    pub fn new(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> Self {
        Self::try_new(xen, grants).unwrap()
    }

    /// Makes ring, grant and port; what was made is undone if one of them cannot be.
    pub fn try_new(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> xen_sys::Result<Self> {
        let page = GuestPage::new(xen);
        let ring = FrontRing::new(page.memory()).map_err(|_| XenError::EINVAL)?;
        let slots = (0..ring.capacity()).map(|_| Slot::EMPTY).collect();
        let granted = grants.grant(page, BACKEND, Access::ReadWrite);
        Ok(Self {
            xen: xen.clone(),
            grants: grants.clone(),
            queue: Queue::new(ring, slots, 51712),
            ring: granted.map_err(|_| XenError::ENOSPC)?,
            indirect: Vec::new(),
            port: xen.evtchn_alloc_unbound(BACKEND)?,
            domain: xen.domain(),
            ended: BTreeMap::new(),
            submitted: 0,
            told: false,
        })
    }

    /// Makes indirect requests from now on, if there are references for their pages.
    pub fn allow_indirect(&mut self) {
        for tag in 0..self.queue.depth() {
            let page = GuestPage::new(&self.xen);
            let memory = page.memory().clone();
            if let Ok(page) = self.grants.grant(page, BACKEND, Access::ReadWrite) {
                self.queue
                    .set_indirect(tag, IndirectPage::new(memory, page.gref()));
                self.indirect.push(page);
            }
        }
    }

    pub fn ring_ref(&self) -> GrantRef {
        self.ring.gref()
    }

    pub fn ring_page(&self) -> &GuestPage {
        self.ring.page()
    }

    fn pages(&self, bytes: usize, access: Access, data: &[u8]) -> Vec<Granted> {
        let mut chunks = data.chunks(PAGE_SIZE);
        (0..bytes.div_ceil(PAGE_SIZE))
            .map(|_| {
                let page = GuestPage::new(&self.xen);
                if let Some(chunk) = chunks.next() {
                    page.memory().write_bytes(0, chunk).unwrap();
                }
                self.grants.grant(page, BACKEND, access).ok().unwrap()
            })
            .collect()
    }

    /// Puts a request on the ring: a write of `data`, or a read of `bytes`. False if the queue refuses.
    pub fn submit(&mut self, tag: usize, sector: u64, bytes: usize, data: Option<&[u8]>) -> bool {
        let (direction, access) = match data {
            Some(_) => (Direction::Write, Access::ReadOnly),
            None => (Direction::Read, Access::ReadWrite),
        };
        let pages = self.pages(bytes, access, data.unwrap_or_default());
        let grefs: Vec<GrantRef> = pages.iter().map(Granted::gref).collect();
        let io = Io {
            number: self.submitted,
            pages,
            bytes,
        };
        let taken = self.queue.submit(tag, direction, sector, bytes, &grefs, io);
        self.submitted += u64::from(taken.is_ok());
        taken.is_ok()
    }

    pub fn flush(&mut self, tag: usize) -> bool {
        let io = Io {
            number: self.submitted,
            pages: Vec::new(),
            bytes: 0,
        };
        let taken = self.queue.submit_flush(tag, io);
        self.submitted += u64::from(taken.is_ok());
        taken.is_ok()
    }

    /// Shows the requests to the backend, and tells it if it wants to be told.
    pub fn commit(&mut self) {
        if self.queue.commit().is_needed() {
            self.told = self.xen.evtchn_send(self.port).is_ok();
        }
    }

    /// Takes the responses.
    pub fn collect(&mut self) -> Result<(), Violation> {
        let ended = &mut self.ended;
        self.queue.collect(|io, outcome| {
            let bytes = io.bytes;
            let mut data: Vec<u8> = io
                .pages
                .iter()
                .flat_map(|page| page.page().to_vec())
                .collect();
            data.truncate(bytes);
            let again = ended.insert(io.number, End::Answered(outcome, data));
            assert!(again.is_none(), "request {} ended twice", io.number);
        })
    }

    /// Ends what the backend has not answered.
    pub fn take_back(&mut self) {
        let ended = &mut self.ended;
        self.queue.take_back(|io| {
            let again = ended.insert(io.number, End::TakenBack);
            assert!(again.is_none(), "request {} ended twice", io.number);
        });
    }

    /// What a request read, if it succeeded.
    pub fn data(&mut self, number: u64) -> Vec<u8> {
        match self.ended.remove(&number) {
            Some(End::Answered(Outcome::Done, data)) => data,
            other => panic!("request {number} ended as {other:?}"),
        }
    }
}

impl Front for Disk {
    type Back = Blkback;
    type Properties = Properties;

    const PUBLISHED: XenbusState = XenbusState::Initialised;

    fn make(xen: &Arc<FakeXen>, grants: &Arc<Grants>, _offers: Offers<'_>) -> Option<Self> {
        Self::try_new(xen, grants).ok()
    }

    fn nodes(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ring-ref", self.ring_ref().to_string()),
            ("event-channel", self.port.to_string()),
            ("protocol", "x86_64-abi".into()),
        ]
    }

    fn connect(&mut self, offers: Offers<'_>) -> Option<Properties> {
        let mut number = |node: &str| offers(node).and_then(|value| parse_u64(&value));
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
        let properties = Properties::negotiate(&nodes).ok()?;
        if properties.segments > MAX_SEGMENTS_PER_REQUEST && self.indirect.is_empty() {
            self.allow_indirect();
        }
        Some(properties)
    }
}

impl World<Disk> {
    pub fn new(sectors: usize) -> Self {
        Self::with(vec![0; sectors * 512])
    }

    /// A write and a read through the whole way.
    pub fn use_disk(&mut self, seed: u8) {
        self.move_data(seed, 8192);
    }

    /// The same with so many bytes.
    pub fn move_data(&mut self, seed: u8, bytes: usize) {
        let disk = self.front.as_mut().expect("a connected disk");
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
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.take_back();
        if self.domain == self.xen.domain() {
            // A port that Xen does not close is Xen's to keep: there is nobody to tell.
            let _ = self.xen.evtchn_close(self.port);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! An honest block backend, strict about what the frontend sends.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ring::BackRing;
use xen_sys::blkif::{
    BlkifRequest, BlkifResponse, BlkifSegment, MAX_INDIRECT_PAGES_PER_REQUEST,
    MAX_SEGMENTS_PER_REQUEST, OP_DISCARD, OP_FLUSH_DISKCACHE, OP_INDIRECT, OP_READ, OP_WRITE,
    OP_WRITE_BARRIER, RSP_EOPNOTSUPP, RSP_ERROR, RSP_OKAY, SECTORS_PER_PAGE,
    SEGMENTS_PER_INDIRECT_PAGE,
};
use xen_sys::{GrantRef, Port, XenError};

use crate::channels::BackendPort;
use crate::memory::Mapping;
use crate::xen::{FakeXen, BACKEND};

/// Bytes of a sector.
const SECTOR: usize = 512;

/// Segments that it takes in an indirect request (`feature-max-indirect-segments`), as many as xen-blkback.
pub(crate) const MAX_INDIRECT_SEGMENTS: usize = 256;

/// In which order requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    Fifo,
    /// The newest first.
    Lifo,
    /// Every other one first.
    Interleaved,
}

/// The operation that the answer to `request` names: of an indirect one, that behind it.
pub fn answered_operation(request: &BlkifRequest) -> u8 {
    match request.operation() {
        OP_INDIRECT => request.as_indirect().indirect_op,
        operation => operation,
    }
}

/// Why a request fails: the response's status.
type Status = i16;

/// An honest backend of one queue, with a disk in memory.
pub struct Blkback {
    xen: Arc<FakeXen>,
    ring: BackRing<BlkifRequest, BlkifResponse>,
    port: BackendPort,
    disk: Vec<u8>,
    order: Order,
    /// Pages mapped for good, if the two have agreed on persistent grants.
    persistent: Option<BTreeMap<GrantRef, Mapping>>,
    /// Requests taken, not answered.
    open: VecDeque<BlkifRequest>,
    flushes: u64,
    indirect: u64,
    // Last, so that it is unmapped when all else has gone.
    _ring_page: Mapping,
}

impl Blkback {
    /// Connects to a frontend's ring and port.
    ///
    /// # Errors
    /// EINVAL if either is not granted or allocated for us.
    pub fn connect(
        xen: &Arc<FakeXen>,
        ring_ref: GrantRef,
        port: Port,
        disk: Vec<u8>,
    ) -> xen_sys::Result<Self> {
        let page = Mapping::new(xen, ring_ref, BACKEND, true).ok_or(XenError::EINVAL)?;
        let ring = BackRing::attach(page.memory()).map_err(|_| XenError::EINVAL)?;
        Ok(Self {
            xen: xen.clone(),
            ring,
            port: BackendPort::connect(xen, port, BACKEND)?,
            disk,
            order: Order::Fifo,
            persistent: None,
            open: VecDeque::new(),
            flushes: 0,
            indirect: 0,
            _ring_page: page,
        })
    }

    /// Answers in another order from now on.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Keeps every page mapped from now on (`feature-persistent`).
    pub fn set_persistent(&mut self) {
        self.persistent = Some(BTreeMap::new());
    }

    /// What is on the disk.
    pub fn disk(&self) -> &[u8] {
        &self.disk
    }

    /// Flushes asked for so far.
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// Indirect requests served so far.
    pub fn indirect(&self) -> u64 {
        self.indirect
    }

    /// Whether the frontend has sent an event since the last look.
    pub fn was_notified(&self) -> bool {
        self.port.take_events() != 0
    }

    /// One turn: takes the requests that are there, answers at most `most` of those open, and notifies if asked to.
    /// Says how many it answered.
    ///
    /// # Panics
    /// If the frontend breaks the ring's protocol: it is ours, so that is a bug.
    pub fn run(&mut self, most: usize) -> usize {
        loop {
            while let Some(request) = self.ring.next_request().expect("an honest frontend") {
                self.open.push_back(request);
            }
            if !self
                .ring
                .final_check_for_requests()
                .expect("an honest frontend")
            {
                break;
            }
        }
        let mut answered = 0;
        while answered < most {
            let Some(request) = self.next_open(answered) else {
                break;
            };
            let status = self.serve(&request).err().unwrap_or(RSP_OKAY);
            let response = BlkifResponse::new(request.id(), answered_operation(&request), status);
            self.ring
                .push_response(&response)
                .expect("as many as requests");
            answered += 1;
        }
        if self.ring.push_responses_and_check_notify().is_needed() {
            self.port.notify();
        }
        answered
    }

    fn next_open(&mut self, turn: usize) -> Option<BlkifRequest> {
        match self.order {
            Order::Fifo => self.open.pop_front(),
            Order::Lifo => self.open.pop_back(),
            Order::Interleaved if turn % 2 == 0 && self.open.len() > 1 => self.open.remove(1),
            Order::Interleaved => self.open.pop_front(),
        }
    }

    fn serve(&mut self, request: &BlkifRequest) -> Result<(), Status> {
        match request.operation() {
            // Empty, a barrier is a flush.
            OP_WRITE_BARRIER if request.as_rw().nr_segments == 0 => {
                self.flushes += 1;
                Ok(())
            }
            op @ (OP_READ | OP_WRITE | OP_WRITE_BARRIER) => {
                let rw = request.as_rw();
                let count = usize::from(rw.nr_segments);
                if !(1..=MAX_SEGMENTS_PER_REQUEST).contains(&count) {
                    return Err(RSP_ERROR);
                }
                self.transfer(op == OP_READ, rw.sector_number, &rw.segments[..count])
            }
            OP_INDIRECT => {
                let indirect = request.as_indirect();
                if !matches!(indirect.indirect_op, OP_READ | OP_WRITE) {
                    return Err(RSP_EOPNOTSUPP);
                }
                let segments = self.indirect_segments(
                    usize::from(indirect.nr_segments),
                    &indirect.indirect_grefs,
                )?;
                self.indirect += 1;
                let read = indirect.indirect_op == OP_READ;
                self.transfer(read, indirect.sector_number, &segments)
            }
            OP_FLUSH_DISKCACHE => {
                self.flushes += 1;
                Ok(())
            }
            OP_DISCARD => {
                let discard = request.as_discard();
                let range = self.range(discard.sector_number, discard.nr_sectors)?;
                self.disk[range].fill(0);
                Ok(())
            }
            _ => Err(RSP_EOPNOTSUPP),
        }
    }

    fn range(&self, sector: u64, sectors: u64) -> Result<std::ops::Range<usize>, Status> {
        let end = sector.checked_add(sectors).ok_or(RSP_ERROR)?;
        if end > (self.disk.len() / SECTOR) as u64 {
            return Err(RSP_ERROR);
        }
        Ok(sector as usize * SECTOR..end as usize * SECTOR)
    }

    fn indirect_segments(
        &mut self,
        count: usize,
        pages: &[GrantRef; MAX_INDIRECT_PAGES_PER_REQUEST],
    ) -> Result<Vec<BlkifSegment>, Status> {
        if !(1..=MAX_INDIRECT_SEGMENTS).contains(&count) {
            return Err(RSP_ERROR);
        }
        let mut segments = Vec::new();
        for gref in &pages[..count.div_ceil(SEGMENTS_PER_INDIRECT_PAGE)] {
            let page = Mapping::new(&self.xen, *gref, BACKEND, false).ok_or(RSP_ERROR)?;
            let here = (count - segments.len()).min(SEGMENTS_PER_INDIRECT_PAGE);
            for n in 0..here {
                let segment = page.memory().load(n * size_of::<BlkifSegment>());
                segments.push(segment.map_err(|_| RSP_ERROR)?);
            }
        }
        Ok(segments)
    }

    fn transfer(
        &mut self,
        read: bool,
        sector: u64,
        segments: &[BlkifSegment],
    ) -> Result<(), Status> {
        let mut at = sector;
        for segment in segments {
            let (first, last) = (segment.first_sect, segment.last_sect);
            if first > last || last >= SECTORS_PER_PAGE {
                return Err(RSP_ERROR);
            }
            let sectors = u64::from(last - first) + 1;
            let range = self.range(at, sectors)?;
            self.copy(read, segment.gref, usize::from(first) * SECTOR, range)?;
            at += sectors;
        }
        Ok(())
    }

    /// Moves a segment, through a mapping of its own or through the one that stays.
    fn copy(
        &mut self,
        read: bool,
        gref: GrantRef,
        offset: usize,
        range: std::ops::Range<usize>,
    ) -> Result<(), Status> {
        let write_to_page = read;
        let map = || Mapping::new(&self.xen, gref, BACKEND, write_to_page).ok_or(RSP_ERROR);
        let fresh;
        let page = match &mut self.persistent {
            Some(pages) => {
                if let std::collections::btree_map::Entry::Vacant(place) = pages.entry(gref) {
                    let page = Mapping::new(&self.xen, gref, BACKEND, true).ok_or(RSP_ERROR)?;
                    place.insert(page);
                }
                &pages[&gref]
            }
            None => {
                fresh = map()?;
                &fresh
            }
        };
        let bytes = &mut self.disk[range];
        if write_to_page {
            page.memory().write_bytes(offset, bytes)
        } else {
            page.memory().read_bytes(offset, bytes)
        }
        .map_err(|_| RSP_ERROR)
    }
}

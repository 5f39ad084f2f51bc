// SPDX-License-Identifier: GPL-2.0-only
//! An honest network backend that quarrels about everything a real one would.
use std::collections::VecDeque;
use std::sync::Arc;

use ring::BackRing;
use xen_sys::netif::{
    NetifGso, NetifRxRequest, NetifRxResponse, NetifRxSlot, NetifTxRequest, NetifTxResponse,
    NetifTxSlot, RxFlags, TxFlags, NR_SLOTS_MIN, RSP_NULL, RSP_OKAY,
};
use xen_sys::{GrantRef, Port, XenError, PAGE_SIZE};

use crate::channels::BackendPort;
use crate::memory::Mapping;
use crate::xen::{FakeXen, BACKEND};

/// A packet that the guest has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its bytes.
    pub data: Vec<u8>,
    /// The flags of its first slot that are about the packet.
    pub flags: TxFlags,
    /// How to segment it.
    pub gso: Option<NetifGso>,
    /// Slots that it took.
    pub slots: usize,
}

/// What is wrong with what the guest has sent: a real backend would take the interface down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarrel {
    /// The ring's index.
    Ring,
    /// The packet's last slots were not shown.
    Incomplete,
    /// More slots than a backend must take.
    TooManySlots,
    /// A slot without data.
    EmptySlot,
    /// Data beyond the page.
    CrossesPage,
    /// The slots' sizes do not add up to the packet's.
    Sizes,
    /// Shorter than an Ethernet header.
    Runt,
    /// The page is not granted.
    NotGranted,
    /// Extra info that nobody knows.
    Extra,
}

/// An honest backend with one queue of each kind.
pub struct Netback {
    xen: Arc<FakeXen>,
    tx: BackRing<NetifTxSlot, NetifTxResponse>,
    rx: BackRing<NetifRxRequest, NetifRxSlot>,
    port: BackendPort,
    /// Receive requests taken, not answered.
    buffers: VecDeque<NetifRxRequest>,
    _pages: [Mapping; 2],
}

impl Netback {
    /// Connects to a frontend's rings and port.
    ///
    /// # Errors
    /// EINVAL if one of them is not granted or allocated for us.
    pub fn connect(
        xen: &Arc<FakeXen>,
        tx_ref: GrantRef,
        rx_ref: GrantRef,
        port: Port,
    ) -> xen_sys::Result<Self> {
        let map = |gref| Mapping::new(xen, gref, BACKEND, true).ok_or(XenError::EINVAL);
        let (tx, rx) = (map(tx_ref)?, map(rx_ref)?);
        Ok(Self {
            xen: xen.clone(),
            tx: BackRing::attach(tx.memory()).map_err(|_| XenError::EINVAL)?,
            rx: BackRing::attach(rx.memory()).map_err(|_| XenError::EINVAL)?,
            port: BackendPort::connect(xen, port, BACKEND)?,
            buffers: VecDeque::new(),
            _pages: [tx, rx],
        })
    }

    /// Whether the frontend has sent an event since the last look.
    pub fn was_notified(&self) -> bool {
        self.port.take_events() != 0
    }

    /// Takes every packet that the guest has sent and answers it.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn take_packets(&mut self) -> Result<Vec<Packet>, Quarrel> {
        let mut packets = Vec::new();
        loop {
            while let Some(slot) = self.next_tx()? {
                packets.push(self.take_packet(slot.as_request())?);
            }
            if !self
                .tx
                .final_check_for_requests()
                .map_err(|_| Quarrel::Ring)?
            {
                break;
            }
        }
        if self.tx.push_responses_and_check_notify().is_needed() {
            self.port.notify();
        }
        Ok(packets)
    }

    fn next_tx(&mut self) -> Result<Option<NetifTxSlot>, Quarrel> {
        self.tx.next_request().map_err(|_| Quarrel::Ring)
    }

    fn take_packet(&mut self, first: NetifTxRequest) -> Result<Packet, Quarrel> {
        let (gso, extras) = self.take_extras(first.flags)?;
        let mut parts = vec![first];
        while parts
            .last()
            .is_some_and(|part| part.flags.contains(TxFlags::MORE_DATA))
        {
            let slot = self.next_tx()?.ok_or(Quarrel::Incomplete)?;
            parts.push(slot.as_request());
            if parts.len() > NR_SLOTS_MIN {
                return Err(Quarrel::TooManySlots);
            }
        }
        let rest: usize = parts[1..].iter().map(|part| usize::from(part.size)).sum();
        let total = usize::from(first.size);
        parts[0].size = total.checked_sub(rest).ok_or(Quarrel::Sizes)? as u16;
        if total < 14 {
            return Err(Quarrel::Runt);
        }
        let mut data = Vec::new();
        for part in &parts {
            self.gather(part, &mut data)?;
        }
        self.answer(&parts, extras);
        Ok(Packet {
            data,
            flags: first.flags & (TxFlags::CSUM_BLANK | TxFlags::DATA_VALIDATED),
            gso,
            slots: parts.len() + extras,
        })
    }

    fn take_extras(&mut self, flags: TxFlags) -> Result<(Option<NetifGso>, usize), Quarrel> {
        let (mut gso, mut count) = (None, 0);
        let mut more = flags.contains(TxFlags::EXTRA_INFO);
        while more {
            let slot = self.next_tx()?.ok_or(Quarrel::Incomplete)?;
            let extra = slot.as_extra_info();
            gso = Some(extra.gso().ok_or(Quarrel::Extra)?);
            more = extra.has_more();
            count += 1;
        }
        Ok((gso, count))
    }

    fn gather(&self, part: &NetifTxRequest, data: &mut Vec<u8>) -> Result<(), Quarrel> {
        let (offset, len) = (usize::from(part.offset), usize::from(part.size));
        if len == 0 {
            return Err(Quarrel::EmptySlot);
        }
        if offset + len > PAGE_SIZE {
            return Err(Quarrel::CrossesPage);
        }
        let page = Mapping::new(&self.xen, part.gref, BACKEND, false).ok_or(Quarrel::NotGranted)?;
        let start = data.len();
        data.resize(start + len, 0);
        page.memory()
            .read_bytes(offset, &mut data[start..])
            .map_err(|_| Quarrel::CrossesPage)
    }

    fn answer(&mut self, parts: &[NetifTxRequest], extras: usize) {
        let okay = |part: &NetifTxRequest| NetifTxResponse {
            id: part.id,
            status: RSP_OKAY,
        };
        let null = NetifTxResponse {
            id: 0,
            status: RSP_NULL,
        };
        // Each slot is answered where it lay: the extras come second.
        let responses = parts[..1]
            .iter()
            .map(okay)
            .chain(std::iter::repeat_n(null, extras))
            .chain(parts[1..].iter().map(okay));
        for response in responses {
            self.tx.push_response(&response).expect("as many as slots");
        }
    }

    /// Buffers that the guest has posted and we have not filled.
    pub fn buffers(&mut self) -> usize {
        while let Ok(Some(request)) = self.rx.next_request() {
            self.buffers.push_back(request);
        }
        self.buffers.len()
    }

    /// Gives the guest a packet in pieces of at most `piece` bytes, each at `offset` of its page; shows it at once.
    /// False, and nothing happens, if there are not enough buffers.
    pub fn deliver(&mut self, data: &[u8], flags: RxFlags, piece: usize, offset: usize) -> bool {
        let pieces: Vec<&[u8]> = data.chunks(piece).collect();
        if self.buffers() < pieces.len() {
            return false;
        }
        for (n, bytes) in pieces.iter().enumerate() {
            let request = self.buffers.pop_front().expect("enough buffers");
            let page = Mapping::new(&self.xen, request.gref, BACKEND, true)
                .expect("a posted page is granted for writing");
            page.memory()
                .write_bytes(offset, bytes)
                .expect("pieces fit a page");
            let mut piece_flags = if n == 0 { flags } else { RxFlags::empty() };
            piece_flags.set(RxFlags::MORE_DATA, n + 1 < pieces.len());
            let response = NetifRxResponse {
                id: request.id,
                offset: offset as u16,
                flags: piece_flags,
                status: bytes.len() as i16,
            };
            self.rx
                .push_response(&response.into())
                .expect("as many as requests");
        }
        if self.rx.push_responses_and_check_notify().is_needed() {
            self.port.notify();
        }
        true
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A network frontend: the pure queues, with pages that are granted for each slot.
use std::sync::Arc;

use fake_xen::{FakeXen, Granted, Grants, GuestPage, BACKEND};
use grant_table::Access;
use ring::Notify;
use vnif_core::gso::Gso;
use vnif_core::rx::Checksum;
use vnif_core::tx::{Entry, Packet};
use vnif_core::{NotPushed, Received, RxQueue, TxQueue, Violation, RING_SLOTS};
use xen_sys::netif::TxFlags;
use xen_sys::{GrantRef, Hypervisor, Port};

/// A frame that was received.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub data: Vec<u8>,
    pub checksum: Checksum,
    pub gso: Option<Gso>,
}

/// A frontend with one queue of each kind. Its packets keep their lengths.
pub struct Nic {
    pub xen: Arc<FakeXen>,
    pub tx: TxQueue<usize, Vec<Entry<usize>>>,
    pub rx: RxQueue,
    rings: [Granted; 2],
    tx_pages: Vec<Granted>,
    rx_pages: Vec<Granted>,
    pub port: Port,
    /// How the backend is to cut the packets that are sent.
    pub gso: Option<Gso>,
    /// Packets that the backend has answered.
    pub answered: u64,
    /// Packets put on the ring.
    pub pushed: u64,
}

impl Nic {
    pub fn new(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> Self {
        let pages = [GuestPage::new(xen), GuestPage::new(xen)];
        let entries = (0..RING_SLOTS).map(|_| Entry::FREE).collect();
        let tx = TxQueue::new(pages[0].memory(), entries).unwrap();
        let rx = RxQueue::new(pages[1].memory()).unwrap();
        let grant = |page, access| grants.grant(page, BACKEND, access).ok().unwrap();
        let slots = |access| {
            (0..RING_SLOTS)
                .map(|_| grant(GuestPage::new(xen), access))
                .collect()
        };
        Self {
            xen: xen.clone(),
            tx,
            rx,
            rings: pages.map(|page| grant(page, Access::ReadWrite)),
            tx_pages: slots(Access::ReadOnly),
            rx_pages: slots(Access::ReadWrite),
            port: xen.evtchn_alloc_unbound(BACKEND).unwrap(),
            gso: None,
            answered: 0,
            pushed: 0,
        }
    }

    pub fn tx_ref(&self) -> GrantRef {
        self.rings[0].gref()
    }

    pub fn rx_ref(&self) -> GrantRef {
        self.rings[1].gref()
    }

    pub fn tx_page(&self) -> &GuestPage {
        self.rings[0].page()
    }

    pub fn rx_page(&self) -> &GuestPage {
        self.rings[1].page()
    }

    fn notify(&self, notify: Notify) {
        if notify.is_needed() {
            self.xen.evtchn_send(self.port).unwrap();
        }
    }

    /// Sends a packet.
    pub fn send(&mut self, data: &[u8], flags: TxFlags) -> Result<(), NotPushed> {
        let packet = Packet::new(data.len() as u32, flags, self.gso).ok_or(NotPushed)?;
        let pages = &self.tx_pages;
        let last = self.tx.push(&packet, |id, part| {
            let page = &pages[usize::from(id)];
            let from = part.offset as usize;
            let bytes = &data[from..from + usize::from(part.len)];
            page.page().memory().write_bytes(0, bytes).unwrap();
            Some(page.gref())
        })?;
        self.tx.keep(last, data.len()).unwrap();
        self.pushed += 1;
        Ok(())
    }

    /// Shows what was sent and posted.
    pub fn show(&mut self) -> Result<(), Violation> {
        let notify = self.tx.show()?;
        self.notify(notify);
        let notify = self.rx.show();
        self.notify(notify);
        Ok(())
    }

    /// Takes what the backend has answered on the transmit ring.
    pub fn reap(&mut self) -> Result<u32, Violation> {
        let answered = &mut self.answered;
        let reaped = self.tx.reap(|_| *answered += 1);
        reaped.map(|reaped| reaped.dropped)
    }

    /// Fills the receive ring.
    pub fn post(&mut self, mut most: u32) {
        let pages = &self.rx_pages;
        self.rx.fill(|slot| {
            most = most.checked_sub(1)?;
            Some(pages[usize::from(slot)].gref())
        });
    }

    /// Takes the frames that have come; says how many were thrown away.
    pub fn receive(&mut self, frames: &mut Vec<Frame>) -> Result<usize, Violation> {
        let Self { rx, rx_pages, .. } = self;
        let mut dropped = 0;
        loop {
            let received = rx.receive(|frame| {
                let mut data = Vec::new();
                for piece in frame.pieces() {
                    let (from, to) = (piece.offset.into(), piece.offset + piece.len);
                    let page = rx_pages[usize::from(piece.slot)].page().to_vec();
                    data.extend_from_slice(&page[from..to.into()]);
                }
                assert_eq!(data.len(), frame.len() as usize);
                Frame {
                    data,
                    checksum: frame.checksum(),
                    gso: frame.gso(),
                }
            });
            match received? {
                Received::Nothing => return Ok(dropped),
                Received::Dropped(_) => dropped += 1,
                Received::Frame(frame) => frames.push(frame),
            }
        }
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        self.xen.evtchn_close(self.port).unwrap();
    }
}

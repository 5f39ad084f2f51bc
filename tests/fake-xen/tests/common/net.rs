// SPDX-License-Identifier: GPL-2.0-only
//! A network frontend: the pure queues, with pages that are granted for each slot.
use std::sync::Arc;

use fake_xen::{FakeXen, Granted, Grants, GuestPage, BACKEND};
use grant_table::Access;
use ring::Notify;
use vnif_core::gso::Gso;
use vnif_core::rx::Checksum;
use vnif_core::tx::{Entry, Fragment, Headers, Plan, Refused};
use vnif_core::{Part, Payload, Received, RxPage, RxQueue, TxQueue, Violation, RING_SLOTS};
use xen_sys::netif::TxFlags;
use xen_sys::{GrantRef, Hypervisor, Port, PAGE_SIZE};

/// What a transmit slot keeps alive.
pub struct TxPart {
    page: Granted,
    waited_for: bool,
}

impl Payload for TxPart {
    fn is_waited_for(&self) -> bool {
        self.waited_for
    }
}

/// A page in the receive ring.
pub struct Buffer(pub Granted);

impl RxPage for Buffer {
    fn gref(&self) -> GrantRef {
        self.0.gref()
    }
}

/// A frame that was received.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub data: Vec<u8>,
    pub checksum: Checksum,
    pub gso: Option<Gso>,
}

/// A frontend with one queue of each kind.
pub struct Nic {
    pub xen: Arc<FakeXen>,
    pub grants: Arc<Grants>,
    pub tx: TxQueue<TxPart, Vec<Entry<TxPart>>>,
    pub rx: RxQueue<Buffer, Vec<Option<Buffer>>>,
    rings: [Granted; 2],
    pub port: Port,
    /// How the backend is to cut the packets that are sent.
    pub gso: Option<Gso>,
    /// Slots that the backend has answered.
    pub answered: u64,
    /// Slots put on the ring.
    pub pushed: u64,
}

impl Nic {
    pub fn new(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> Self {
        let pages = [GuestPage::new(xen), GuestPage::new(xen)];
        let entries = (0..RING_SLOTS).map(|_| Entry::FREE).collect();
        let slots = (0..RING_SLOTS).map(|_| None).collect();
        let tx = TxQueue::new(pages[0].memory(), entries).unwrap();
        let rx = RxQueue::new(pages[1].memory(), slots).unwrap();
        let grant = |page| grants.grant(page, BACKEND, Access::ReadWrite).ok().unwrap();
        Self {
            xen: xen.clone(),
            grants: grants.clone(),
            tx,
            rx,
            rings: pages.map(grant),
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

    /// Sends a packet whose data lies in fragments of these lengths (the rest in a last one), each at `offset` of its
    /// first page.
    pub fn send(
        &mut self,
        data: &[u8],
        lengths: &[usize],
        offset: usize,
        flags: TxFlags,
    ) -> Result<(), Refused> {
        let (mut fragments, mut pages, mut rest) = (Vec::new(), Vec::new(), data);
        for length in lengths.iter().copied().chain([usize::MAX]) {
            let (bytes, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            if !bytes.is_empty() {
                self.lay_out(bytes, offset, &mut fragments, &mut pages);
            }
        }
        let plan = Plan::new(data.len() as u32, Headers::Linear, &fragments, flags)?;
        let plan = plan.with_gso(self.gso);
        let mut index = 0;
        if plan.copied() != 0 {
            let page = GuestPage::new(&self.xen);
            let head = &data[..usize::from(plan.copied())];
            page.memory().write_bytes(0, head).unwrap();
            self.push(&plan, index, page, 0, plan.copied(), false);
            index += 1;
        }
        for part in plan.granted() {
            let at = pages.iter().position(|page| page.gfn() == part.gfn);
            let page = pages.remove(at.expect("a page of the packet"));
            self.push(&plan, index, page, part.offset, part.len, true);
            index += 1;
        }
        assert_eq!(index, plan.slots());
        Ok(())
    }

    /// Puts bytes into fresh pages, from `offset` of the first on.
    fn lay_out(
        &self,
        bytes: &[u8],
        offset: usize,
        fragments: &mut Vec<Fragment>,
        pages: &mut Vec<GuestPage>,
    ) {
        let first = pages.len();
        let (mut rest, mut at) = (bytes, offset);
        while !rest.is_empty() {
            let page = GuestPage::new(&self.xen);
            let (here, after) = rest.split_at(rest.len().min(PAGE_SIZE - at));
            page.memory().write_bytes(at, here).unwrap();
            pages.push(page);
            (rest, at) = (after, 0);
        }
        fragments.push(Fragment {
            gfn: pages[first].gfn(),
            offset: offset as u32,
            len: bytes.len() as u32,
        });
    }

    fn push(
        &mut self,
        plan: &Plan<'_>,
        index: u16,
        page: GuestPage,
        offset: u16,
        len: u16,
        wait: bool,
    ) {
        let page = self.grants.grant(page, BACKEND, Access::ReadOnly);
        let page = page.ok().expect("enough references");
        let part = Part {
            index,
            gref: page.gref(),
            offset,
            len,
        };
        let payload = TxPart {
            page,
            waited_for: wait,
        };
        let pushed = self.tx.push(plan, &part, payload);
        assert!(pushed.is_ok(), "there was room");
        self.pushed += 1;
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
        let reaped = self.tx.reap(|part| {
            *answered += 1;
            drop(part.page);
        });
        reaped.map(|reaped| reaped.dropped)
    }

    /// Fills the receive ring.
    pub fn post(&mut self, most: u32) {
        for _ in 0..most.min(self.rx.vacant()) {
            let page = GuestPage::new(&self.xen);
            let granted = self.grants.grant(page, BACKEND, Access::ReadWrite);
            let posted = self
                .rx
                .post(Buffer(granted.ok().expect("enough references")));
            assert!(posted.is_ok(), "a slot was vacant");
        }
    }

    /// Takes the frames that have come; says how many were thrown away.
    pub fn receive(&mut self, frames: &mut Vec<Frame>) -> Result<usize, Violation> {
        let mut dropped = 0;
        loop {
            match self.rx.receive()? {
                Received::Nothing => return Ok(dropped),
                Received::Dropped(_) => dropped += 1,
                Received::Frame => {
                    let frame = self.rx.frame();
                    let (len, checksum) = (frame.len() as usize, frame.checksum());
                    let gso = frame.gso();
                    let mut data = Vec::new();
                    for piece in frame.pieces() {
                        let (from, to) = (piece.offset.into(), piece.offset + piece.len);
                        // Nothing is read before the grant is ended: a page that the backend keeps is lost to us.
                        if let Some(page) = piece.page.0.end() {
                            data.extend_from_slice(&page.to_vec()[from..to.into()]);
                        }
                    }
                    assert!(data.len() <= len);
                    frames.push(Frame {
                        data,
                        checksum,
                        gso,
                    });
                }
            }
        }
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        self.tx.drain().for_each(drop);
        self.rx.drain().for_each(drop);
        self.xen.evtchn_close(self.port).unwrap();
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A network frontend: the pure queues, with pages that are granted for each slot.
use std::sync::Arc;

use fake_xen::{FakeXen, Granted, Grants, GuestPage, Netback, BACKEND};
use grant_table::Access;
use ring::Notify;
use vnif_core::features::{carrier, BackendNodes, Features};
use vnif_core::gso::Gso;
use vnif_core::rx::Checksum;
use vnif_core::tx::{Entry, Packet};
use vnif_core::{NotPushed, Received, RxQueue, TxQueue, Violation, RING_SLOTS};
use xen_sys::netif::{RxFlags, TxFlags};
use xen_sys::{GrantRef, Hypervisor, Port, XenError, XenbusState};

use super::device::{Front, Offers, World};

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
    /// In which domain the port is.
    domain: u32,
    /// What the backend takes, if its nodes were read.
    features: Option<Features>,
    /// How the backend is to cut the packets that are sent.
    pub gso: Option<Gso>,
    /// Packets that the backend has answered.
    pub answered: u64,
    /// Packets put on the ring.
    pub pushed: u64,
}

impl Nic {
    pub fn new(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> Self {
        Self::try_new(xen, grants).unwrap()
    }

    /// Makes rings, pages, grants and port; what was made is undone if one of them cannot be.
    pub fn try_new(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> xen_sys::Result<Self> {
        let pages = [GuestPage::new(xen), GuestPage::new(xen)];
        let entries = (0..RING_SLOTS).map(|_| Entry::FREE).collect();
        let tx = TxQueue::new(pages[0].memory(), entries).map_err(|_| XenError::EINVAL)?;
        let rx = RxQueue::new(pages[1].memory()).map_err(|_| XenError::EINVAL)?;
        let grant = |page, access| {
            let granted = grants.grant(page, BACKEND, access);
            granted.map_err(|_| XenError::ENOSPC)
        };
        let slots = |access| {
            (0..RING_SLOTS)
                .map(|_| grant(GuestPage::new(xen), access))
                .collect::<xen_sys::Result<Vec<_>>>()
        };
        let [tx_page, rx_page] = pages.map(|page| grant(page, Access::ReadWrite));
        Ok(Self {
            xen: xen.clone(),
            tx,
            rx,
            rings: [tx_page?, rx_page?],
            tx_pages: slots(Access::ReadOnly)?,
            rx_pages: slots(Access::ReadWrite)?,
            port: xen.evtchn_alloc_unbound(BACKEND)?,
            domain: xen.domain(),
            features: None,
            gso: None,
            answered: 0,
            pushed: 0,
        })
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
            // As the kernel's half, which has nobody to tell of an event that Xen does not send.
            let _ = self.xen.evtchn_send(self.port);
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

/// What was agreed on with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub features: Features,
    pub link: bool,
}

fn features(offers: Offers<'_>) -> Option<Features> {
    let nodes = [
        "feature-rx-copy",
        "feature-sg",
        "feature-no-csum-offload",
        "feature-ipv6-csum-offload",
        "feature-gso-tcpv4",
        "feature-gso-tcpv6",
        "feature-multicast-control",
    ];
    let values = nodes.map(offers);
    let [rx_copy, sg, no_csum_offload, ipv6_csum_offload, gso_tcpv4, gso_tcpv6, multicast_control] =
        values.each_ref().map(Option::as_deref);
    Features::negotiate(&BackendNodes {
        rx_copy,
        sg,
        no_csum_offload,
        ipv6_csum_offload,
        gso_tcpv4,
        gso_tcpv6,
        multicast_control,
    })
    .ok()
}

impl Front for Nic {
    type Back = Netback;
    type Properties = Agreed;

    const PUBLISHED: XenbusState = XenbusState::Connected;

    fn make(xen: &Arc<FakeXen>, grants: &Arc<Grants>, offers: Offers<'_>) -> Option<Self> {
        let features = features(offers)?;
        let mut front = Self::try_new(xen, grants).ok()?;
        front.features = Some(features);
        Some(front)
    }

    fn nodes(&self) -> Vec<(&'static str, String)> {
        vec![
            ("tx-ring-ref", self.tx_ref().to_string()),
            ("rx-ring-ref", self.rx_ref().to_string()),
            ("event-channel", self.port.to_string()),
            ("request-rx-copy", "1".into()),
        ]
    }

    fn connect(&mut self, offers: Offers<'_>) -> Option<Agreed> {
        Some(Agreed {
            features: self.features?,
            link: carrier(offers("carrier").as_deref()),
        })
    }
}

impl World<Nic> {
    /// A packet of several slots out and a frame of several pieces in, through the whole way.
    #[track_caller]
    pub fn use_interface(&mut self, seed: u8) {
        let (front, back) = self.ends();
        let data: Vec<u8> = (0..9000).map(|n| (n as u8) ^ seed).collect();
        front.send(&data, TxFlags::CSUM_BLANK).unwrap();
        front.show().unwrap();
        let packets = back.take_packets().unwrap();
        assert!(packets.last().is_some_and(|packet| packet.data == data));
        front.reap().unwrap();
        assert_eq!(front.answered, front.pushed);
        front.post(256);
        front.show().unwrap();
        assert!(back.deliver(&data, RxFlags::DATA_VALIDATED, 4000, 96));
        let mut frames = Vec::new();
        assert_eq!(front.receive(&mut frames), Ok(0));
        assert!(frames.last().is_some_and(|frame| frame.data == data));
    }

    /// Both ends of a connection.
    pub fn ends(&mut self) -> (&mut Nic, &mut Netback) {
        let front = self.front.as_mut().expect("a connected interface");
        let back = self.driver.back.as_mut().expect("a connected backend");
        (front, back)
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        if self.domain == self.xen.domain() {
            // A port that Xen does not close is Xen's to keep: there is nobody to tell.
            let _ = self.xen.evtchn_close(self.port);
        }
    }
}

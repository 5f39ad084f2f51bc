// SPDX-License-Identifier: GPL-2.0-only
//! The queues on real rings: packets through an honest backend and back.
use crate::gso::{Gso, Kind, RECEIVED_SIZE_MIN};
use crate::rx::FRAME_PAGES_MAX;
use crate::tx::{Entry, Packet};
use crate::{NotPushed, Received, RxQueue, TxQueue, RING_SLOTS};
use proptest::prelude::*;
use ring::{BackRing, SharedMemory};
use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::vec::Vec;
use xen_sys::netif::{
    NetifExtraInfo, NetifRxRequest, NetifRxResponse, NetifRxSlot, NetifTxResponse, NetifTxSlot,
    RxFlags, TxFlags, RSP_NULL,
};
use xen_sys::GrantRef;

pub(super) const PAGE: usize = 4096;

/// Grants of transmit pages begin here, those of receive pages at 0.
const TX: u32 = 1000;

/// A frontend as the kernel's half builds it. What a slot keeps is the length of its packet.
pub(super) struct Front {
    pub(super) tx: TxQueue<usize, Vec<Entry<usize>>>,
    pub(super) rx: RxQueue,
    tx_pages: Vec<Vec<u8>>,
    rx_pages: Vec<Vec<u8>>,
}

impl Front {
    pub(super) fn new(tx: &SharedMemory, rx: &SharedMemory) -> Self {
        let pages = || std::vec![std::vec![0; PAGE]; RING_SLOTS];
        Self {
            tx: TxQueue::new(tx, (0..RING_SLOTS).map(|_| Entry::FREE).collect()).unwrap(),
            rx: RxQueue::new(rx).unwrap(),
            tx_pages: pages(),
            rx_pages: pages(),
        }
    }

    /// Puts a packet into the ring. The backend does not see it yet.
    pub(super) fn push(&mut self, data: &[u8], gso: Option<Gso>) -> Result<u16, NotPushed> {
        let packet = Packet::new(data.len() as u32, TxFlags::CSUM_BLANK, gso).unwrap();
        self.tx.push(&packet, |id, part| {
            let (from, len) = (part.offset as usize, usize::from(part.len));
            let page = &mut self.tx_pages[usize::from(id)];
            page[..len].copy_from_slice(&data[from..from + len]);
            Some(GrantRef(TX + u32::from(id)))
        })
    }

    /// Sends a packet that the stack waits for.
    pub(super) fn send(&mut self, data: &[u8], gso: Option<Gso>) {
        assert!(self.tx.has_room());
        let last = self.push(data, gso).unwrap();
        self.tx.keep(last, data.len()).unwrap();
        let _ = self.tx.show().unwrap();
    }

    pub(super) fn refill(&mut self) {
        self.rx.fill(|slot| Some(GrantRef(slot.into())));
        let _ = self.rx.show();
    }

    fn granted(&mut self, gref: GrantRef) -> &mut Vec<u8> {
        match gref.0.checked_sub(TX) {
            Some(id) => &mut self.tx_pages[id as usize],
            None => &mut self.rx_pages[gref.0 as usize],
        }
    }

    /// The next frame's bytes and what it says about its segments.
    fn receive(&mut self) -> Option<(Vec<u8>, Option<Gso>)> {
        let Self { rx, rx_pages, .. } = self;
        let received = rx.receive(|frame| {
            let mut bytes = Vec::new();
            for piece in frame.pieces() {
                let (from, to) = (piece.offset.into(), (piece.offset + piece.len).into());
                bytes.extend_from_slice(&rx_pages[usize::from(piece.slot)][from..to]);
            }
            assert_eq!(bytes.len(), frame.len() as usize);
            (bytes, frame.gso())
        });
        match received.unwrap() {
            Received::Nothing => None,
            Received::Dropped(why) => panic!("{why:?}"),
            Received::Frame(frame) => Some(frame),
        }
    }
}

/// A backend that keeps to the protocol and checks that the frontend does.
pub(super) struct Honest {
    pub(super) tx: BackRing<NetifTxSlot, NetifTxResponse>,
    pub(super) rx: BackRing<NetifRxRequest, NetifRxSlot>,
}

impl Honest {
    fn next_packet(&mut self, front: &mut Front) -> Option<(Vec<u8>, Option<NetifExtraInfo>)> {
        let mut request = self.tx.next_request().unwrap()?.as_request();
        let mut left = usize::from(request.size);
        let mut slots: Vec<(u16, GrantRef, u16, Option<u16>)> = Vec::new();
        assert!(request.flags.contains(TxFlags::CSUM_BLANK));
        let mut extra = None;
        if request.flags.contains(TxFlags::EXTRA_INFO) {
            extra = Some(self.tx.next_request().unwrap().unwrap().as_extra_info());
        }
        loop {
            let size = (!slots.is_empty()).then_some(request.size);
            slots.push((request.id, request.gref, request.offset, size));
            if !request.flags.contains(TxFlags::MORE_DATA) {
                break;
            }
            request = self.tx.next_request().unwrap().unwrap().as_request();
            let of_the_first = TxFlags::CSUM_BLANK | TxFlags::EXTRA_INFO;
            assert!(!request.flags.intersects(of_the_first));
        }
        assert!(slots.len() <= 16);
        let rest: usize = slots
            .iter()
            .filter_map(|slot| slot.3)
            .map(usize::from)
            .sum();
        left -= rest;
        assert!(slots.len() == 1 || left >= 128, "headers in the first slot");
        let mut bytes = Vec::new();
        for (number, (id, gref, offset, size)) in slots.into_iter().enumerate() {
            let size = size.map_or(left, usize::from);
            let from = usize::from(offset);
            assert!(size > 0 && from + size <= PAGE);
            bytes.extend_from_slice(&front.granted(gref)[from..from + size]);
            self.tx
                .push_response(&NetifTxResponse { id, status: 0 })
                .unwrap();
            if number == 0 && extra.is_some() {
                // The id of such an answer means nothing.
                self.tx
                    .push_response(&NetifTxResponse {
                        id,
                        status: RSP_NULL,
                    })
                    .unwrap();
            }
        }
        let _ = self.tx.push_responses_and_check_notify();
        Some((bytes, extra))
    }

    /// Delivers a packet in pieces of at most `most` bytes, with extra info after the first.
    fn deliver(
        &mut self,
        front: &mut Front,
        bytes: &[u8],
        most: usize,
        extra: Option<NetifExtraInfo>,
    ) {
        let most = most.max(bytes.len().div_ceil(FRAME_PAGES_MAX)).min(PAGE);
        let count = bytes.len().div_ceil(most);
        let mut answered = 0;
        for (number, piece) in bytes.chunks(most).enumerate() {
            let request = self.rx.next_request().unwrap().unwrap();
            let offset = (PAGE - piece.len()) / 2;
            front.granted(request.gref)[offset..offset + piece.len()].copy_from_slice(piece);
            let mut flags = RxFlags::empty();
            flags.set(RxFlags::MORE_DATA, number + 1 < count);
            flags.set(RxFlags::EXTRA_INFO, extra.is_some() && number == 0);
            let response = NetifRxResponse {
                id: request.id,
                offset: offset as u16,
                flags,
                status: piece.len() as i16,
            };
            self.rx.push_response(&response.into()).unwrap();
            answered += 1;
            if let (0, Some(extra)) = (number, extra) {
                self.rx.next_request().unwrap().unwrap();
                self.rx.push_response(&extra.into()).unwrap();
                answered += 1;
            }
            if number == count / 2 && number + 1 < count {
                // The guest sees half of it, and may offer none of its slots again.
                let _ = self.rx.push_responses_and_check_notify();
                assert!(front.receive().is_none());
                front.refill();
                let counters = front.rx.counters();
                let offered = counters.requests - counters.responses;
                assert_eq!(offered, RING_SLOTS as u64 - answered);
            }
        }
        let _ = self.rx.push_responses_and_check_notify();
    }
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    (prop_oneof![14usize..300, 14usize..=65535], any::<u8>()).prop_map(|(len, seed)| {
        (0..len)
            .map(|at| (at * 31 + (at >> 8)) as u8 ^ seed)
            .collect()
    })
}

fn gso() -> impl Strategy<Value = Option<Gso>> {
    let kind = prop_oneof![Just(Kind::TcpV4), Just(Kind::TcpV6)];
    prop::option::of(
        (kind, RECEIVED_SIZE_MIN..=u16::MAX).prop_map(|(kind, size)| Gso {
            kind,
            size: NonZeroU16::new(size).unwrap(),
        }),
    )
}

/// Extra info that says nothing to us.
const HASH: NetifExtraInfo = NetifExtraInfo {
    kind: 4,
    flags: 0,
    data: [7; 6],
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Packets of any length go out through the transmit ring and come back through the receive ring, unchanged and in
    /// order, also those that arrive in two polls; what the stack waits for ends once.
    #[test]
    fn packets_survive_the_round_trip(
        packets in prop::collection::vec((packet(), 1usize..5000, any::<bool>(), gso()), 1..40),
    ) {
        let (tx, rx) = (SharedMemory::zeroed(PAGE), SharedMemory::zeroed(PAGE));
        let mut front = Front::new(&tx, &rx);
        let mut back = Honest { tx: BackRing::attach(&tx).unwrap(), rx: BackRing::attach(&rx).unwrap() };
        front.refill();
        let mut expected = VecDeque::new();
        let count = packets.len() as u64;
        for (data, most, hash, gso) in packets {
            front.send(&data, gso);
            let (bytes, said) = back.next_packet(&mut front).unwrap();
            prop_assert!(bytes == data);
            prop_assert_eq!(said.is_some(), gso.is_some());
            prop_assert_eq!(back.next_packet(&mut front), None);
            back.deliver(&mut front, &bytes, most, said.or(hash.then_some(HASH)));
            let mut ended = Vec::new();
            front.tx.reap(|len| ended.push(len)).unwrap();
            prop_assert_eq!(ended, [data.len()]);
            prop_assert_eq!(front.tx.in_flight(), 0);
            expected.push_back((data, gso));
            while let Some(frame) = front.receive() {
                prop_assert!(Some(frame) == expected.pop_front());
            }
            front.refill();
        }
        let (tx, rx) = (front.tx.counters(), front.rx.counters());
        prop_assert_eq!(rx.requests, rx.responses + RING_SLOTS as u64);
        prop_assert!(tx.requests == tx.responses && tx.responses >= count);
        prop_assert!(expected.is_empty());
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! The queues on real rings: packets through an honest backend and back.
use crate::gso::{Gso, Kind, RECEIVED_SIZE_MIN};
use crate::rx::FRAME_PAGES_MAX;
use crate::tx::{Entry, Fragment, Headers, Plan};
use crate::{Part, Payload, Received, RxPage, RxQueue, TxQueue, RING_SLOTS};
use proptest::prelude::*;
use ring::{BackRing, SharedMemory};
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU16;
use std::rc::Rc;
use std::vec::Vec;
use xen_sys::netif::{
    NetifExtraInfo, NetifRxRequest, NetifRxResponse, NetifRxSlot, NetifTxResponse, NetifTxSlot,
    RxFlags, TxFlags, RSP_NULL,
};
use xen_sys::{Gfn, GrantRef};

pub(super) const PAGE: usize = 4096;

/// The guest's memory by frame, and which references grant which frame.
#[derive(Default)]
pub(super) struct Memory {
    pages: HashMap<u64, Vec<u8>>,
    pub(super) grants: HashMap<u32, u64>,
    next: u32,
}

impl Memory {
    pub(super) fn page(&mut self, gfn: u64) -> &mut Vec<u8> {
        let fill = |at: usize| {
            (at as u8)
                .wrapping_mul(31)
                .wrapping_add((at >> 8) as u8 ^ gfn as u8)
        };
        self.pages
            .entry(gfn)
            .or_insert_with(|| (0..PAGE).map(fill).collect())
    }

    pub(super) fn grant(&mut self, gfn: u64) -> GrantRef {
        self.next += 1;
        self.grants.insert(self.next, gfn);
        GrantRef(self.next)
    }

    fn granted(&mut self, gref: GrantRef) -> &mut Vec<u8> {
        let gfn = *self.grants.get(&gref.0).expect("an active grant");
        self.page(gfn)
    }
}

/// What a transmit slot keeps: nothing, or a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Copied,
    Granted(GrantRef),
}

impl Payload for Slot {
    fn is_waited_for(&self) -> bool {
        *self != Self::Copied
    }
}

/// A page; the count of those alive is that of the references to `alive`.
pub(super) struct Page {
    pub(super) gfn: u64,
    pub(super) gref: GrantRef,
    _alive: Rc<()>,
}

impl RxPage for Page {
    fn gref(&self) -> GrantRef {
        self.gref
    }
}

/// A frontend as the kernel's half builds it.
pub(super) struct Front {
    pub(super) memory: Memory,
    pub(super) tx: TxQueue<Slot, Vec<Entry<Slot>>>,
    pub(super) rx: RxQueue<Page, Vec<Option<Page>>>,
    heads: GrantRef,
    pub(super) next_gfn: u64,
    pub(super) alive: Rc<()>,
}

/// Frames from here on belong to the frontend's own pages.
const OWN: u64 = 1 << 32;

impl Front {
    pub(super) fn new(tx: &SharedMemory, rx: &SharedMemory) -> Self {
        let mut memory = Memory::default();
        Self {
            heads: memory.grant(OWN),
            memory,
            tx: TxQueue::new(tx, (0..RING_SLOTS).map(|_| Entry::FREE).collect()).unwrap(),
            rx: RxQueue::new(rx, (0..RING_SLOTS).map(|_| None).collect()).unwrap(),
            next_gfn: OWN + 1,
            alive: Rc::default(),
        }
    }

    /// Copies the packet's head into its place. One page here holds all heads, so only one packet is sent at a time.
    pub(super) fn send(&mut self, fragments: &[Fragment]) -> bool {
        self.send_segments(fragments, None)
    }

    /// The same with a packet that is to be cut.
    pub(super) fn send_segments(&mut self, fragments: &[Fragment], gso: Option<Gso>) -> bool {
        let len = fragments.iter().map(|part| part.len).sum();
        let Ok(plan) = Plan::new(len, Headers::Unknown, fragments, TxFlags::CSUM_BLANK) else {
            return false;
        };
        let plan = plan.with_gso(gso);
        assert!(self.tx.has_room());
        let mut index = 0;
        if plan.copied() != 0 {
            let head: Vec<u8> = packet(&mut self.memory, fragments)[..plan.copied().into()].into();
            self.memory.page(OWN)[..head.len()].copy_from_slice(&head);
            self.push(&plan, index, self.heads, 0, plan.copied(), Slot::Copied);
            index += 1;
        }
        for part in plan.granted() {
            let gref = self.memory.grant(part.gfn.0);
            let payload = Slot::Granted(gref);
            self.push(&plan, index, gref, part.offset, part.len, payload);
            index += 1;
        }
        assert_eq!(index, plan.slots());
        let _ = self.tx.show().unwrap();
        true
    }

    pub(super) fn push(
        &mut self,
        plan: &Plan<'_>,
        index: u16,
        gref: GrantRef,
        offset: u16,
        len: u16,
        payload: Slot,
    ) {
        let part = Part {
            index,
            gref,
            offset,
            len,
        };
        self.tx.push(plan, &part, payload).unwrap();
    }

    pub(super) fn reap(&mut self) {
        let grants = &mut self.memory.grants;
        let each = |slot| {
            if let Slot::Granted(gref) = slot {
                assert!(grants.remove(&gref.0).is_some(), "ended once");
            }
        };
        self.tx.reap(each).unwrap();
    }

    pub(super) fn refill(&mut self) {
        while self.rx.vacant() != 0 {
            let gfn = self.next_gfn;
            self.next_gfn += 1;
            let gref = self.memory.grant(gfn);
            let _alive = self.alive.clone();
            let page = Page { gfn, gref, _alive };
            assert!(self.rx.post(page).is_ok());
        }
        let _ = self.rx.show();
    }

    /// The counters say what the rings and the grants are like.
    fn check_counters(&self) {
        let (tx, rx) = (self.tx.counters(), self.rx.counters());
        assert_eq!(tx.requests - tx.responses, u64::from(self.tx.in_flight()));
        assert_eq!(rx.requests - rx.responses, self.rx.posted().into());
        let packets = self.tx.payloads().filter(|slot| **slot != Slot::Copied);
        let granted = packets.count() + self.rx.pages();
        assert_eq!(granted + 1, self.memory.grants.len(), "with the heads");
    }

    /// The next frame's bytes and what it says about its segments; its grants end.
    fn receive(&mut self) -> Option<(Vec<u8>, Option<Gso>)> {
        match self.rx.receive().unwrap() {
            Received::Nothing => None,
            Received::Dropped(why) => panic!("{why:?}"),
            Received::Frame => {
                let (len, gso) = (self.rx.frame().len(), self.rx.frame().gso());
                let mut bytes = Vec::new();
                for piece in self.rx.frame().pieces() {
                    assert!(self.memory.grants.remove(&piece.page.gref.0).is_some());
                    let (from, to) = (piece.offset.into(), (piece.offset + piece.len).into());
                    bytes.extend_from_slice(&self.memory.page(piece.page.gfn)[from..to]);
                }
                assert_eq!(bytes.len(), len as usize);
                Some((bytes, gso))
            }
        }
    }
}

fn packet(memory: &mut Memory, fragments: &[Fragment]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in fragments {
        for at in 0..part.len {
            let address = part.gfn.0 * PAGE as u64 + u64::from(part.offset + at);
            bytes.push(memory.page(address / PAGE as u64)[address as usize % PAGE]);
        }
    }
    bytes
}

/// A backend that keeps to the protocol and checks that the frontend does.
pub(super) struct Honest {
    pub(super) tx: BackRing<NetifTxSlot, NetifTxResponse>,
    pub(super) rx: BackRing<NetifRxRequest, NetifRxSlot>,
}

impl Honest {
    fn next_packet(&mut self, memory: &mut Memory) -> Option<(Vec<u8>, Option<NetifExtraInfo>)> {
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
        assert!(slots.len() <= 18);
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
            bytes.extend_from_slice(&memory.granted(gref)[from..from + size]);
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
        memory: &mut Memory,
        bytes: &[u8],
        most: usize,
        extra: Option<NetifExtraInfo>,
    ) {
        let most = most.max(bytes.len().div_ceil(FRAME_PAGES_MAX)).min(PAGE);
        let count = bytes.len().div_ceil(most);
        for (number, piece) in bytes.chunks(most).enumerate() {
            let request = self.rx.next_request().unwrap().unwrap();
            let offset = (PAGE - piece.len()) / 2;
            memory.granted(request.gref)[offset..offset + piece.len()].copy_from_slice(piece);
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
            if let (0, Some(extra)) = (number, extra) {
                self.rx.next_request().unwrap().unwrap();
                self.rx.push_response(&extra.into()).unwrap();
            }
        }
        let _ = self.rx.push_responses_and_check_notify();
    }
}

fn fragments() -> impl Strategy<Value = Vec<Fragment>> {
    let head = (0u32..4096, prop_oneof![14u32..300, 14u32..5000]);
    let tail = prop::collection::vec((0u32..8192, 1u32..5000), 0..8);
    (head, tail).prop_map(|(head, tail)| {
        (0u64..)
            .zip([head].into_iter().chain(tail))
            .map(|(number, (offset, len))| Fragment {
                gfn: Gfn(number * 16),
                offset,
                len,
            })
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

    /// Packets of any shape go out through the transmit ring and come back through the receive ring, unchanged and in
    /// order; grants are active exactly as long as the backend needs them; none is left over.
    #[test]
    fn packets_survive_the_round_trip(
        packets in prop::collection::vec((fragments(), 1usize..5000, any::<bool>(), gso()), 1..40),
    ) {
        let (tx, rx) = (SharedMemory::zeroed(PAGE), SharedMemory::zeroed(PAGE));
        let mut front = Front::new(&tx, &rx);
        let mut back = Honest { tx: BackRing::attach(&tx).unwrap(), rx: BackRing::attach(&rx).unwrap() };
        front.refill();
        let (mut expected, mut sent) = (VecDeque::new(), 0);
        for (list, most, hash, gso) in packets {
            if !front.send_segments(&list, gso) {
                continue;
            }
            sent += 1;
            front.check_counters();
            expected.push_back((packet(&mut front.memory, &list), gso));
            let (bytes, said) = back.next_packet(&mut front.memory).unwrap();
            prop_assert_eq!(said.is_some(), gso.is_some());
            prop_assert_eq!(back.next_packet(&mut front.memory), None);
            back.deliver(&mut front.memory, &bytes, most, said.or(hash.then_some(HASH)));
            front.reap();
            prop_assert_eq!(front.tx.in_flight(), 0);
            while let Some(frame) = front.receive() {
                prop_assert_eq!(Some(frame), expected.pop_front());
            }
            front.check_counters();
            front.refill();
            front.check_counters();
        }
        let (tx, rx) = (front.tx.counters(), front.rx.counters());
        prop_assert_eq!(rx.requests, rx.responses + RING_SLOTS as u64);
        prop_assert!(tx.responses >= sent);
        prop_assert!(expected.is_empty());
        for page in front.rx.drain() {
            front.memory.grants.remove(&page.gref.0);
        }
        prop_assert_eq!(front.memory.grants.len(), 1, "only the heads are still granted");
    }
}

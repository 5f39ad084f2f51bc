// SPDX-License-Identifier: GPL-2.0-only
//! The network frontend's core against a backend that does what it likes. What must hold: no panic; every page comes
//! back or is waited for; a frame lies within its pages; after a violation nothing is believed.
mod common;

use std::num::NonZeroU16;
use std::sync::Arc;

use common::net::{Frame, Nic};
use fake_xen::hostile::{flaw, mischief, Flaw, Index, LawlessRing, Mischief};
use fake_xen::{FakeXen, Grants, Mapping, BACKEND};
use proptest::prelude::*;
use vnif_core::gso::{Gso, Kind};
use vnif_core::Violation;
use xen_sys::netif::{
    NetifExtraInfo, NetifRxRequest, NetifRxResponse, NetifRxSlot, NetifTxResponse, NetifTxSlot,
    RxFlags, TxFlags,
};
use xen_sys::GrantRef;

/// A backend without manners.
struct Backend {
    xen: Arc<FakeXen>,
    tx: LawlessRing<NetifTxSlot, NetifTxResponse>,
    rx: LawlessRing<NetifRxRequest, NetifRxSlot>,
    sent: Vec<NetifTxSlot>,
    posted: Vec<NetifRxRequest>,
    held: Vec<Mapping>,
    /// The buffer answered last.
    filled: Option<GrantRef>,
}

impl Backend {
    fn new(front: &Nic) -> Self {
        Self {
            xen: front.xen.clone(),
            tx: LawlessRing::new(front.tx_page().memory()),
            rx: LawlessRing::new(front.rx_page().memory()),
            sent: Vec::new(),
            posted: Vec::new(),
            held: Vec::new(),
            filled: None,
        }
    }

    /// Maps one of the pages that are granted now.
    fn hold_any(&mut self, which: usize) {
        let granted = self.xen.granted();
        if !granted.is_empty() {
            self.hold(granted[which % granted.len()]);
        }
    }

    fn hold(&mut self, gref: GrantRef) {
        self.held
            .extend(Mapping::new(&self.xen, gref, BACKEND, false));
    }

    fn answer_tx(&mut self, which: usize, flaw: Flaw) {
        self.sent
            .extend(std::iter::from_fn(|| self.tx.next_request()));
        if self.sent.is_empty() {
            return;
        }
        let request = self.sent.remove(which % self.sent.len()).as_request();
        let mut response = NetifTxResponse {
            id: request.id,
            status: 0,
        };
        match flaw {
            Flaw::None => {}
            Flaw::Id(id) => response.id = id as u16,
            Flaw::Twice => self.tx.respond(&response),
            Flaw::Kind(status) => response.status = status.into(),
            Flaw::Status(status) => response.status = status,
        }
        self.tx.respond(&response);
    }

    fn answer_rx(&mut self, offset: u16, flags: u16, status: i16, flaw: Flaw) {
        self.posted
            .extend(std::iter::from_fn(|| self.rx.next_request()));
        if self.posted.is_empty() {
            return;
        }
        let request = self.posted.remove(0);
        self.filled = Some(request.gref);
        let mut response = NetifRxResponse {
            id: request.id,
            offset,
            flags: RxFlags::from_bits_retain(flags),
            status,
        };
        match flaw {
            Flaw::None => {}
            Flaw::Id(id) => response.id = id as u16,
            Flaw::Twice => self.rx.respond(&response.into()),
            Flaw::Kind(kind) => {
                let extra = NetifExtraInfo {
                    kind,
                    flags: flags as u8,
                    data: [kind; 6],
                };
                return self.rx.respond(&extra.into());
            }
            Flaw::Status(status) => response.status = status,
        }
        self.rx.respond(&response.into());
    }
}

fn machine() -> (Arc<FakeXen>, Arc<Grants>, Nic, Backend) {
    let xen = FakeXen::new(1, 1000);
    let grants = Grants::new(&xen, 3).unwrap();
    let mut front = Nic::new(&xen, &grants);
    let back = Backend::new(&front);
    front.post(20);
    for n in 0..4 {
        front.send(&[n; 60], TxFlags::empty()).unwrap();
    }
    front.show().unwrap();
    (xen, grants, front, back)
}

#[test]
fn transmit_answers_to_nobody() {
    for id in [4, 255, 256, 65535] {
        let (_xen, _grants, mut front, mut back) = machine();
        back.answer_tx(0, Flaw::Id(id));
        assert_eq!(front.reap(), Err(Violation::Id));
        assert_eq!(front.reap(), Err(Violation::Id), "and it stays so");
        assert_eq!(front.show(), Err(Violation::Id));
    }
}

#[test]
fn transmit_answers_twice() {
    let (xen, _grants, mut front, mut back) = machine();
    back.answer_tx(0, Flaw::Twice);
    assert_eq!(front.reap(), Err(Violation::Id));
    assert_eq!(front.answered, 1);
    xen.assert_sound();
}

#[test]
fn transmit_answers_without_meaning() {
    let (_xen, _grants, mut front, mut back) = machine();
    back.answer_tx(0, Flaw::Status(-1));
    back.answer_tx(0, Flaw::Status(-2));
    assert_eq!(front.reap(), Ok(2), "dropped, but fairly so");
    back.answer_tx(0, Flaw::Status(77));
    assert_eq!(front.reap(), Err(Violation::Status));
}

/// Status 1 says that a slot was extra info. None was sent.
#[test]
fn transmit_answers_to_extra_info_that_was_not_sent() {
    let (xen, _grants, mut front, mut back) = machine();
    back.answer_tx(0, Flaw::Status(1));
    assert_eq!(front.reap(), Err(Violation::Status));
    assert_eq!(front.answered, 0);
    xen.assert_sound();
}

#[test]
fn received_frames_out_of_bounds_are_dropped() {
    for (offset, status) in [
        (4095u16, 60i16),
        (65535, 60),
        (0, 4097),
        (0, 0),
        (0, -1),
        (4000, i16::MAX),
    ] {
        let (xen, _grants, mut front, mut back) = machine();
        back.answer_rx(offset, 0, status, Flaw::None);
        let mut frames = Vec::new();
        assert_eq!(front.receive(&mut frames), Ok(1), "{offset} {status}");
        assert_eq!(frames, []);
        drop((front, back));
        xen.assert_sound();
    }
}

#[test]
fn received_out_of_order() {
    let (_xen, _grants, mut front, mut back) = machine();
    back.answer_rx(0, 0, 60, Flaw::Id(3));
    assert_eq!(front.receive(&mut Vec::new()), Err(Violation::Id));
}

/// More answers than buffers, on either ring.
#[test]
fn runaway_indices() {
    for index in [21, 100, 256, 257, u32::MAX] {
        let (_xen, _grants, mut front, mut back) = machine();
        back.rx.apply(&Mischief::Set(Index::RspProd, index));
        back.tx.apply(&Mischief::Set(Index::RspProd, index));
        assert!(matches!(
            front.receive(&mut Vec::new()),
            Err(Violation::Ring(_))
        ));
        assert!(matches!(front.reap(), Err(Violation::Ring(_))));
    }
}

#[test]
fn responses_that_change_when_they_were_read() {
    let (_xen, _grants, mut front, mut back) = machine();
    for _ in 0..4 {
        back.answer_rx(0, 0, 60, Flaw::None);
        back.answer_tx(0, Flaw::None);
    }
    back.rx.apply(&Mischief::TamperBehind(u32::MAX));
    back.tx.apply(&Mischief::TamperBehind(u32::MAX));
    let mut frames = Vec::new();
    assert_eq!(front.receive(&mut frames), Ok(0));
    assert_eq!(frames.len(), 4);
    assert_eq!(front.reap(), Ok(0));
    assert_eq!(front.answered, 4);
}

/// A backend that keeps what it was lent: the guest goes on, and the pages are waited for when the connection ends.
#[test]
fn pages_that_are_held() {
    let (xen, grants, mut front, mut back) = machine();
    back.answer_rx(0, 0, 60, Flaw::None);
    let filled = back.filled.expect("a buffer");
    back.hold(filled);
    let mut frames = Vec::new();
    assert_eq!(front.receive(&mut frames), Ok(0));
    assert_eq!(frames[0].data.len(), 60);
    assert_eq!(grants.counters().deferred, 0);
    drop(front);
    xen.assert_sound();
    assert_eq!(grants.counters().deferred, 1);
    drop(back);
    grants.tick(1);
    assert_eq!(xen.guest_pages(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Send(usize),
    Show,
    Reap,
    ArmTx(bool),
    Post(u32),
    Receive,
    ArmRx,
    AnswerTx(usize, Flaw),
    AnswerRx {
        offset: u16,
        flags: u16,
        status: i16,
        flaw: Flaw,
    },
    Tx(Mischief),
    Rx(Mischief),
    Hold(usize),
    LetGo,
}

fn op() -> impl Strategy<Value = Op> {
    let sane = (0u16..3000, 0u16..32, 14i16..1000, flaw());
    let wild = (any::<u16>(), any::<u16>(), any::<i16>(), flaw());
    prop_oneof![
        4 => (0usize..9000).prop_map(Op::Send),
        4 => Just(Op::Show),
        3 => Just(Op::Reap),
        1 => any::<bool>().prop_map(Op::ArmTx),
        2 => (0u32..300).prop_map(Op::Post),
        4 => Just(Op::Receive),
        1 => Just(Op::ArmRx),
        6 => (any::<usize>(), flaw()).prop_map(|(which, flaw)| Op::AnswerTx(which, flaw)),
        8 => prop_oneof![3 => sane, 1 => wild]
            .prop_map(|(offset, flags, status, flaw)| Op::AnswerRx { offset, flags, status, flaw }),
        1 => mischief(1000).prop_map(Op::Tx),
        1 => mischief(1000).prop_map(Op::Rx),
        1 => any::<usize>().prop_map(Op::Hold),
        1 => Just(Op::LetGo),
    ]
}

#[derive(Default)]
struct Seen {
    tx: Option<Violation>,
    rx: Option<Violation>,
    frames: Vec<Frame>,
}

/// Once an error, always that error.
fn sticky<T>(seen: &mut Option<Violation>, result: Result<T, Violation>) {
    match (*seen, result) {
        (None, result) => *seen = result.err(),
        (Some(before), result) => assert_eq!(result.err(), Some(before)),
    }
}

fn apply(front: &mut Nic, back: &mut Backend, seen: &mut Seen, op: &Op) {
    match *op {
        Op::Send(len) => {
            if front.tx.has_room() {
                let size = NonZeroU16::new(1448).filter(|_| len % 2 == 1);
                let kind = Kind::TcpV4;
                front.gso = size.map(|size| Gso { kind, size });
                let _ = front.send(&vec![1; len], TxFlags::empty());
            }
        }
        Op::Show => sticky(&mut seen.tx, front.show()),
        Op::Reap => sticky(&mut seen.tx, front.reap()),
        Op::ArmTx(stopped) => sticky(&mut seen.tx, front.tx.arm(stopped)),
        Op::Post(most) => front.post(most),
        Op::Receive => {
            let before = seen.frames.len();
            let result = front.receive(&mut seen.frames);
            if seen.rx.is_some() {
                assert_eq!(seen.frames.len(), before, "nothing is believed any more");
            }
            sticky(&mut seen.rx, result);
        }
        Op::ArmRx => sticky(&mut seen.rx, front.rx.arm()),
        Op::AnswerTx(which, flaw) => back.answer_tx(which, flaw),
        Op::AnswerRx {
            offset,
            flags,
            status,
            flaw,
        } => back.answer_rx(offset, flags, status, flaw),
        Op::Tx(ref mischief) => back.tx.apply(mischief),
        Op::Rx(ref mischief) => back.rx.apply(mischief),
        Op::Hold(which) => back.hold_any(which),
        Op::LetGo => back.held.clear(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn nothing_breaks(ops in prop::collection::vec(op(), 0..120)) {
        let (xen, grants, mut front, mut back) = machine();
        let mut seen = Seen::default();
        for op in &ops {
            apply(&mut front, &mut back, &mut seen, op);
        }
        prop_assert!(front.answered <= front.pushed);
        drop(front);
        xen.assert_sound();
        prop_assert_eq!(grants.counters().in_use, 0);
        drop(back);
        grants.tick(1_000_000);
        xen.assert_sound();
        prop_assert_eq!(grants.counters().deferred, 0);
        prop_assert_eq!(xen.guest_pages(), 0);
    }
}

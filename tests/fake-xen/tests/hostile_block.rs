// SPDX-License-Identifier: GPL-2.0-only
//! The block frontend's core against a backend that does what it likes. What must hold: no panic; every request ends
//! exactly once; after a violation nothing but its end comes out; no granted page is freed; nothing is lost for good.
mod common;

use std::sync::Arc;

use common::block::{Disk, End};
use fake_xen::answered_operation;
use fake_xen::hostile::{flaw, mischief, Flaw, Index, LawlessRing, Mischief};
use fake_xen::{FakeXen, Grants, Mapping, BACKEND};
use proptest::prelude::*;
use ring::RingViolation;
use vbd_core::{Outcome, Violation};
use xen_sys::blkif::{BlkifRequest, BlkifResponse, OP_INDIRECT, OP_READ};
use xen_sys::GrantRef;

type Lawless = LawlessRing<BlkifRequest, BlkifResponse>;

/// A backend without manners: it can answer, lie, and hold pages.
struct Backend {
    xen: Arc<FakeXen>,
    ring: Lawless,
    seen: Vec<BlkifRequest>,
    held: Vec<Mapping>,
}

impl Backend {
    fn new(front: &Disk) -> Self {
        Self {
            xen: front.xen.clone(),
            ring: Lawless::new(front.ring_page().memory()),
            seen: Vec::new(),
            held: Vec::new(),
        }
    }

    fn look(&mut self) {
        while let Some(request) = self.ring.next_request() {
            self.seen.push(request);
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

    /// Answers one of the requests seen, with a flaw.
    fn answer(&mut self, which: usize, flaw: Flaw) {
        self.look();
        if self.seen.is_empty() {
            return;
        }
        let request = self.seen.remove(which % self.seen.len());
        let mut response = BlkifResponse::new(request.id(), answered_operation(&request), 0);
        match flaw {
            Flaw::None => {}
            Flaw::Id(id) => response.id = id,
            Flaw::Twice => self.ring.respond(&response),
            Flaw::Kind(operation) => response.operation = operation,
            Flaw::Status(status) => response.status = status,
        }
        self.ring.respond(&response);
    }
}

fn machine() -> (Arc<FakeXen>, Arc<Grants>, Disk, Backend) {
    let xen = FakeXen::new(1, 1000);
    let grants = Grants::new(&xen, 4).unwrap();
    let mut front = Disk::new(&xen, &grants);
    front.allow_indirect();
    let back = Backend::new(&front);
    (xen, grants, front, back)
}

/// A frontend with `n` reads in flight.
fn with_reads(n: usize) -> (Arc<FakeXen>, Arc<Grants>, Disk, Backend) {
    let (xen, grants, mut front, back) = machine();
    for tag in 0..n {
        assert!(front.submit(tag, 0, 512, None));
    }
    front.commit();
    (xen, grants, front, back)
}

#[test]
fn an_id_beyond_the_ring() {
    for id in [32, 33, 1 << 32, u64::MAX] {
        let (xen, _grants, mut front, mut back) = with_reads(1);
        back.answer(0, Flaw::Id(id));
        assert_eq!(front.collect(), Err(Violation::IdOutOfRange(id)));
        front.take_back();
        assert_eq!(front.ended[&0], End::TakenBack);
        xen.assert_sound();
    }
}

#[test]
fn an_id_that_is_not_in_flight() {
    let (_xen, _grants, mut front, mut back) = with_reads(2);
    back.answer(0, Flaw::Id(5));
    assert_eq!(front.collect(), Err(Violation::NotInFlight(5)));
}

#[test]
fn the_same_answer_twice() {
    let (_xen, _grants, mut front, mut back) = with_reads(2);
    back.answer(0, Flaw::Twice);
    assert_eq!(front.collect(), Err(Violation::NotInFlight(0)));
    assert!(matches!(front.ended[&0], End::Answered(Outcome::Done, _)));
    front.take_back();
    assert_eq!(front.ended[&1], End::TakenBack);
}

#[test]
fn an_answer_to_something_else() {
    let (_xen, _grants, mut front, mut back) = with_reads(1);
    back.answer(0, Flaw::Kind(1));
    let violation = Violation::WrongOperation {
        id: 0,
        asked: OP_READ,
        answered: 1,
    };
    assert_eq!(front.collect(), Err(violation));
}

#[test]
fn a_runaway_index() {
    for rsp_prod in [3u32, 32, 1000, u32::MAX] {
        let (_xen, _grants, mut front, mut back) = with_reads(2);
        back.ring.apply(&Mischief::Set(Index::RspProd, rsp_prod));
        let violation = RingViolation::ResponseProducer {
            rsp_prod,
            rsp_cons: 0,
            in_flight: 2,
        };
        assert_eq!(front.collect(), Err(Violation::Ring(violation)));
        assert!(front.submit(9, 0, 512, None), "taken, to be handed back");
        front.commit();
        front.take_back();
        assert_eq!(front.ended.len(), 3);
    }
}

/// Every word changes as soon as it was read: who reads each once sees an honest backend.
#[test]
fn responses_that_change_when_they_were_read() {
    let (_xen, _grants, mut front, mut back) = with_reads(4);
    for _ in 0..4 {
        back.answer(0, Flaw::None);
    }
    back.ring.apply(&Mischief::TamperBehind(u32::MAX));
    assert_eq!(front.collect(), Ok(()));
    for number in 0..4 {
        assert!(matches!(
            front.ended[&number],
            End::Answered(Outcome::Done, _)
        ));
    }
}

/// Operation and status change between the reading of the id and their own: an answer to something else.
#[test]
fn responses_that_change_while_they_are_read() {
    let (_xen, _grants, mut front, mut back) = with_reads(1);
    back.answer(0, Flaw::None);
    back.ring.apply(&Mischief::TamperAhead(1));
    let failed = front.collect();
    // rsp_event lies behind rsp_prod, the operation behind the id.
    assert_eq!(
        failed,
        Err(Violation::WrongOperation {
            id: 0,
            asked: OP_READ,
            answered: 1
        })
    );
}

/// The answer names the wrapping instead of what is in it: no backend that is in use does that.
#[test]
fn an_answer_to_the_indirect_page() {
    let (_xen, _grants, mut front, mut back) = machine();
    assert!(front.submit(0, 0, 12 * 4096, None));
    front.commit();
    back.answer(0, Flaw::Kind(OP_INDIRECT));
    let violation = Violation::WrongOperation {
        id: 0,
        asked: OP_READ,
        answered: OP_INDIRECT,
    };
    assert_eq!(front.collect(), Err(violation));
}

/// A page of segments that the backend holds and fills with rubbish: it is left to the backend, and what it says is nobody's
/// loss but the backend's.
#[test]
fn a_page_of_segments_that_is_held() {
    let (xen, grants, mut front, mut back) = machine();
    assert!(front.submit(7, 0, 12 * 4096, None));
    front.commit();
    back.look();
    let gref = back.seen[0].as_indirect().indirect_grefs[0];
    let page = Mapping::new(&xen, gref, BACKEND, true).unwrap();
    page.memory().write_bytes(0, &[0xff; 4096]).unwrap();
    back.answer(0, Flaw::None);
    assert_eq!(front.collect(), Ok(()));
    drop(front);
    assert_eq!(grants.counters().deferred, 1);
    xen.assert_sound();
    drop(page);
    assert_eq!(grants.tick(1), 1);
    assert_eq!(xen.guest_pages(), 0);
}

#[test]
fn pages_that_are_held_are_not_freed() {
    let (xen, grants, mut front, mut back) = with_reads(3);
    back.look();
    let grefs: Vec<GrantRef> = back
        .seen
        .iter()
        .map(|request| request.as_rw().segments[0].gref)
        .collect();
    for gref in grefs {
        back.hold(gref);
    }
    back.answer(0, Flaw::None);
    back.answer(0, Flaw::Id(u64::MAX));
    assert!(front.collect().is_err());
    drop(front);
    assert_eq!(grants.counters().deferred, 3);
    assert_eq!(grants.tick(1), 0);
    xen.assert_sound();
    drop(back);
    assert_eq!(grants.tick(2), 3);
    assert_eq!(xen.guest_pages(), 0);
    xen.assert_sound();
}

#[derive(Clone, Debug)]
enum Op {
    Submit {
        tag: usize,
        sectors: usize,
        write: bool,
    },
    Flush(usize),
    Commit,
    Collect,
    Answer(usize, Flaw),
    Mischief(Mischief),
    Hold(usize),
    LetGo,
    Tick,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..34, prop_oneof![4 => 0usize..90, 1 => 90usize..300], any::<bool>())
            .prop_map(|(tag, sectors, write)| Op::Submit { tag, sectors, write }),
        1 => (0usize..34).prop_map(Op::Flush),
        4 => Just(Op::Commit),
        4 => Just(Op::Collect),
        8 => (any::<usize>(), flaw()).prop_map(|(which, flaw)| Op::Answer(which, flaw)),
        2 => mischief(1000).prop_map(Op::Mischief),
        2 => any::<usize>().prop_map(Op::Hold),
        1 => Just(Op::LetGo),
        1 => Just(Op::Tick),
    ]
}

struct Fight {
    front: Disk,
    back: Backend,
    violation: Option<Violation>,
    now: u64,
}

impl Fight {
    fn apply(&mut self, op: &Op) {
        let Self { front, back, .. } = self;
        match *op {
            Op::Submit {
                tag,
                sectors,
                write,
            } => {
                let data = vec![0x5a; sectors * 512];
                front.submit(tag, 0, data.len(), write.then_some(&data[..]));
            }
            Op::Flush(tag) => drop(front.flush(tag)),
            Op::Commit => front.commit(),
            Op::Collect => {
                let before = front.ended.len();
                let result = front.collect();
                if self.violation.is_some() {
                    assert_eq!(result, Ok(()), "the violation was told before");
                    assert_eq!(front.ended.len(), before, "nothing is believed after it");
                } else {
                    self.violation = result.err();
                }
            }
            Op::Answer(which, flaw) => back.answer(which, flaw),
            Op::Mischief(ref mischief) => back.ring.apply(mischief),
            Op::Hold(which) => back.hold_any(which),
            Op::LetGo => back.held.clear(),
            Op::Tick => {
                self.now += 1;
                front.grants.tick(self.now);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn nothing_breaks(ops in prop::collection::vec(op(), 0..150)) {
        let (xen, grants, front, back) = machine();
        let mut fight = Fight { front, back, violation: None, now: 0 };
        for op in &ops {
            fight.apply(op);
        }
        let Fight { mut front, back, now, violation } = fight;
        front.take_back();
        prop_assert_eq!(front.ended.len() as u64, front.submitted, "each ends once");
        prop_assert_eq!(front.queue.counters().violations, u64::from(violation.is_some()));
        drop(front);
        xen.assert_sound();
        prop_assert_eq!(grants.counters().in_use, 0);
        // What it holds is waited for; when it lets go at last, all is there again.
        drop(back);
        grants.tick(now + 1_000_000);
        xen.assert_sound();
        prop_assert_eq!(grants.counters().deferred, 0);
        prop_assert_eq!(xen.guest_pages(), 0);
        prop_assert_eq!(xen.granted(), []);
    }
}

// SPDX-License-Identifier: GPL-2.0-only
//! A peer that writes what it likes where it likes: the ring reports or works, and never gives more than was asked.
use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;
use ring::{BackRing, FrontRing, RingViolation, SharedMemory};

type Req = [u32; 3];
type Rsp = u32;

const REQ_PROD: usize = 0;
const REQ_EVENT: usize = 4;
const RSP_PROD: usize = 8;
const RSP_EVENT: usize = 12;

fn memory() -> SharedMemory {
    SharedMemory::zeroed(64 + 8 * 12)
}

fn poke(memory: &SharedMemory, place: usize, value: u32) {
    memory.atomic_u32(place).unwrap().store(value, Relaxed);
}

/// A front ring with `n` requests in flight.
fn front_with(memory: &SharedMemory, start: u32, n: u32) -> FrontRing<Req, Rsp> {
    let mut front = FrontRing::starting_at(memory, start).unwrap();
    for i in 0..n {
        front.push_request(&[i; 3]).unwrap();
    }
    let _ = front.push_requests_and_check_notify();
    front
}

#[test]
fn more_responses_than_requests() {
    for start in [0, 5, u32::MAX, u32::MAX - 2] {
        for in_flight in 0..=8 {
            let memory = memory();
            let mut front = front_with(&memory, start, in_flight);
            let rsp_prod = start.wrapping_add(in_flight + 1);
            poke(&memory, RSP_PROD, rsp_prod);
            let violation = RingViolation::ResponseProducer {
                rsp_prod,
                rsp_cons: start,
                in_flight,
            };
            assert_eq!(front.next_response(), Err(violation));
            assert_eq!(front.violation(), Some(violation));
            // It stays so, even if the peer takes the lie back.
            poke(&memory, RSP_PROD, start);
            assert_eq!(front.next_response(), Err(violation));
            assert_eq!(front.final_check_for_responses(), Err(violation));
        }
    }
}

#[test]
fn requests_not_shown_cannot_be_answered() {
    let memory = memory();
    let mut front = front_with(&memory, 0, 2);
    front.push_request(&[9; 3]).unwrap();
    poke(&memory, RSP_PROD, 3);
    assert!(front.next_response().is_err());
}

#[test]
fn responses_taken_back() {
    let memory = memory();
    let mut front = front_with(&memory, 0, 4);
    poke(&memory, RSP_PROD, 3);
    for _ in 0..2 {
        assert!(front.next_response().unwrap().is_some());
    }
    // What was loaded once counts; the index going back is seen when the ring looks again.
    poke(&memory, RSP_PROD, 1);
    assert!(front.next_response().unwrap().is_some());
    assert!(front.next_response().is_err());
}

/// A lie that is seen while good responses wait: they are not believed any more.
#[test]
fn nothing_is_believed_after_a_lie() {
    let memory = memory();
    let mut front = front_with(&memory, 0, 6);
    poke(&memory, RSP_PROD, 3);
    assert!(front.next_response().unwrap().is_some());
    poke(&memory, RSP_PROD, 8);
    let violation = front.final_check_for_responses_ahead(4).unwrap_err();
    assert_eq!(front.next_response(), Err(violation));
    assert_eq!(front.final_check_for_responses(), Err(violation));
    assert_eq!(front.final_check_for_responses_ahead(1), Err(violation));
}

#[test]
fn more_requests_than_slots() {
    let memory = memory();
    let _front = front_with(&memory, 0, 0);
    let mut back = BackRing::<Req, Rsp>::attach(&memory).unwrap();
    poke(&memory, REQ_PROD, 8);
    assert!(back.next_request().unwrap().is_some());
    for _ in 0..7 {
        assert!(back.next_request().unwrap().is_some());
    }
    // All slots are taken and none is answered.
    poke(&memory, REQ_PROD, 9);
    let violation = RingViolation::RequestProducer {
        req_prod: 9,
        req_cons: 8,
        room: 0,
    };
    assert_eq!(back.next_request(), Err(violation));
    assert_eq!(back.final_check_for_requests(), Err(violation));
    assert_eq!(back.violation(), Some(violation));
}

#[test]
fn violations_are_readable() {
    let memory = memory();
    let mut front = front_with(&memory, 0, 1);
    poke(&memory, RSP_PROD, 77);
    assert_eq!(
        front.next_response().unwrap_err().to_string(),
        "rsp_prod is beyond the requests in flight (rsp_prod 77, rsp_cons 0, 1 in flight)"
    );
}

/// What the hostile peer, and the ring's owner in between, do.
#[derive(Clone, Debug)]
enum Op {
    Poke(usize, u32),
    /// Move an index by a little, as a peer that wants to be believed would.
    Nudge(usize, i8),
    Push(u8),
    Publish,
    Take(u8),
    Check,
}

fn op() -> impl Strategy<Value = Op> {
    let index = prop::sample::select(vec![REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT]);
    let slot = (16usize..40).prop_map(|word| word * 4);
    prop_oneof![
        1 => (index.clone(), any::<u32>()).prop_map(|(at, value)| Op::Poke(at, value)),
        1 => (slot, any::<u32>()).prop_map(|(at, value)| Op::Poke(at, value)),
        4 => (index, -2i8..6).prop_map(|(at, by)| Op::Nudge(at, by)),
        2 => (0..9u8).prop_map(Op::Push),
        2 => Just(Op::Publish),
        2 => (0..9u8).prop_map(Op::Take),
        1 => Just(Op::Check),
    ]
}

proptest! {
    /// However the memory changes under it: no panic, at most one response a request, violations stay.
    #[test]
    fn front_is_never_fooled(start: u32, ops in prop::collection::vec(op(), 0..150)) {
        let memory = memory();
        let mut front = FrontRing::<Req, Rsp>::starting_at(&memory, start).unwrap();
        let (mut shown, mut pushed, mut responses) = (0u32, 0u32, 0u32);
        let mut violation = None;
        for op in ops {
            match op {
                Op::Poke(at, value) => poke(&memory, at, value),
                Op::Nudge(at, by) => {
                    let cell = memory.atomic_u32(at).unwrap();
                    cell.store(cell.load(Relaxed).wrapping_add_signed(by.into()), Relaxed);
                }
                Op::Push(n) => (0..n).for_each(|_| {
                    pushed += u32::from(front.push_request(&[7; 3]).is_ok());
                }),
                Op::Publish => {
                    let _ = front.push_requests_and_check_notify();
                    shown = pushed;
                }
                Op::Take(n) => for _ in 0..n {
                    match front.next_response() {
                        Ok(Some(_)) => responses += 1,
                        Ok(None) => break,
                        Err(error) => violation = Some(error),
                    }
                },
                Op::Check => if let Err(error) = front.final_check_for_responses() {
                    violation = Some(error);
                },
            }
            prop_assert!(responses <= shown);
            prop_assert!(pushed - responses <= 8);
            prop_assert_eq!(front.in_flight(), shown - responses);
            prop_assert_eq!(front.free_requests(), 8 - (pushed - responses));
            if violation.is_some() {
                prop_assert_eq!(front.next_response().err(), violation);
            }
        }
    }

    /// The mirror: a backend serves at most as many requests as there are slots without an answer.
    #[test]
    fn back_is_never_fooled(start: u32, ops in prop::collection::vec(op(), 0..150)) {
        let memory = memory();
        let _front = FrontRing::<Req, Rsp>::starting_at(&memory, start).unwrap();
        let mut back = BackRing::<Req, Rsp>::attach(&memory).unwrap();
        let mut open = 0u32;
        for op in ops {
            match op {
                Op::Poke(at, value) => poke(&memory, at, value),
                Op::Nudge(at, by) => {
                    let cell = memory.atomic_u32(at).unwrap();
                    cell.store(cell.load(Relaxed).wrapping_add_signed(by.into()), Relaxed);
                }
                Op::Push(n) => for _ in 0..n {
                    let had = open;
                    if back.push_response(&1).is_ok() {
                        open -= 1;
                    }
                    prop_assert!(had != 0 || open == 0);
                },
                Op::Publish => {
                    let _ = back.push_responses_and_check_notify();
                }
                Op::Take(n) => for _ in 0..n {
                    if let Ok(Some(_)) = back.next_request() {
                        open += 1;
                    }
                },
                Op::Check => {
                    let _ = back.final_check_for_requests();
                }
            }
            prop_assert!(open <= 8);
            prop_assert_eq!(back.unanswered(), open);
        }
    }
}

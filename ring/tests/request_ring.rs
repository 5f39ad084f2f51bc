// SPDX-License-Identifier: GPL-2.0-only
//! Front and back ring against each other and against a plain queue, from any starting index.
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use ring::{BackRing, BadRingMemory, FrontRing, Notify, RingFull, SharedMemory};

/// The request is larger than the response, as in real rings.
type Req = [u32; 3];
type Rsp = u32;

/// Memory for `slots` slots, and a bit that is too small for one more.
fn memory(slots: usize) -> SharedMemory {
    SharedMemory::zeroed(64 + slots * 12 + 11)
}

fn request(n: u32) -> Req {
    [n, !n, n.rotate_left(16)]
}

/// What either side may do.
#[derive(Clone, Debug)]
enum Op {
    PushRequests(u8),
    Publish,
    TakeRequests(u8),
    CheckRequests,
    /// Answer so many of the requests taken, the newest first if told so.
    Answer(u8, bool),
    PublishResponses,
    TakeResponses(u8),
    CheckResponses,
}

fn op() -> impl Strategy<Value = Op> {
    let few = 0..12u8;
    prop_oneof![
        few.clone().prop_map(Op::PushRequests),
        Just(Op::Publish),
        few.clone().prop_map(Op::TakeRequests),
        Just(Op::CheckRequests),
        (few.clone(), any::<bool>()).prop_map(|(n, newest)| Op::Answer(n, newest)),
        Just(Op::PublishResponses),
        few.prop_map(Op::TakeResponses),
        Just(Op::CheckResponses),
    ]
}

/// Indices anywhere, and near the wrap on purpose.
fn start() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        any::<u32>(),
        (0..40u32).prop_map(|n| 0u32.wrapping_sub(n))
    ]
}

/// Two rings on one memory, and what they ought to hold.
struct Pair {
    front: FrontRing<Req, Rsp>,
    back: BackRing<Req, Rsp>,
    capacity: u32,
    next: u32,
    /// Pushed, not shown.
    pushed: VecDeque<u32>,
    /// Shown, not taken by the back.
    shown: VecDeque<u32>,
    /// Taken by the back, not answered.
    taken: VecDeque<u32>,
    answered: VecDeque<u32>,
    shown_responses: VecDeque<u32>,
    /// Whether each side sleeps: it has checked, found nothing, and was not notified since.
    back_sleeps: bool,
    front_sleeps: bool,
}

impl Pair {
    fn new(slots: usize, start: u32) -> Self {
        let memory = memory(slots);
        let front = FrontRing::starting_at(&memory, start).unwrap();
        let back = BackRing::attach(&memory).unwrap();
        let capacity = front.capacity();
        assert_eq!(back.capacity(), capacity);
        Self {
            front,
            back,
            capacity,
            next: 0,
            pushed: VecDeque::new(),
            shown: VecDeque::new(),
            taken: VecDeque::new(),
            answered: VecDeque::new(),
            shown_responses: VecDeque::new(),
            back_sleeps: false,
            front_sleeps: false,
        }
    }

    fn in_ring(&self) -> usize {
        self.shown.len() + self.taken.len() + self.answered.len() + self.shown_responses.len()
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::PushRequests(n) => (0..n).for_each(|_| self.push_request()),
            Op::Publish => {
                let notify = self.front.push_requests_and_check_notify();
                let any = !self.pushed.is_empty();
                self.shown.append(&mut self.pushed);
                self.back_sleeps = notified(self.back_sleeps, any, notify);
            }
            Op::TakeRequests(n) => (0..n).for_each(|_| self.take_request()),
            Op::CheckRequests => {
                let more = self.back.final_check_for_requests().unwrap();
                assert_eq!(more, !self.shown.is_empty());
                self.back_sleeps = !more;
            }
            Op::Answer(n, newest) => (0..n).for_each(|_| self.answer(newest)),
            Op::PublishResponses => {
                let notify = self.back.push_responses_and_check_notify();
                let any = !self.answered.is_empty();
                self.shown_responses.append(&mut self.answered);
                self.front_sleeps = notified(self.front_sleeps, any, notify);
            }
            Op::TakeResponses(n) => (0..n).for_each(|_| self.take_response()),
            Op::CheckResponses => {
                let more = self.front.final_check_for_responses().unwrap();
                assert_eq!(more, !self.shown_responses.is_empty());
                self.front_sleeps = !more;
            }
        }
        let pushed = self.pushed.len() as u32;
        assert_eq!(self.front.unpublished(), pushed);
        assert_eq!(self.front.in_flight(), self.in_ring() as u32);
        assert_eq!(
            self.front.free_requests(),
            self.capacity - self.in_ring() as u32 - pushed
        );
    }

    fn push_request(&mut self) {
        let full = self.in_ring() + self.pushed.len() == self.capacity as usize;
        let pushed = self.front.push_request(&request(self.next));
        assert_eq!(pushed, if full { Err(RingFull) } else { Ok(()) });
        if !full {
            self.pushed.push_back(self.next);
            self.next += 1;
        }
    }

    fn take_request(&mut self) {
        let got = self.back.next_request().unwrap();
        let expected = self.shown.pop_front();
        assert_eq!(got, expected.map(request));
        self.taken.extend(expected);
    }

    fn answer(&mut self, newest: bool) {
        let which = if newest {
            self.taken.pop_back()
        } else {
            self.taken.pop_front()
        };
        match which {
            Some(n) => {
                self.back.push_response(&n).unwrap();
                self.answered.push_back(n);
            }
            None => assert_eq!(self.back.push_response(&0), Err(RingFull)),
        }
    }

    fn take_response(&mut self) {
        let got = self.front.next_response().unwrap();
        assert_eq!(got, self.shown_responses.pop_front());
    }
}

/// Whether the other side still sleeps after something was (or was not) shown to it. A sleeper must be woken.
fn notified(sleeps: bool, shown: bool, notify: Notify) -> bool {
    if sleeps && shown {
        assert_eq!(notify, Notify::Needed, "a sleeper was not woken");
    }
    if !shown {
        assert_eq!(notify, Notify::NotNeeded, "nothing new, but notified");
    }
    sleeps && !shown
}

proptest! {
    #[test]
    fn rings_are_queues(
        slots in 1usize..20,
        start in start(),
        ops in prop::collection::vec(op(), 0..200),
    ) {
        let mut pair = Pair::new(slots, start);
        for op in &ops {
            pair.apply(op);
        }
    }
}

#[test]
fn empty() {
    let mut pair = Pair::new(8, 0);
    pair.apply(&Op::TakeRequests(1));
    pair.apply(&Op::TakeResponses(1));
    pair.apply(&Op::Publish);
    pair.apply(&Op::PublishResponses);
    pair.apply(&Op::CheckRequests);
    pair.apply(&Op::CheckResponses);
}

/// `n` requests there and back, each side asleep before.
fn round_trip(pair: &mut Pair, n: u8) {
    for op in [
        Op::CheckRequests,
        Op::CheckResponses,
        Op::PushRequests(n),
        Op::Publish,
        Op::TakeRequests(n),
        Op::Answer(n, false),
        Op::PublishResponses,
        Op::TakeResponses(n),
    ] {
        pair.apply(&op);
    }
    assert_eq!(pair.front.free_requests(), pair.capacity);
}

#[test]
fn one_two_three_and_the_whole_ring() {
    for n in [1, 2, 3, 8] {
        round_trip(&mut Pair::new(8, 0), n);
    }
}

#[test]
fn one_more_than_fits() {
    let mut pair = Pair::new(8, 0);
    round_trip(&mut pair, 9);
    assert_eq!(pair.next, 8);
}

#[test]
fn part_of_what_was_asked_is_answered() {
    let mut pair = Pair::new(8, 0);
    for op in [
        Op::PushRequests(5),
        Op::Publish,
        Op::TakeRequests(5),
        Op::Answer(2, true),
        Op::PublishResponses,
        Op::TakeResponses(5),
    ] {
        pair.apply(&op);
    }
    assert_eq!(pair.front.in_flight(), 3);
    assert_eq!(pair.front.free_requests(), 5);
}

#[test]
fn indices_wrap() {
    for start in [u32::MAX - 20, u32::MAX - 7, u32::MAX] {
        let mut pair = Pair::new(8, start);
        for n in [3, 8, 1, 7, 8, 2] {
            round_trip(&mut pair, n);
        }
        assert_eq!(pair.front.request_index(), start.wrapping_add(29));
        assert_eq!(pair.front.response_index(), start.wrapping_add(29));
    }
}

#[test]
fn what_is_not_shown_is_not_seen() {
    let mut pair = Pair::new(8, 0);
    pair.apply(&Op::PushRequests(3));
    pair.apply(&Op::TakeRequests(1));
    pair.apply(&Op::CheckRequests);
    pair.apply(&Op::Publish);
    pair.apply(&Op::TakeRequests(3));
}

#[test]
fn a_busy_peer_is_not_notified() {
    let memory = memory(8);
    let mut front = FrontRing::<Req, Rsp>::new(&memory).unwrap();
    front.push_request(&request(0)).unwrap();
    assert_eq!(front.push_requests_and_check_notify(), Notify::Needed);
    front.push_request(&request(1)).unwrap();
    assert_eq!(front.push_requests_and_check_notify(), Notify::NotNeeded);
}

#[test]
fn memory_that_is_too_small() {
    let small = SharedMemory::zeroed(64 + 11);
    assert_eq!(
        FrontRing::<Req, Rsp>::new(&small).err(),
        Some(BadRingMemory)
    );
    assert_eq!(
        BackRing::<Req, Rsp>::attach(&small).err(),
        Some(BadRingMemory)
    );
    assert_eq!(
        FrontRing::<Req, Rsp>::new(&SharedMemory::zeroed(0)).err(),
        Some(BadRingMemory)
    );
}

/// A new ring holds no byte of what was in the memory before (XSA-216), and the header that the protocol says.
#[test]
fn a_new_ring_shows_nothing_old() {
    let memory = memory(8);
    memory.write_bytes(0, &vec![0xaa; memory.len()]).unwrap();
    let _ring = FrontRing::<Req, Rsp>::new(&memory).unwrap();
    let mut bytes = vec![0; memory.len()];
    memory.read_bytes(0, &mut bytes).unwrap();
    let (header, rest) = bytes.split_at(16);
    assert_eq!(header, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert!(rest.iter().all(|&byte| byte == 0));
    assert_eq!(
        memory.atomic_u32(4).unwrap().load(Ordering::Relaxed),
        1,
        "req_event starts at 1"
    );
}

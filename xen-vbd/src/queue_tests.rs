// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use ring::{BackRing, SharedMemory};
use std::string::ToString;
use std::{vec, vec::Vec};
use xen_sys::blkif::{RSP_ERROR, SECTORS_PER_PAGE};

const HANDLE: u16 = 51776;
const DEPTH: usize = 32;
const PAGES: usize = MAX_SEGMENTS_PER_REQUEST;

type TestQueue = Queue<u32, Vec<Slot<u32>>>;
type Back = BackRing<BlkifRequest, BlkifResponse>;

fn slots(count: usize) -> Vec<Slot<u32>> {
    (0..count).map(|_| Slot::EMPTY).collect()
}

/// A queue whose indices begin at `index`, and the backend's end of its ring.
fn pair_at(index: u32) -> (TestQueue, Back, SharedMemory) {
    let memory = SharedMemory::zeroed(PAGE_SIZE);
    let front = FrontRing::starting_at(&memory, index).unwrap();
    let back = BackRing::attach(&memory).unwrap();
    (Queue::new(front, slots(DEPTH), HANDLE), back, memory)
}

fn pair() -> (TestQueue, Back, SharedMemory) {
    pair_at(0)
}

fn grefs(tag: usize) -> Vec<GrantRef> {
    (0..PAGES)
        .map(|page| GrantRef((100 + tag * PAGES + page) as u32))
        .collect()
}

fn read(queue: &mut TestQueue, tag: usize, token: u32) -> Result<(), u32> {
    queue.submit(
        tag,
        Direction::Read,
        8 * tag as u64,
        PAGE_SIZE,
        &grefs(tag),
        token,
    )
}

fn answer(back: &mut Back, id: u64, operation: u8, status: i16) {
    back.push_response(&BlkifResponse::new(id, operation, status))
        .unwrap();
    let _ = back.push_responses_and_check_notify();
}

fn collect(queue: &mut TestQueue) -> (Vec<(u32, Outcome)>, Result<(), Violation>) {
    let mut done = Vec::new();
    let result = queue.collect(|token, outcome| done.push((token, outcome)));
    (done, result)
}

fn taken_back(queue: &mut TestQueue) -> Vec<u32> {
    let mut tokens = Vec::new();
    queue.take_back(|token| tokens.push(token));
    tokens
}

#[test]
fn a_read_on_the_wire() {
    let (mut queue, mut back, _) = pair();
    let bytes = 2 * PAGE_SIZE + 1024;
    queue
        .submit(5, Direction::Read, 0x1234_5678_9abc, bytes, &grefs(5), 7)
        .unwrap();
    assert!(
        back.next_request().unwrap().is_none(),
        "seen before the commit"
    );
    assert!(queue.commit().is_needed());
    let request = back.next_request().unwrap().unwrap().as_rw();
    let mut want = BlkifRwRequest::new(OP_READ, HANDLE, 5, 0x1234_5678_9abc);
    want.nr_segments = 3;
    want.segments[0] = BlkifSegment::new(grefs(5)[0], 0, 7);
    want.segments[1] = BlkifSegment::new(grefs(5)[1], 0, 7);
    want.segments[2] = BlkifSegment::new(grefs(5)[2], 0, 1);
    assert_eq!(request, want);
    assert!(back.next_request().unwrap().is_none());
}

#[test]
fn a_write_and_a_flush_on_the_wire() {
    let (mut queue, mut back, _) = pair();
    queue
        .submit(0, Direction::Write, 9, 512, &grefs(0), 1)
        .unwrap();
    queue.submit_flush(31, 2).unwrap();
    assert!(queue.commit().is_needed());
    let write = back.next_request().unwrap().unwrap().as_rw();
    assert_eq!(
        (write.operation, write.nr_segments, write.sector_number),
        (OP_WRITE, 1, 9)
    );
    assert_eq!(write.segments[0], BlkifSegment::new(grefs(0)[0], 0, 0));
    let flush = back.next_request().unwrap().unwrap().as_rw();
    assert_eq!(
        flush,
        BlkifRwRequest::new(OP_FLUSH_DISKCACHE, HANDLE, 31, 0)
    );
}

#[test]
fn a_flush_of_a_backend_that_knows_barriers_only() {
    let (mut queue, mut back, _) = pair();
    queue.set_flush(Flush::Barrier);
    queue.submit_flush(3, 1).unwrap();
    let _ = queue.commit();
    let flush = back.next_request().unwrap().unwrap().as_rw();
    assert_eq!(flush, BlkifRwRequest::new(OP_WRITE_BARRIER, HANDLE, 3, 0));
    answer(&mut back, 3, OP_WRITE_BARRIER, RSP_OKAY);
    assert_eq!(collect(&mut queue), (vec![(1, Outcome::Done)], Ok(())));
}

#[test]
fn the_largest_request() {
    let (mut queue, mut back, _) = pair();
    queue
        .submit(1, Direction::Write, 0, MAX_REQUEST_BYTES, &grefs(1), 1)
        .unwrap();
    let _ = queue.commit();
    let request = back.next_request().unwrap().unwrap().as_rw();
    assert_eq!(usize::from(request.nr_segments), MAX_SEGMENTS_PER_REQUEST);
    for (segment, gref) in request.segments.iter().zip(grefs(1)) {
        assert_eq!(*segment, BlkifSegment::new(gref, 0, SECTORS_PER_PAGE - 1));
    }
}

#[test]
fn requests_that_cannot_be() {
    let (mut queue, mut back, _) = pair();
    for bytes in [0, 1, 511, 513, MAX_REQUEST_BYTES + 512, usize::MAX] {
        assert_eq!(
            queue.submit(0, Direction::Read, 0, bytes, &grefs(0), 3),
            Err(3),
            "{bytes}"
        );
    }
    let one = &grefs(0)[..1];
    assert_eq!(
        queue.submit(0, Direction::Read, 0, PAGE_SIZE + 512, one, 4),
        Err(4)
    );
    assert_eq!(read(&mut queue, DEPTH, 5), Err(5));
    assert_eq!(queue.submit_flush(usize::MAX, 6), Err(6));
    read(&mut queue, 2, 7).unwrap();
    assert_eq!(read(&mut queue, 2, 8), Err(8), "the tag is in flight");
    let _ = queue.commit();
    assert_eq!(back.next_request().unwrap().unwrap().id(), 2);
    assert!(back.next_request().unwrap().is_none());
    assert_eq!(queue.counters().requests, 1);
}

#[test]
fn answers_in_any_order() {
    let (mut queue, mut back, _) = pair();
    for tag in 0..3 {
        read(&mut queue, tag, 10 + tag as u32).unwrap();
    }
    queue.submit_flush(3, 13).unwrap();
    let _ = queue.commit();
    while back.next_request().unwrap().is_some() {}
    answer(&mut back, 3, OP_FLUSH_DISKCACHE, RSP_EOPNOTSUPP);
    answer(&mut back, 1, OP_READ, RSP_OKAY);
    let (done, result) = collect(&mut queue);
    assert_eq!(result, Ok(()));
    assert_eq!(done, [(13, Outcome::Unsupported), (11, Outcome::Done)]);
    answer(&mut back, 0, OP_READ, RSP_ERROR);
    answer(&mut back, 2, OP_READ, 77);
    let (done, result) = collect(&mut queue);
    assert_eq!(result, Ok(()));
    assert_eq!(done, [(10, Outcome::Failed), (12, Outcome::Failed)]);
    let counters = queue.counters();
    assert_eq!(
        (counters.requests, counters.responses, counters.errors),
        (4, 4, 3)
    );
    assert_eq!(counters.violations, 0);
    assert_eq!(taken_back(&mut queue), []);
}

#[test]
fn a_batch_needs_one_notification() {
    let (mut queue, mut back, _) = pair();
    for tag in 0..8 {
        read(&mut queue, tag, 0).unwrap();
    }
    assert!(queue.commit().is_needed());
    assert!(!queue.commit().is_needed(), "nothing new");
    read(&mut queue, 8, 0).unwrap();
    assert!(!queue.commit().is_needed(), "the backend is at work");
    while back.next_request().unwrap().is_some() {}
    assert!(!back.final_check_for_requests().unwrap());
    read(&mut queue, 9, 0).unwrap();
    assert!(queue.commit().is_needed(), "the backend sleeps");
    let counters = queue.counters();
    assert_eq!((counters.notifies_sent, counters.notifies_saved()), (2, 8));
    assert_eq!(counters.plus(&counters).requests, 20);
}

#[test]
fn pages_are_counted_as_they_go_on_the_wire() {
    let (mut queue, _, _) = pair();
    for (tag, bytes, pages) in [
        (0, 512, 1),
        (1, PAGE_SIZE, 2),
        (2, PAGE_SIZE + 512, 4),
        (3, MAX_REQUEST_BYTES, 4 + PAGES as u64),
    ] {
        queue
            .submit(tag, Direction::Write, 0, bytes, &grefs(tag), tag as u32)
            .unwrap();
        assert_eq!(queue.counters().pages, pages, "{bytes}");
    }
    queue.submit_flush(4, 4).unwrap();
    assert!(read(&mut queue, 0, 5).is_err());
    let counters = queue.counters();
    assert_eq!(counters.pages, 4 + PAGES as u64);
    assert_eq!(counters.plus(&counters).pages, 2 * counters.pages);
    let in_flight: Vec<u32> = queue.in_flight().copied().collect();
    assert_eq!(in_flight, [0, 1, 2, 3, 4]);
}

#[test]
fn an_event_without_a_response_is_spurious() {
    let (mut queue, mut back, _) = pair();
    collect(&mut queue).1.unwrap();
    assert_eq!(queue.counters().spurious_events, 1);
    for tag in 0..2 {
        read(&mut queue, tag, tag as u32).unwrap();
    }
    let _ = queue.commit();
    while back.next_request().unwrap().is_some() {}
    answer(&mut back, 0, OP_READ, RSP_OKAY);
    answer(&mut back, 1, OP_READ, RSP_OKAY);
    assert_eq!(collect(&mut queue).0.len(), 2);
    assert_eq!(queue.counters().spurious_events, 1, "it found two");
    assert_eq!(queue.in_flight().count(), 0);
    collect(&mut queue).1.unwrap();
    let counters = queue.counters();
    assert_eq!(
        counters.spurious_events, 2,
        "the event of the second was late"
    );
    assert_eq!(counters.plus(&counters).spurious_events, 4);
    queue.give_up();
    collect(&mut queue).1.unwrap();
    assert_eq!(queue.counters().spurious_events, 2, "nobody looks any more");
}

/// Runs `attack` on a queue with tags 0 and 1 in flight as reads and demands the given violation; then
/// the queue must be dead and give back both tokens.
fn attacked(attack: impl Fn(&mut Back, &SharedMemory), want: impl Fn(Violation) -> bool) {
    for index in [0, u32::MAX - 1] {
        let (mut queue, mut back, memory) = pair_at(index);
        read(&mut queue, 0, 100).unwrap();
        read(&mut queue, 1, 101).unwrap();
        let _ = queue.commit();
        while back.next_request().unwrap().is_some() {}
        attack(&mut back, &memory);
        let (done, result) = collect(&mut queue);
        let violation = result.unwrap_err();
        assert!(want(violation), "{violation:?}");
        assert!(violation.to_string().starts_with(violation.what()));
        assert_eq!(queue.counters().violations, 1);
        dead(&mut queue, &memory);
        let mut all = taken_back(&mut queue);
        all.extend(done.iter().map(|(token, _)| *token));
        all.sort_unstable();
        assert_eq!(all, [77, 100, 101], "every token exactly once");
    }
}

/// A broken queue takes a request but leaves the ring alone, and reports nothing more.
fn dead(queue: &mut TestQueue, memory: &SharedMemory) {
    let image = |memory: &SharedMemory| {
        let mut bytes = std::vec![0u8; PAGE_SIZE];
        memory.read_bytes(0, &mut bytes).unwrap();
        bytes
    };
    let before = image(memory);
    read(queue, 9, 77).unwrap();
    assert!(!queue.commit().is_needed());
    assert_eq!(collect(queue), (Vec::new(), Ok(())));
    assert_eq!(image(memory), before);
}

#[test]
fn xsa_376_id_beyond_the_ring() {
    for id in [DEPTH as u64, 1 << 32, 1 << 63, u64::MAX] {
        attacked(
            |back, _| answer(back, id, OP_READ, RSP_OKAY),
            |v| v == Violation::IdOutOfRange(id),
        );
    }
}

#[test]
fn xsa_376_id_not_in_flight() {
    attacked(
        |back, _| answer(back, 2, OP_READ, RSP_OKAY),
        |v| v == Violation::NotInFlight(2),
    );
}

#[test]
fn xsa_376_answered_twice() {
    let twice = |back: &mut Back, _: &SharedMemory| {
        answer(back, 1, OP_READ, RSP_OKAY);
        answer(back, 1, OP_READ, RSP_OKAY);
    };
    attacked(twice, |v| v == Violation::NotInFlight(1));
}

#[test]
fn xsa_376_wrong_operation() {
    for answered in [OP_WRITE, OP_FLUSH_DISKCACHE, 0xff] {
        attacked(
            |back, _| answer(back, 0, answered, RSP_OKAY),
            |v| {
                v == Violation::WrongOperation {
                    id: 0,
                    asked: OP_READ,
                    answered,
                }
            },
        );
    }
}

#[test]
fn xsa_376_indices_that_cannot_be() {
    const RSP_PROD: usize = 8;
    for ahead in [3u32, 33, 1 << 31, u32::MAX] {
        attacked(
            |_, memory| {
                let at = memory.load::<u32>(RSP_PROD).unwrap();
                memory.store(RSP_PROD, &at.wrapping_add(ahead)).unwrap();
            },
            |v| matches!(v, Violation::Ring(RingViolation::ResponseProducer { .. })),
        );
    }
}

#[test]
fn a_violation_elsewhere_ends_the_use_of_the_ring() {
    let (mut queue, mut back, memory) = pair();
    read(&mut queue, 0, 100).unwrap();
    let _ = queue.commit();
    while back.next_request().unwrap().is_some() {}
    answer(&mut back, 0, OP_READ, RSP_OKAY);
    assert!(queue.give_up());
    assert!(!queue.give_up());
    assert_eq!(queue.counters().violations, 1);
    dead(&mut queue, &memory);
    assert_eq!(taken_back(&mut queue), [100, 77]);
}

/// What may happen to a queue.
#[derive(Clone, Debug)]
enum Step {
    Submit(usize, bool, usize),
    Flush(usize),
    Commit,
    Answer(usize, i16),
    Lie(u64, u8),
    Collect,
}

fn step(hostile: bool) -> impl Strategy<Value = Step> {
    let honest = prop_oneof![
        (0..DEPTH, any::<bool>(), 1usize..=88).prop_map(|(t, w, s)| Step::Submit(t, w, s * 512)),
        (0..DEPTH).prop_map(Step::Flush),
        Just(Step::Commit),
        (0..DEPTH, -3i16..2).prop_map(|(n, status)| Step::Answer(n, status)),
        Just(Step::Collect),
    ];
    match hostile {
        false => honest.boxed(),
        true => prop_oneof![
            8 => honest,
            1 => (prop_oneof![0..40u64, any::<u64>()], any::<u8>()).prop_map(|(id, op)| Step::Lie(id, op)),
        ]
        .boxed(),
    }
}

/// The model: which tokens are out, which requests the backend has seen.
struct Model {
    queue: TestQueue,
    back: Back,
    next_token: u32,
    out: Vec<(usize, u32)>,
    seen: Vec<BlkifRwRequest>,
    ended: Vec<u32>,
    violated: bool,
}

impl Model {
    fn new(index: u32) -> Self {
        let (queue, back, _) = pair_at(index);
        Self {
            queue,
            back,
            next_token: 0,
            out: Vec::new(),
            seen: Vec::new(),
            ended: Vec::new(),
            violated: false,
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Submit(tag, write, bytes) => {
                let way = if write {
                    Direction::Write
                } else {
                    Direction::Read
                };
                let token = self.next_token;
                let result = self
                    .queue
                    .submit(tag, way, tag as u64, bytes, &grefs(tag), token);
                self.submitted(tag, token, result);
            }
            Step::Flush(tag) => {
                let token = self.next_token;
                let result = self.queue.submit_flush(tag, token);
                self.submitted(tag, token, result);
            }
            Step::Commit => {
                let _ = self.queue.commit();
                while let Some(request) = self.back.next_request().unwrap() {
                    self.seen.push(request.as_rw());
                }
            }
            Step::Answer(n, status) => {
                if n < self.seen.len() {
                    let request = self.seen.swap_remove(n);
                    let response = BlkifResponse::new(request.id, request.operation, status);
                    // A lie before may have used up this answer's place.
                    if self.back.push_response(&response).is_ok() {
                        let _ = self.back.push_responses_and_check_notify();
                    }
                }
            }
            Step::Lie(id, operation) => {
                if self
                    .back
                    .push_response(&BlkifResponse::new(id, operation, RSP_OKAY))
                    .is_ok()
                {
                    let _ = self.back.push_responses_and_check_notify();
                }
            }
            Step::Collect => self.collect(),
        }
    }

    fn collect(&mut self) {
        let (done, result) = collect(&mut self.queue);
        self.violated |= result.is_err();
        for (token, _) in done {
            self.end(token);
        }
    }

    fn submitted(&mut self, tag: usize, token: u32, result: Result<(), u32>) {
        let taken = self.out.iter().any(|(other, _)| *other == tag);
        assert_eq!(result, if taken { Err(token) } else { Ok(()) });
        if !taken {
            self.out.push((tag, token));
            self.next_token += 1;
        }
    }

    fn end(&mut self, token: u32) {
        let at = self.out.iter().position(|(_, other)| *other == token);
        self.out.swap_remove(at.expect("a token that is not out"));
        self.ended.push(token);
    }

    /// In the end every token has come back exactly once.
    fn finish(mut self) {
        for token in taken_back(&mut self.queue) {
            self.end(token);
        }
        assert!(self.out.is_empty());
        self.ended.sort_unstable();
        assert_eq!(self.ended, (0..self.next_token).collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn an_honest_backend_is_never_accused(
        near_wrap in 0u32..64,
        steps in proptest::collection::vec(step(false), 0..200),
    ) {
        let mut model = Model::new(0u32.wrapping_sub(near_wrap));
        for step in &steps {
            model.run(step);
            prop_assert!(!model.violated);
        }
        model.finish();
    }

    #[test]
    fn no_token_is_lost_or_doubled_whatever_the_backend_says(
        index: u32,
        steps in proptest::collection::vec(step(true), 0..200),
    ) {
        let mut model = Model::new(index);
        for step in &steps {
            model.run(step);
        }
        model.finish();
    }

    #[test]
    fn segments_cover_the_data_exactly(sectors in 1usize..=88, tag in 0..DEPTH) {
        let (mut queue, mut back, _) = pair();
        queue.submit(tag, Direction::Write, 0, sectors * 512, &grefs(tag), 0).unwrap();
        let _ = queue.commit();
        let request = back.next_request().unwrap().unwrap().as_rw();
        let used = &request.segments[..usize::from(request.nr_segments)];
        let total: usize = used.iter().map(|s| usize::from(s.last_sect - s.first_sect) + 1).sum();
        prop_assert_eq!(total, sectors);
        for (at, segment) in used.iter().enumerate() {
            prop_assert_eq!(segment.gref, grefs(tag)[at]);
            prop_assert_eq!(segment.first_sect, 0);
            prop_assert!(segment.last_sect < SECTORS_PER_PAGE);
        }
    }
}

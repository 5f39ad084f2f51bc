// SPDX-License-Identifier: GPL-2.0-only
//! The queue on a ring in the test's own memory.
use super::*;
use crate::MAX_INDIRECT_SEGMENTS;
use ring::{BackRing, SharedMemory};
use std::string::ToString;
use std::{vec, vec::Vec};
use xen_sys::blkif::{MAX_SEGMENTS_PER_REQUEST, OP_INDIRECT, RSP_ERROR, SECTORS_PER_PAGE};

mod hostile;
mod indirect;
mod model;

const HANDLE: u16 = 51776;
const DEPTH: usize = 32;
const PAGES: usize = MAX_INDIRECT_SEGMENTS;

type TestQueue = Queue<u32, Vec<Slot<u32>>>;
type Back = BackRing<BlkifRequest, BlkifResponse>;

fn slots(count: usize) -> Vec<Slot<u32>> {
    (0..count).map(|_| Slot::EMPTY).collect()
}

/// A reference of no data page: the page for the segments of `tag`.
fn indirect_gref(tag: usize) -> GrantRef {
    GrantRef(90_000 + tag as u32)
}

/// Lets the queue make indirect requests; the pages of their segments.
fn allow_indirect(queue: &mut TestQueue) -> Vec<SharedMemory> {
    let page = |tag| {
        let memory = SharedMemory::zeroed(PAGE_SIZE);
        queue.set_indirect(tag, IndirectPage::new(memory.clone(), indirect_gref(tag)));
        memory
    };
    (0..DEPTH).map(page).collect()
}

/// The operation that an answer must name.
fn asked(request: &BlkifRequest) -> u8 {
    match request.operation() {
        OP_INDIRECT => request.as_indirect().indirect_op,
        operation => operation,
    }
}

/// The segments of a request, wherever they are.
fn segments_of(request: &BlkifRequest, pages: &[SharedMemory]) -> Vec<BlkifSegment> {
    if request.operation() != OP_INDIRECT {
        let rw = request.as_rw();
        return rw.segments[..usize::from(rw.nr_segments)].to_vec();
    }
    let indirect = request.as_indirect();
    let tag = request.id() as usize;
    assert_eq!(indirect.indirect_grefs[0], indirect_gref(tag));
    assert_eq!(indirect.indirect_grefs[1..], [GrantRef(0); 7]);
    let segment = |at: usize| pages[tag].load(at * size_of::<BlkifSegment>()).unwrap();
    (0..usize::from(indirect.nr_segments))
        .map(segment)
        .collect()
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
        .submit(1, Direction::Write, 0, MAX_DIRECT_BYTES, &grefs(1), 1)
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
    for bytes in [0, 1, 511, 513, MAX_DIRECT_BYTES + 512, usize::MAX] {
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
        (3, MAX_DIRECT_BYTES, 4 + MAX_SEGMENTS_PER_REQUEST as u64),
    ] {
        queue
            .submit(tag, Direction::Write, 0, bytes, &grefs(tag), tag as u32)
            .unwrap();
        assert_eq!(queue.counters().pages, pages, "{bytes}");
    }
    queue.submit_flush(4, 4).unwrap();
    assert!(read(&mut queue, 0, 5).is_err());
    let counters = queue.counters();
    assert_eq!(counters.pages, 4 + MAX_SEGMENTS_PER_REQUEST as u64);
    assert_eq!(counters.plus(&counters).pages, 2 * counters.pages);
    assert_eq!(queue.pages_in_flight(), counters.pages);
    let _ = queue.commit();
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
    assert_eq!(queue.pages_in_flight(), 0);
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

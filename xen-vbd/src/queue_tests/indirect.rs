// SPDX-License-Identifier: GPL-2.0-only
//! Requests whose segments lie in a page of their own.
use super::*;

fn write(queue: &mut TestQueue, tag: usize, bytes: usize, token: u32) -> Result<(), u32> {
    queue.submit(tag, Direction::Write, 77, bytes, &grefs(tag), token)
}

#[test]
fn one_page_more_than_a_direct_request_holds() {
    let (mut queue, mut back, _) = pair();
    let pages = allow_indirect(&mut queue);
    write(&mut queue, 3, MAX_DIRECT_BYTES, 1).unwrap();
    write(&mut queue, 4, MAX_DIRECT_BYTES + 512, 2).unwrap();
    let _ = queue.commit();
    let direct = back.next_request().unwrap().unwrap();
    assert_eq!(direct.operation(), OP_WRITE);
    let request = back.next_request().unwrap().unwrap();
    let mut want = BlkifIndirectRequest::new(OP_WRITE, HANDLE, 4, 77);
    want.nr_segments = 12;
    want.indirect_grefs[0] = indirect_gref(4);
    assert_eq!(request.as_indirect(), want);
    let mut segments: Vec<BlkifSegment> = grefs(4)[..12]
        .iter()
        .map(|gref| BlkifSegment::new(*gref, 0, 7))
        .collect();
    segments[11].last_sect = 0;
    assert_eq!(segments_of(&request, &pages), segments);
    let counters = queue.counters();
    assert_eq!((counters.requests, counters.indirect_requests), (2, 1));
    assert_eq!(counters.plus(&counters).indirect_requests, 2);
    assert_eq!(queue.pages_in_flight(), 11 + 12);
}

#[test]
fn the_answer_names_the_operation_behind_it() {
    let (mut queue, mut back, _) = pair();
    allow_indirect(&mut queue);
    for (tag, token) in [(0, 10), (1, 11)] {
        write(&mut queue, tag, PAGES * PAGE_SIZE, token).unwrap();
    }
    let _ = queue.commit();
    while back.next_request().unwrap().is_some() {}
    answer(&mut back, 0, OP_WRITE, RSP_OKAY);
    assert_eq!(collect(&mut queue), (vec![(10, Outcome::Done)], Ok(())));
    answer(&mut back, 1, OP_INDIRECT, RSP_OKAY);
    let violation = Violation::WrongOperation {
        id: 1,
        asked: OP_WRITE,
        answered: OP_INDIRECT,
    };
    assert_eq!(collect(&mut queue), (vec![], Err(violation)));
    assert_eq!(taken_back(&mut queue), [11]);
}

#[test]
fn large_requests_that_cannot_be() {
    let (mut queue, mut back, _) = pair();
    let large = MAX_DIRECT_BYTES + 512;
    assert_eq!(write(&mut queue, 0, large, 1), Err(1), "no page for them");
    let pages = allow_indirect(&mut queue);
    for bytes in [PAGES * PAGE_SIZE + 512, large + 1, usize::MAX] {
        assert_eq!(write(&mut queue, 0, bytes, 2), Err(2), "{bytes}");
    }
    let few = &grefs(0)[..11];
    let result = queue.submit(0, Direction::Read, 0, large, few, 3);
    assert_eq!(result, Err(3), "too few pages");
    assert_eq!(write(&mut queue, DEPTH, large, 4), Err(4));
    write(&mut queue, 5, large, 5).unwrap();
    let before: [u64; 512] = pages[5].load(0).unwrap();
    assert_eq!(write(&mut queue, 5, 2 * large, 6), Err(6), "in flight");
    assert_eq!(pages[5].load::<[u64; 512]>(0).unwrap(), before);
    let _ = queue.commit();
    assert_eq!(back.next_request().unwrap().unwrap().id(), 5);
    assert!(back.next_request().unwrap().is_none());
    let counters = queue.counters();
    assert_eq!((counters.requests, counters.indirect_requests), (1, 1));
    queue.set_indirect(DEPTH, IndirectPage::new(pages[0].clone(), GrantRef(1)));
}

#[test]
fn a_page_that_is_too_small_refuses() {
    let (mut queue, _, _) = pair();
    let small = SharedMemory::zeroed(64);
    queue.set_indirect(0, IndirectPage::new(small, GrantRef(1)));
    assert_eq!(write(&mut queue, 0, 12 * PAGE_SIZE, 1), Err(1));
}

/// The backend writes into the page meanwhile: nobody reads it, and the next request's segments are written anew.
#[test]
fn a_page_that_the_backend_scribbles_on() {
    let (mut queue, mut back, _) = pair();
    let pages = allow_indirect(&mut queue);
    for round in 0..2 {
        write(&mut queue, 9, 32 * PAGE_SIZE, round).unwrap();
        let _ = queue.commit();
        let request = back.next_request().unwrap().unwrap();
        let segments = segments_of(&request, &pages);
        let grefs: Vec<GrantRef> = segments.iter().map(|segment| segment.gref).collect();
        assert_eq!(grefs, self::grefs(9)[..32]);
        pages[9].write_bytes(0, &[0xff; PAGE_SIZE]).unwrap();
        answer(&mut back, 9, OP_WRITE, RSP_OKAY);
        assert_eq!(collect(&mut queue), (vec![(round, Outcome::Done)], Ok(())));
    }
}

#[test]
fn a_broken_queue_leaves_the_page_alone() {
    let (mut queue, _, memory) = pair();
    let pages = allow_indirect(&mut queue);
    queue.give_up();
    write(&mut queue, 2, 32 * PAGE_SIZE, 8).unwrap();
    assert!(!queue.commit().is_needed());
    assert_eq!(pages[2].load::<[u64; 512]>(0).unwrap(), [0; 512]);
    assert_eq!(memory.load::<u32>(0).unwrap(), 0);
    assert_eq!(queue.counters().indirect_requests, 0);
    assert_eq!(taken_back(&mut queue), [8]);
}

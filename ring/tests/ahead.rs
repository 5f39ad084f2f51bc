// SPDX-License-Identifier: GPL-2.0-only
//! One event for many responses: `final_check_for_responses_ahead`.
use ring::{BackRing, FrontRing, Notify, SharedMemory};

fn rings(start: u32) -> (FrontRing<u32, u32>, BackRing<u32, u32>) {
    let memory = SharedMemory::zeroed(64 + 16 * 4);
    let front = FrontRing::starting_at(&memory, start).unwrap();
    (front, BackRing::attach(&memory).unwrap())
}

fn push(front: &mut FrontRing<u32, u32>, count: u32) {
    for n in 0..count {
        front.push_request(&n).unwrap();
    }
    let _ = front.push_requests_and_check_notify();
}

fn answer(back: &mut BackRing<u32, u32>, count: u32) -> Notify {
    for _ in 0..count {
        let request = back.next_request().unwrap().unwrap();
        back.push_response(&request).unwrap();
    }
    back.push_responses_and_check_notify()
}

#[test]
fn the_event_comes_with_the_response_asked_for() {
    for start in [0, u32::MAX - 3] {
        let (mut front, mut back) = rings(start);
        push(&mut front, 10);
        assert_eq!(front.final_check_for_responses_ahead(4), Ok(false));
        assert_eq!(answer(&mut back, 3), Notify::NotNeeded);
        assert_eq!(answer(&mut back, 1), Notify::Needed);
        assert_eq!(answer(&mut back, 6), Notify::NotNeeded, "once");
    }
}

#[test]
fn responses_that_are_there_already_are_said() {
    let (mut front, mut back) = rings(7);
    push(&mut front, 10);
    let _ = answer(&mut back, 4);
    assert_eq!(front.final_check_for_responses_ahead(5), Ok(false));
    assert_eq!(front.final_check_for_responses_ahead(4), Ok(true));
    assert_eq!(
        front.final_check_for_responses_ahead(0),
        Ok(true),
        "0 means 1"
    );
}

#[test]
fn the_wish_may_count_requests_to_come() {
    let (mut front, mut back) = rings(0);
    push(&mut front, 1);
    front.push_request(&9).unwrap();
    assert_eq!(front.final_check_for_responses_ahead(2), Ok(false));
    let _ = front.push_requests_and_check_notify();
    assert_eq!(answer(&mut back, 1), Notify::NotNeeded);
    assert_eq!(answer(&mut back, 1), Notify::Needed);
}

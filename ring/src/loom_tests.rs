// SPDX-License-Identifier: GPL-2.0-only
//! Every interleaving of two sides of a ring, as the memory model allows them:
//! `RUSTFLAGS="--cfg loom" cargo test -p ring --lib --release -- loom` (`scripts/check-host.sh loom`).
//!
//! A sleep is modelled as leaving the loop when the final check found nothing; a notification as setting a flag that
//! the sleeper finds. A lost wake-up shows as a side that has left with work undone and no notification under way.
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::Arc;
use loom::thread;
use std::vec::Vec;

use crate::{BackRing, ByteConsumer, ByteProducer, ByteRingLayout, FrontRing, SharedMemory};

/// Two words, so that a torn slot would show.
type Req = [u32; 2];
type Rsp = u32;

fn request(n: u32) -> Req {
    [n, !n]
}

/// An event channel: one bit.
#[derive(Clone)]
struct Event(Arc<AtomicBool>);

impl Event {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    fn send_if(&self, needed: bool) {
        if needed {
            self.0.store(true, Ordering::Release);
        }
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// The answer to request `n`, unlike anything that was in the slot before.
fn response(n: u32) -> Rsp {
    n + 100
}

/// A ring near the wrap through which request and response 0 have gone: nobody is asked to notify any more, so only
/// a final check makes the other side do it again.
fn pair(slots: usize) -> (FrontRing<Req, Rsp>, BackRing<Req, Rsp>) {
    let memory = SharedMemory::zeroed(64 + slots * 8);
    let mut front = FrontRing::starting_at(&memory, u32::MAX - 1).unwrap();
    let mut back = BackRing::attach(&memory).unwrap();
    front.push_request(&request(0)).unwrap();
    assert!(front.push_requests_and_check_notify().is_needed());
    assert_eq!(back.next_request(), Ok(Some(request(0))));
    back.push_response(&response(0)).unwrap();
    assert!(back.push_responses_and_check_notify().is_needed());
    assert_eq!(front.next_response(), Ok(Some(response(0))));
    (front, back)
}

/// Takes what is there until the final check finds nothing.
fn drain_requests(back: &mut BackRing<Req, Rsp>, next: &mut u32) {
    loop {
        while let Some(got) = back.next_request().unwrap() {
            assert_eq!(got, request(*next), "torn, lost or out of order");
            *next += 1;
        }
        if !back.final_check_for_requests().unwrap() {
            return;
        }
    }
}

/// The mirror.
fn drain_responses(front: &mut FrontRing<Req, Rsp>, next: &mut u32) {
    loop {
        while let Some(got) = front.next_response().unwrap() {
            assert_eq!(got, response(*next), "torn, lost or out of order");
            *next += 1;
        }
        if !front.final_check_for_responses().unwrap() {
            return;
        }
    }
}

#[test]
fn requests_are_whole_and_no_wake_up_is_lost() {
    loom::model(|| {
        let (mut front, mut back) = pair(2);
        let event = Event::new();
        let sender = {
            let event = event.clone();
            thread::spawn(move || {
                for n in 1..3 {
                    front.push_request(&request(n)).unwrap();
                    event.send_if(front.push_requests_and_check_notify().is_needed());
                }
            })
        };
        let mut next = 1;
        drain_requests(&mut back, &mut next);
        sender.join().unwrap();
        // Asleep since the check above: whatever is left must come with an event.
        if event.take() {
            drain_requests(&mut back, &mut next);
        }
        assert_eq!(next, 3, "asleep with requests in the ring");
    });
}

#[test]
fn responses_are_whole_and_no_wake_up_is_lost() {
    loom::model(|| {
        let (mut front, mut back) = pair(2);
        for n in 1..3 {
            front.push_request(&request(n)).unwrap();
        }
        let _ = front.push_requests_and_check_notify();
        let event = Event::new();
        let server = {
            let event = event.clone();
            thread::spawn(move || {
                while let Some([n, _]) = back.next_request().unwrap() {
                    back.push_response(&response(n)).unwrap();
                    event.send_if(back.push_responses_and_check_notify().is_needed());
                }
            })
        };
        let mut next = 1;
        drain_responses(&mut front, &mut next);
        server.join().unwrap();
        if event.take() {
            drain_responses(&mut front, &mut next);
        }
        assert_eq!(next, 3, "asleep with responses in the ring");
    });
}

/// With nothing in flight the frontend asks to be told without looking again: the next request carries the wish.
#[test]
fn a_wish_before_the_request_is_seen_with_it() {
    loom::model(|| {
        let (mut front, mut back) = pair(2);
        assert_eq!(front.final_check_for_responses(), Ok(false));
        let event = Event::new();
        let server = {
            let event = event.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Some([n, _]) = back.next_request().unwrap() {
                        back.push_response(&response(n)).unwrap();
                        event.send_if(back.push_responses_and_check_notify().is_needed());
                    }
                    thread::yield_now();
                }
            })
        };
        front.push_request(&request(1)).unwrap();
        let _ = front.push_requests_and_check_notify();
        server.join().unwrap();
        let told = event.take();
        if front.next_response().unwrap().is_some() {
            assert!(told, "asleep with a response in the ring");
        }
    });
}

#[test]
fn slots_are_not_reused_before_they_are_free() {
    loom::model(|| {
        let (mut front, mut back) = pair(1);
        front.push_request(&request(1)).unwrap();
        let _ = front.push_requests_and_check_notify();
        let server = thread::spawn(move || {
            let mut next = 1;
            for _ in 0..3 {
                while let Some(got) = back.next_request().unwrap() {
                    assert_eq!(got, request(next));
                    back.push_response(&response(next)).unwrap();
                    let _ = back.push_responses_and_check_notify();
                    next += 1;
                }
                thread::yield_now();
            }
        });
        let mut next = 1;
        for _ in 0..3 {
            if let Some(got) = front.next_response().unwrap() {
                assert_eq!(got, response(next));
                next += 1;
                front.push_request(&request(next)).unwrap();
                let _ = front.push_requests_and_check_notify();
            }
            thread::yield_now();
        }
        server.join().unwrap();
    });
}

const LAYOUT: ByteRingLayout = ByteRingLayout {
    buffer: 0,
    size: 4,
    prod: 4,
    cons: 8,
};

/// The producer fills the ring, finds it full and sleeps; the consumer must tell it of room.
#[test]
fn a_full_byte_ring_wakes_its_producer() {
    loom::model(|| {
        let memory = SharedMemory::zeroed(12);
        let mut producer = ByteProducer::attach(&memory, LAYOUT).unwrap();
        let mut consumer = ByteConsumer::attach(&memory, LAYOUT).unwrap();
        assert_eq!(producer.write(b"abc").unwrap().bytes, 3);
        let event = Event::new();
        let reader = {
            let event = event.clone();
            thread::spawn(move || {
                let mut bytes = [0; 4];
                let moved = consumer.read(&mut bytes).unwrap();
                assert_eq!(&bytes[..3], b"abc");
                assert!(moved.bytes == 3 || bytes[3] == b'd');
                event.send_if(moved.notify.is_needed());
            })
        };
        assert_eq!(producer.write(b"d").unwrap().bytes, 1);
        let asleep = producer.room().unwrap() == 0;
        reader.join().unwrap();
        assert!(!asleep || event.take(), "asleep before a ring with room");
    });
}

/// Bytes are there when the index says so.
#[test]
fn bytes_are_whole() {
    loom::model(|| {
        let memory = SharedMemory::zeroed(12);
        let mut producer = ByteProducer::attach(&memory, LAYOUT).unwrap();
        let mut consumer = ByteConsumer::attach(&memory, LAYOUT).unwrap();
        let writer = thread::spawn(move || {
            assert_eq!(producer.write(b"wxyz").unwrap().bytes, 4);
            let mut left: &[u8] = b"12";
            for _ in 0..2 {
                let moved = producer.write(left).unwrap();
                left = &left[moved.bytes..];
                thread::yield_now();
            }
        });
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut bytes = [0; 4];
            let moved = consumer.read(&mut bytes).unwrap();
            seen.extend_from_slice(&bytes[..moved.bytes]);
            thread::yield_now();
        }
        writer.join().unwrap();
        assert!(b"wxyz12".starts_with(&seen), "{seen:?}");
    });
}

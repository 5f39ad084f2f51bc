// SPDX-License-Identifier: GPL-2.0-only
//! Byte rings against a plain queue, from any starting index, and against a lying peer.
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;
use ring::{
    BadRingMemory, ByteConsumer, ByteProducer, ByteRingLayout, RingViolation, SharedMemory,
    XenstoreRing,
};

const LAYOUT: ByteRingLayout = ByteRingLayout {
    buffer: 0,
    size: 16,
    prod: 16,
    cons: 20,
};

fn poke(memory: &SharedMemory, place: usize, value: u32) {
    memory.atomic_u32(place).unwrap().store(value, Relaxed);
}

/// Both ends of an empty ring whose indices are at `start`.
fn ends(start: u32) -> (SharedMemory, ByteProducer, ByteConsumer) {
    let memory = SharedMemory::zeroed(24);
    poke(&memory, LAYOUT.prod, start);
    poke(&memory, LAYOUT.cons, start);
    let producer = ByteProducer::attach(&memory, LAYOUT).unwrap();
    let consumer = ByteConsumer::attach(&memory, LAYOUT).unwrap();
    (memory, producer, consumer)
}

fn start() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        any::<u32>(),
        (0..40u32).prop_map(|n| 0u32.wrapping_sub(n))
    ]
}

proptest! {
    /// Bytes come out as they went in; a producer that found the ring full is always told of room.
    #[test]
    fn streams_are_queues(
        start in start(),
        ops in prop::collection::vec((any::<bool>(), 0usize..40), 0..200),
    ) {
        let (_memory, mut producer, mut consumer) = ends(start);
        let mut queue = VecDeque::new();
        let (mut next, mut producer_waits) = (0u8, false);
        for (write, n) in ops {
            if write {
                let bytes: Vec<u8> = (0..n).map(|i| next.wrapping_add(i as u8)).collect();
                let moved = producer.write(&bytes).unwrap();
                prop_assert_eq!(moved.bytes, n.min(16 - queue.len()));
                prop_assert_eq!(moved.notify.is_needed(), moved.bytes > 0);
                queue.extend(&bytes[..moved.bytes]);
                next = next.wrapping_add(moved.bytes as u8);
                producer_waits = queue.len() == 16;
            } else {
                let mut bytes = vec![0; n];
                let moved = consumer.read(&mut bytes).unwrap();
                prop_assert_eq!(moved.bytes, n.min(queue.len()));
                let expected: Vec<u8> = queue.drain(..moved.bytes).collect();
                prop_assert_eq!(&bytes[..moved.bytes], &expected[..]);
                prop_assert_eq!(moved.notify.is_needed(), producer_waits && moved.bytes > 0);
                producer_waits &= moved.bytes == 0;
            }
            prop_assert_eq!(producer.room().unwrap(), 16 - queue.len());
            prop_assert_eq!(consumer.available().unwrap(), queue.len());
        }
    }

    /// Whatever the peer does to its index: no panic, and the bound holds.
    #[test]
    fn lies_are_seen(start: u32, other: u32) {
        let (memory, mut producer, mut consumer) = ends(start);
        poke(&memory, LAYOUT.cons, other);
        let ahead = start.wrapping_sub(other);
        match producer.room() {
            Ok(room) => prop_assert_eq!(room as u32, 16 - ahead),
            Err(violation) => {
                prop_assert!(ahead > 16);
                let expected = RingViolation::ByteIndices { prod: start, cons: other, size: 16 };
                prop_assert_eq!(violation, expected);
                poke(&memory, LAYOUT.cons, start);
                prop_assert_eq!(producer.write(b"x"), Err(violation));
            }
        }
        poke(&memory, LAYOUT.prod, other);
        let behind = other.wrapping_sub(start);
        match consumer.available() {
            Ok(bytes) => prop_assert_eq!(bytes as u32, behind),
            Err(violation) => {
                prop_assert!(behind > 16);
                poke(&memory, LAYOUT.prod, start);
                prop_assert_eq!(consumer.read(&mut [0]), Err(violation));
            }
        }
    }
}

#[test]
fn lies_near_the_bound() {
    for start in [0u32, 3, u32::MAX] {
        for (ahead, good) in [(0u32, true), (1, true), (16, true), (17, false)] {
            let (memory, _, mut consumer) = ends(start);
            poke(&memory, LAYOUT.prod, start.wrapping_add(ahead));
            assert_eq!(consumer.available().is_ok(), good, "{ahead} bytes ahead");
            let (memory, mut producer, _) = ends(start);
            poke(&memory, LAYOUT.cons, start.wrapping_sub(ahead));
            assert_eq!(producer.room().is_ok(), good, "{ahead} bytes behind");
        }
    }
}

#[test]
fn our_own_index_is_not_read_back() {
    let (memory, mut producer, mut consumer) = ends(0);
    assert_eq!(producer.write(b"abc").unwrap().bytes, 3);
    poke(&memory, LAYOUT.prod, 1);
    assert_eq!(producer.room(), Ok(13));
    assert_eq!(producer.write(b"d").unwrap().bytes, 1);
    let mut bytes = [0; 4];
    assert_eq!(consumer.read(&mut bytes).unwrap().bytes, 4);
    assert_eq!(&bytes, b"abcd");
}

#[test]
fn rings_that_do_not_fit() {
    let memory = SharedMemory::zeroed(24);
    for layout in [
        ByteRingLayout { size: 32, ..LAYOUT },
        ByteRingLayout { size: 12, ..LAYOUT },
        ByteRingLayout { size: 0, ..LAYOUT },
        ByteRingLayout {
            buffer: 12,
            ..LAYOUT
        },
        ByteRingLayout {
            buffer: usize::MAX,
            ..LAYOUT
        },
        ByteRingLayout { prod: 24, ..LAYOUT },
        ByteRingLayout { cons: 18, ..LAYOUT },
    ] {
        assert_eq!(
            ByteProducer::attach(&memory, layout).err(),
            Some(BadRingMemory),
            "{layout:?}"
        );
        assert_eq!(
            ByteConsumer::attach(&memory, layout).err(),
            Some(BadRingMemory),
            "{layout:?}"
        );
    }
}

/// xenstored's ends of the page's rings.
fn xenstored(memory: &SharedMemory) -> (ByteConsumer, ByteProducer) {
    (
        ByteConsumer::attach(memory, XenstoreRing::REQUESTS).unwrap(),
        ByteProducer::attach(memory, XenstoreRing::REPLIES).unwrap(),
    )
}

#[test]
fn xenstore_streams_cross() {
    let memory = SharedMemory::zeroed(4096);
    let mut guest = XenstoreRing::attach(&memory).unwrap();
    let (mut requests, mut replies) = xenstored(&memory);
    let long: Vec<u8> = (0..3000u32).map(|n| n as u8).collect();
    let (mut sent, mut echoed) = (0, Vec::new());
    while echoed.len() < long.len() {
        sent += guest.requests.write(&long[sent..]).unwrap().bytes;
        let mut bytes = [0; 700];
        let got = requests.read(&mut bytes).unwrap().bytes;
        assert_eq!(replies.write(&bytes[..got]).unwrap().bytes, got);
        let got = guest.replies.read(&mut bytes).unwrap().bytes;
        echoed.extend_from_slice(&bytes[..got]);
    }
    assert_eq!(echoed, long);
}

#[test]
fn xenstore_streams_outlive_a_reload() {
    let memory = SharedMemory::zeroed(4096);
    let (mut requests, mut replies) = xenstored(&memory);
    for round in 0..5u8 {
        let mut guest = XenstoreRing::attach(&memory).unwrap();
        let message = [round; 600];
        assert_eq!(guest.requests.write(&message).unwrap().bytes, 600);
        let mut bytes = [0; 600];
        assert_eq!(requests.read(&mut bytes).unwrap().bytes, 600);
        assert_eq!(bytes, message);
        assert_eq!(replies.write(&message).unwrap().bytes, 600);
        assert_eq!(guest.replies.read(&mut bytes).unwrap().bytes, 600);
        assert_eq!(bytes, message);
    }
}

#[test]
fn xenstore_page() {
    assert!(XenstoreRing::attach(&SharedMemory::zeroed(2048)).is_err());
    let memory = SharedMemory::zeroed(4096);
    let guest = XenstoreRing::attach(&memory).unwrap();
    assert_eq!(guest.error(), None);
    poke(&memory, 2072, 2);
    assert_eq!(guest.error(), None, "the server does not tell errors");
    poke(&memory, 2064, 3);
    assert_eq!(guest.server_features(), 3);
    assert_eq!(guest.error(), Some(2));
    guest.request_reconnection();
    assert_eq!(guest.connection(), 1);
    poke(&memory, 2068, 0);
    assert_eq!(guest.connection(), xen_sys::xenstore::CONNECTED);
}

// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use core::ops::Range;
use std::vec;
use std::vec::Vec;

#[test]
fn bytes_round_trip_at_any_offset() {
    let memory = SharedMemory::zeroed(100);
    let pattern: Vec<u8> = (1..=40).collect();
    for offset in 0..=60 {
        memory.zero();
        memory.write_bytes(offset, &pattern).unwrap();
        let mut all = vec![0; 100];
        memory.read_bytes(0, &mut all).unwrap();
        assert_eq!(&all[offset..offset + 40], &pattern[..]);
        assert!(all[..offset].iter().all(|&b| b == 0));
        assert!(all[offset + 40..].iter().all(|&b| b == 0));
        let mut back = vec![0; 40];
        memory.read_bytes(offset, &mut back).unwrap();
        assert_eq!(back, pattern);
    }
}

#[test]
fn nothing_outside_is_reachable() {
    let memory = SharedMemory::zeroed(64);
    let mut byte = [0];
    assert_eq!(memory.read_bytes(64, &mut byte), Err(OutOfBounds));
    assert_eq!(memory.read_bytes(usize::MAX, &mut byte), Err(OutOfBounds));
    assert_eq!(memory.write_bytes(63, &[1, 2]), Err(OutOfBounds));
    assert_eq!(memory.read_bytes(64, &mut []), Ok(()));
    assert!(memory.load::<u32>(61).is_err());
    assert!(memory.load::<u64>(usize::MAX - 3).is_err());
    assert!(memory.atomic_u32(62).is_none());
    assert!(memory.atomic_u32(64).is_none());
    assert!(memory.atomic_u64(60).is_none());
    assert!(memory.atomic_u16(63).is_none());
    assert!(memory.atomic_u8(64).is_none());
    assert!(memory.u32_at(usize::MAX).is_none());
    assert!(memory.slots::<[u32; 2], u32>(64, 1).is_none());
    assert!(memory.slots::<[u32; 2], u32>(0, 9).is_none());
    assert!(memory.slots::<[u32; 2], u32>(0, 16).is_none());
    assert!(memory.slots::<[u32; 2], u32>(0, 8).is_some());
}

#[test]
fn values_round_trip() {
    let memory = SharedMemory::zeroed(64);
    memory.store(3, &0x0102_0304_0506_0708u64).unwrap();
    assert_eq!(memory.load::<u64>(3), Ok(0x0102_0304_0506_0708));
    memory.store(8, &[1u16, 2, 3]).unwrap();
    assert_eq!(memory.load::<[u16; 3]>(8), Ok([1, 2, 3]));
    let cell = memory.u32_at(16).unwrap();
    cell.store(7, Ordering::Relaxed);
    assert_eq!(memory.atomic_u32(16).unwrap().load(Ordering::Relaxed), 7);
    memory.zero();
    assert_eq!(cell.load(Ordering::Relaxed), 0);
}

#[test]
fn slots_of_both_word_sizes() {
    let memory = SharedMemory::zeroed(64 + 4 * 12);
    let slots = memory.slots::<[u32; 3], u32>(64, 4).unwrap();
    slots.store_request(5, &[1, 2, 3]);
    assert_eq!(slots.load_request(1), [1, 2, 3]);
    assert_eq!(memory.load::<[u32; 3]>(64 + 12), Ok([1, 2, 3]));
    slots.store_response(u32::MAX, &9);
    assert_eq!(slots.load_response(3), 9);

    let memory = SharedMemory::zeroed(64 + 2 * 112);
    let slots = memory.slots::<[u64; 14], [u64; 2]>(64, 2).unwrap();
    let request: [u64; 14] = core::array::from_fn(|i| i as u64 * 0x0101_0101);
    slots.store_request(1, &request);
    assert_eq!(slots.load_request(3), request);
    assert_eq!(memory.load::<[u64; 14]>(64 + 112), Ok(request));
}

#[test]
fn a_peer_may_change_what_was_read() {
    let memory = SharedMemory::zeroed(64 + 112);
    let slots = memory.slots::<[u64; 14], [u64; 2]>(64, 1).unwrap();
    let mut loads = 0;
    memory.after_loads(Some(move |host: &HostMemory, read: Range<usize>| {
        assert_eq!(read, 64 + 8 * loads..72 + 8 * loads);
        loads += 1;
        // What was read changes, and so does what comes next.
        host.change_u32(read.start, |_| u32::MAX);
        host.change_u32(read.end, |old| old + 7);
    }));
    let mut expected = [7; 14];
    expected[0] = 0;
    assert_eq!(slots.load_request(0), expected);
    memory.after_loads(None::<fn(&HostMemory, Range<usize>)>);
    assert_eq!(slots.load_request(0), [u64::from(u32::MAX); 14]);
    assert_eq!(memory.keep.0.as_ref().unwrap().change_u32(192, |_| 1), None);
}

// SPDX-License-Identifier: GPL-2.0-only
//! Answers that no honest backend gives.
use super::*;

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

// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

const OPS: [Operation; 5] = [
    Operation::Directory,
    Operation::Read,
    Operation::Write,
    Operation::Rm,
    Operation::Error,
];

fn reply(op: Operation, id: RequestId) -> Header {
    Header {
        kind: op as u32,
        req_id: id.raw(),
        tx_id: 0,
        len: 0,
    }
}

#[test]
fn full_and_out_of_order() {
    let mut table = RequestTable::<u32, 4>::new();
    let ids: Vec<_> = (0..4)
        .map(|w| table.insert(Operation::Read, w).unwrap())
        .collect();
    assert_eq!(table.insert(Operation::Read, 9), Err(9));
    for w in [2, 0, 3, 1] {
        assert_eq!(
            table.take(&reply(Operation::Read, ids[w as usize])),
            Matched::Reply(w)
        );
    }
    assert_eq!(table.in_flight(), 0);
    for id in ids {
        assert_eq!(table.take(&reply(Operation::Read, id)), Matched::Unknown);
    }
}

#[test]
fn types_are_checked() {
    let mut table = RequestTable::<u32, 2>::new();
    let id = table.insert(Operation::Read, 1).unwrap();
    assert_eq!(
        table.take(&reply(Operation::Write, id)),
        Matched::WrongType(1)
    );
    assert_eq!(
        table.in_flight(),
        0,
        "a liar's request ends; its waiter does not hang"
    );
    let id = table.insert(Operation::Mkdir, 2).unwrap();
    assert_eq!(table.take(&reply(Operation::Error, id)), Matched::Error(2));
}

#[test]
fn abandoned_requests() {
    let mut table = RequestTable::<u32, 2>::new();
    let first = table.insert(Operation::Read, 1).unwrap();
    assert_eq!(table.abandon(first), Some(1));
    assert_eq!(table.abandon(first), None);
    let second = table.insert(Operation::Read, 2).unwrap();
    assert_ne!(first, second);
    assert_eq!(table.take(&reply(Operation::Read, first)), Matched::Late);
    assert_eq!(table.take(&reply(Operation::Read, first)), Matched::Unknown);
    assert_eq!(
        table.take(&reply(Operation::Read, second)),
        Matched::Reply(2)
    );
}

#[test]
fn abandoned_slots_are_taken_over_oldest_first() {
    let mut table = RequestTable::<u32, 2>::new();
    let a = table.insert(Operation::Read, 1).unwrap();
    let b = table.insert(Operation::Read, 2).unwrap();
    table.abandon(b).unwrap();
    table.abandon(a).unwrap();
    let c = table.insert(Operation::Read, 3).unwrap();
    assert_eq!(
        table.take(&reply(Operation::Read, b)),
        Matched::Unknown,
        "b's slot was taken over"
    );
    assert_eq!(table.take(&reply(Operation::Read, a)), Matched::Late);
    assert_eq!(table.take(&reply(Operation::Read, c)), Matched::Reply(3));
}

#[test]
fn retracted_requests_free_their_slot() {
    let mut table = RequestTable::<u32, 1>::new();
    let id = table.insert(Operation::Read, 1).unwrap();
    assert_eq!(table.retract(id), Some(1));
    assert_eq!(table.retract(id), None);
    assert_eq!(table.take(&reply(Operation::Read, id)), Matched::Unknown);
}

#[test]
fn ids_are_never_zero_and_generations_wrap() {
    let mut table = RequestTable::<u32, 1>::new();
    table.slots[0].generation = GENERATION_MASK - 1;
    for _ in 0..4 {
        let id = table.insert(Operation::Read, 1).unwrap();
        assert_ne!(id.raw(), 0);
        assert_eq!(table.take(&reply(Operation::Read, id)), Matched::Reply(1));
    }
}

#[test]
fn a_former_owners_replies_are_nobodys() {
    let mut former = RequestTable::<u32, 2>::new();
    let mut table = RequestTable::<u32, 2>::new();
    former.seed(u32::MAX);
    table.seed(77);
    let old = former.insert(Operation::Read, 1).unwrap();
    let new = table.insert(Operation::Read, 2).unwrap();
    assert_eq!(table.take(&reply(Operation::Read, old)), Matched::Unknown);
    assert_eq!(table.take(&reply(Operation::Read, new)), Matched::Reply(2));
}

#[test]
fn draining_ends_everybody() {
    let mut table = RequestTable::<u32, 4>::new();
    let gone = table.insert(Operation::Read, 0).unwrap();
    for w in 1..4 {
        table.insert(Operation::Read, w).unwrap();
    }
    table.abandon(gone);
    let mut ended = Vec::new();
    table.drain(|w| ended.push(w));
    ended.sort_unstable();
    assert_eq!(ended, [1, 2, 3]);
    assert_eq!(table.in_flight(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize),
    Reply(usize, usize),
    Abandon(usize),
    Forge(u32, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0usize..4).prop_map(Step::Insert),
        (0usize..24, 0usize..5).prop_map(|(i, op)| Step::Reply(i, op)),
        (0usize..24).prop_map(Step::Abandon),
        (any::<u32>(), 0u32..24).prop_map(|(id, kind)| Step::Forge(id, kind)),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    /// Against a map from id to waiter: a waiter is handed out once, and only for its own id.
    #[test]
    fn nobody_gets_anothers_reply(steps in steps()) {
        let mut table = RequestTable::<usize, 5>::new();
        let mut model = BTreeMap::new();
        let mut ids = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            let (id, kind) = match step {
                Step::Insert(op) => {
                    let inserted = table.insert(OPS[op], n);
                    prop_assert_eq!(inserted.is_ok(), model.len() < 5);
                    if let Ok(id) = inserted {
                        prop_assert!(model.insert(id.raw(), (n, OPS[op])).is_none());
                        ids.push(id);
                    }
                    continue;
                }
                Step::Abandon(i) => {
                    if let Some(id) = ids.get(i) {
                        prop_assert_eq!(table.abandon(*id), model.remove(&id.raw()).map(|(w, _)| w));
                    }
                    continue;
                }
                Step::Reply(i, op) => match ids.get(i) {
                    Some(id) => (id.raw(), OPS[op] as u32),
                    None => continue,
                },
                Step::Forge(id, kind) => (id, kind),
            };
            let matched = table.take(&Header { kind, req_id: id, tx_id: 0, len: 0 });
            match (matched, model.remove(&id)) {
                (Matched::Reply(w), Some((m, op))) => {
                    prop_assert!(w == m && kind == op as u32 && op != Operation::Error);
                }
                (Matched::Error(w), Some((m, _))) => {
                    prop_assert!(w == m && kind == Operation::Error as u32);
                }
                (Matched::WrongType(w), Some((m, op))) => {
                    prop_assert!(w == m && kind != op as u32 && kind != Operation::Error as u32);
                }
                (Matched::Late | Matched::Unknown, None) => {}
                (matched, model) => prop_assert!(false, "{matched:?} against {model:?}"),
            }
            prop_assert_eq!(table.in_flight(), model.len());
        }
    }
}

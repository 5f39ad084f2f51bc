// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use crate::wire::{Assembler, WireError, HEADER_LEN, PAYLOAD_MAX};
use proptest::prelude::*;
use std::{collections::BTreeMap, vec, vec::Vec};
use zerocopy::IntoBytes;

const EPOCH: u32 = 7;

fn header(op: Operation, tx_id: u32) -> Header {
    Header {
        kind: op.number(),
        req_id: 5,
        tx_id,
        len: 0,
    }
}

fn file() -> Transactions<3> {
    let mut transactions = Transactions::new();
    transactions.add(11, EPOCH).unwrap();
    transactions.add(12, EPOCH - 1).unwrap();
    transactions
}

fn job(op: Operation, tx_id: u32, payload: &[u8]) -> Job<'_> {
    Job::of(&header(op, tx_id), payload, &file(), EPOCH)
}

#[test]
fn what_is_not_the_files_own_is_passed_on() {
    for op in [
        Operation::Read,
        Operation::Write,
        Operation::Directory,
        Operation::GetPerms,
        Operation::SetPerms,
        Operation::GetDomainPath,
        Operation::Mkdir,
        Operation::Rm,
        Operation::DirectoryPart,
        // The store refuses these to a guest.
        Operation::Control,
        Operation::Introduce,
        Operation::SetTarget,
    ] {
        assert_eq!(job(op, 0, b"\xff"), Job::Pass(op));
        assert_eq!(job(op, 11, b""), Job::Pass(op));
        for other in [12, 13, u32::MAX] {
            assert_eq!(job(op, other, b"a\0"), Job::Refuse(StoreError::NotFound));
        }
    }
}

#[test]
fn what_no_client_says_is_refused() {
    let unknown = |kind| Header {
        kind,
        ..header(Operation::Read, 0)
    };
    for kind in [
        Operation::WatchEvent.number(),
        Operation::Error.number(),
        20,
        23,
        0xffff,
        u32::MAX,
    ] {
        let job = Job::of(&unknown(kind), b"a\0", &file(), EPOCH);
        assert_eq!(job, Job::Refuse(StoreError::NotImplemented));
    }
}

#[test]
fn watches_are_the_files_own() {
    let (path, token) = (&b"a/b"[..], &b"t"[..]);
    for tx_id in [0, 11, 99] {
        let watch = job(Operation::Watch, tx_id, b"a/b\0t\0");
        assert_eq!(watch, Job::Watch { path, token });
        let unwatch = job(Operation::Unwatch, tx_id, b"a/b\0t\0");
        assert_eq!(unwatch, Job::Unwatch { path, token });
        assert_eq!(job(Operation::ResetWatches, tx_id, b"\0"), Job::Reset);
    }
    for bad in [&b""[..], b"\0", b"a\0", b"a\0t", b"\0t\0", b"a\0t\0x\0"] {
        for op in [Operation::Watch, Operation::Unwatch] {
            assert_eq!(job(op, 0, bad), Job::Refuse(StoreError::Invalid));
        }
    }
}

#[test]
fn a_transaction_ends_once_and_by_its_owner() {
    for end in [b"T\0", b"F\0"] {
        assert_eq!(job(Operation::TransactionEnd, 11, end), Job::End);
        for nobodys in [0, 13] {
            assert_eq!(
                job(Operation::TransactionEnd, nobodys, end),
                Job::Refuse(StoreError::NotFound)
            );
        }
    }
    let lost = |payload| job(Operation::TransactionEnd, 12, payload);
    assert_eq!(lost(b"T\0"), Job::Refuse(StoreError::Again));
    assert_eq!(lost(b"F\0"), Job::Done);
    for bad in [&b""[..], b"T", b"t\0", b"TF\0", b"T\0\0"] {
        for tx_id in [11, 12] {
            assert_eq!(
                job(Operation::TransactionEnd, tx_id, bad),
                Job::Refuse(StoreError::Invalid)
            );
        }
    }
}

#[test]
fn transactions_have_a_bound() {
    assert_eq!(job(Operation::TransactionStart, 0, b"\0"), Job::Begin);
    assert_eq!(
        job(Operation::TransactionStart, 11, b"\0"),
        Job::Refuse(StoreError::Busy)
    );
    let mut full = file();
    full.add(14, EPOCH).unwrap();
    assert_eq!(
        Job::of(&header(Operation::TransactionStart, 0), b"\0", &full, EPOCH),
        Job::Refuse(StoreError::NoSpace)
    );
    assert_eq!(full.add(15, EPOCH), Err(StoreError::NoSpace));
}

#[test]
fn a_number_that_the_store_gives_twice() {
    let mut transactions = file();
    assert_eq!(transactions.add(11, EPOCH), Err(StoreError::Io));
    assert_eq!(transactions.add(12, EPOCH), Ok(()));
    assert_eq!(transactions.len(), 2);
    assert_eq!(transactions.find(12, EPOCH), Some(Standing::Open));
}

#[test]
fn replies_are_the_stores() {
    let request = Header {
        len: 77,
        ..header(Operation::Read, 3)
    };
    assert_eq!(reply(&request, 9), Header { len: 9, ..request });
    let kind = Operation::Error.number();
    assert_eq!(
        refusal(&request, StoreError::NotFound),
        Header {
            kind,
            len: 7,
            ..request
        }
    );
    let kind = Operation::WatchEvent.number();
    let event = event(b"a/b", b"tok");
    assert_eq!((event.kind, event.len), (kind, 8));
    assert_eq!((event.req_id, event.tx_id), (0, 0));
}

/// Feeds what a process writes in pieces of the given sizes; a header that cannot be ends the piece, and what was
/// gathered is thrown away, as the file does it.
fn gather(stream: &[u8], sizes: &[usize]) -> (Vec<(Header, Vec<u8>)>, usize) {
    let mut assembler = Assembler::new();
    let (mut messages, mut refused) = (vec![], 0);
    let (mut rest, mut sizes) = (stream, sizes.iter().copied().cycle());
    while !rest.is_empty() {
        let (mut piece, next) = rest.split_at(sizes.next().unwrap().min(rest.len()));
        rest = next;
        while !piece.is_empty() {
            let wanted = assembler.wanted();
            let count = wanted.len().min(piece.len());
            wanted[..count].copy_from_slice(&piece[..count]);
            piece = &piece[count..];
            if assembler.advance(count) == Err(WireError::PayloadTooLong) {
                refused += 1;
                assembler.reset();
                break;
            }
            if let Some((header, payload)) = assembler.complete() {
                messages.push((header, payload.to_vec()));
                assembler.reset();
            }
        }
    }
    (messages, refused)
}

#[test]
fn a_message_of_the_greatest_length_and_one_beyond() {
    let of = |len: usize| {
        let mut bytes = reply(&header(Operation::Write, 0), len).as_bytes().to_vec();
        bytes.resize(HEADER_LEN + len, b'x');
        bytes
    };
    let (messages, refused) = gather(&of(PAYLOAD_MAX), &[1000]);
    assert_eq!((messages.len(), refused), (1, 0));
    let (messages, refused) = gather(&of(PAYLOAD_MAX + 1), &[usize::MAX]);
    assert_eq!((messages.len(), refused), (0, 1));
}

fn any_request() -> impl Strategy<Value = (u32, u32, Vec<u8>)> {
    (0u32..25, 0u32..6, prop::collection::vec(any::<u8>(), 0..40))
}

proptest! {
    /// However a process cuts what it writes, each message comes out whole and once.
    #[test]
    fn pieces_make_the_messages(
        requests in prop::collection::vec(any_request(), 0..8),
        sizes in prop::collection::vec(1usize..50, 1..6),
    ) {
        let mut stream = vec![];
        for (kind, tx_id, payload) in &requests {
            let header = Header { kind: *kind, req_id: 1, tx_id: *tx_id, len: payload.len() as u32 };
            stream.extend_from_slice(header.as_bytes());
            stream.extend_from_slice(payload);
        }
        let (messages, refused) = gather(&stream, &sizes);
        prop_assert_eq!(refused, 0);
        let seen: Vec<_> = messages.iter().map(|(h, p)| (h.kind, h.tx_id, p.clone())).collect();
        prop_assert_eq!(seen, requests);
    }

    /// Junk gives requests or refusals, and each of those is sorted without a panic.
    #[test]
    fn junk_is_only_junk(
        stream in prop::collection::vec(any::<u8>(), 0..400),
        sizes in prop::collection::vec(1usize..50, 1..6),
    ) {
        for (header, payload) in gather(&stream, &sizes).0 {
            let job = Job::of(&header, &payload, &file(), EPOCH);
            if header.tx_id != 11 {
                prop_assert!(job != Job::End);
            }
        }
    }

    /// Two files and a store that gives out numbers: whatever they ask, no request reaches a transaction of another.
    #[test]
    fn nobody_reaches_anothers_transaction(
        steps in prop::collection::vec((0usize..2, 0u8..4, 0u32..12), 0..80),
    ) {
        let mut files = [Transactions::<4>::new(), Transactions::<4>::new()];
        let mut owners = BTreeMap::new();
        let (mut epoch, mut next) = (0u32, 1u32);
        for (who, what, id) in steps {
            let op = [Operation::TransactionStart, Operation::TransactionEnd, Operation::Write];
            let Some(op) = op.get(usize::from(what)) else {
                // A new connection: the store counts from the start.
                (epoch, next) = (epoch + 1, 1);
                owners.clear();
                continue;
            };
            let tx_id = if *op == Operation::TransactionStart { 0 } else { id };
            match Job::of(&header(*op, tx_id), b"T\0", &files[who], epoch) {
                Job::Begin => {
                    prop_assert_eq!(files[who].add(next, epoch), Ok(()));
                    owners.insert(next, who);
                    next += 1;
                }
                Job::End => {
                    prop_assert_eq!(owners.remove(&tx_id), Some(who));
                    files[who].remove(tx_id);
                }
                Job::Pass(_) => prop_assert!(tx_id == 0 || owners.get(&tx_id) == Some(&who)),
                Job::Refuse(StoreError::Again) => files[who].remove(tx_id),
                Job::Refuse(_) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // What is left open on this connection is what the files end when they are closed.
        for (who, file) in files.iter_mut().enumerate() {
            while let Some((id, standing)) = file.take(epoch) {
                if standing == Standing::Open {
                    prop_assert_eq!(owners.remove(&id), Some(who));
                }
            }
            prop_assert!(file.is_empty());
        }
        prop_assert!(owners.is_empty());
    }
}

// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use crate::watch::Watches;
use proptest::prelude::*;
use std::{format, io::Read, vec, vec::Vec};
use zerocopy::IntoBytes;

fn message(op: Operation, req_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = wire::request(op, req_id, 0, &[payload])
        .unwrap()
        .as_bytes()
        .to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// Lets the client read `stream` to its end, at most `chunk` bytes at a time, and collects what
/// it makes of it.
fn receive<const N: usize>(
    client: &mut Client<u32, N>,
    stream: &[u8],
    chunk: usize,
) -> Result<Vec<std::string::String>, WireError> {
    let mut rest = stream;
    let mut seen = vec![];
    while let Some(received) = client.receive(|buffer| {
        let count = buffer.len().min(chunk).min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        count
    })? {
        if received != Received::Ignored {
            seen.push(format!("{received:?}"));
        }
    }
    Ok(seen)
}

#[test]
fn replies_events_and_nonsense() {
    let mut client = Client::<u32, 4>::new();
    let scope = Scope::Bound { epoch: 0, tx_id: 5 };
    let (a, header) = client
        .begin(Operation::Read, scope, &[b"name", b"\0"], 1)
        .unwrap();
    assert_eq!(
        (header.kind, header.req_id, header.tx_id, header.len),
        (2, a.raw(), 5, 5)
    );
    let (b, _) = client
        .begin(Operation::Write, Scope::Free, &[b"x\0y"], 2)
        .unwrap();
    let (c, _) = client
        .begin(Operation::Rm, Scope::Free, &[b"x\0"], 3)
        .unwrap();
    let token = Watches::<(), 1>::new().insert(()).unwrap();
    let mut event = b"device/vif\0".to_vec();
    event.extend_from_slice(&token.to_bytes());
    event.push(0);
    let mut stream = message(Operation::Rm, 12345, b"OK\0");
    stream.extend(message(Operation::Error, b.raw(), b"EACCES\0"));
    stream.extend(message(Operation::WatchEvent, 0, &event));
    stream.extend(message(Operation::WatchEvent, 0, b"path\0not-a-token\0"));
    stream.extend(message(Operation::Read, c.raw(), b""));
    stream.extend(message(Operation::Read, a.raw(), b"d1"));
    let seen = receive(&mut client, &stream, 7).unwrap();
    assert_eq!(seen[0], "Reply(2, Err(Store(Access)))");
    assert_eq!(
        seen[1],
        format!(
            "WatchEvent {{ token: {token:?}, path: {:?} }}",
            b"device/vif"
        )
    );
    assert_eq!(seen[2], "Reply(3, Err(Protocol))");
    assert_eq!(seen[3], format!("Reply(1, Ok({:?}))", b"d1"));
    assert_eq!(seen.len(), 4);
    let counters = Counters {
        late_replies: 0,
        bad_replies: 2,
        bad_events: 1,
    };
    assert_eq!(client.counters(), counters);
    assert!(client.is_between_messages());
}

/// A store that sends nonsense for ever, as long as somebody reads.
#[test]
fn one_message_at_a_time() {
    let mut client = Client::<u32, 1>::new();
    let (late, _) = client
        .begin(Operation::Read, Scope::Free, &[b"a\0"], 1)
        .unwrap();
    client.abandon(late);
    for (bytes, expected) in [
        (
            message(Operation::Read, late.raw(), b"x"),
            Received::Late { begun: None },
        ),
        (message(Operation::Rm, 12345, b""), Received::Ignored),
        (
            message(Operation::WatchEvent, 0, b"path\0not-a-token\0"),
            Received::Ignored,
        ),
    ] {
        let (mut at, mut taken) = (0, 0);
        let received = client.receive(|buffer| {
            let count = buffer.len().min(bytes.len() - at);
            buffer[..count].copy_from_slice(&bytes[at..at + count]);
            at = (at + count) % bytes.len();
            taken += count;
            assert!(taken <= bytes.len(), "it reads on");
            count
        });
        assert_eq!(received, Ok(Some(expected)));
        assert_eq!(taken, bytes.len());
    }
}

/// The number of a transaction may be another's on the next connection.
#[test]
fn what_belongs_to_a_connection_stays_on_it() {
    let mut client = Client::<u32, 2>::new();
    let epoch = client.epoch();
    let lost = [
        Scope::Bound { epoch, tx_id: 3 },
        Scope::Entered { epoch, tx_id: 3 },
    ];
    for scope in lost {
        let (id, header) = client.begin(Operation::Rm, scope, &[b"a\0"], 1).unwrap();
        assert_eq!(header.tx_id, 3);
        assert_eq!(client.retract(id), Some(1));
    }
    client.reset(|_| {});
    assert_ne!(client.epoch(), epoch);
    for scope in lost {
        assert!(client.is_stale(scope));
        assert_eq!(
            client.begin(Operation::Rm, scope, &[b"a\0"], 1),
            Err(BeginError::Stale(1))
        );
    }
    assert_eq!(client.in_flight(), 0);
    assert!(client
        .begin(Operation::Rm, Scope::Free, &[b"a\0"], 1)
        .is_ok());
}

/// The store keeps a transaction open until it is told, and allows a guest few.
#[test]
fn a_transaction_that_began_too_late() {
    let start = Operation::TransactionStart;
    for (op, payload, begun) in [
        (start, &b"17\0"[..], Some(17)),
        (start, b"0\0", None),
        (start, b"x", None),
        (Operation::Error, b"17\0", None),
    ] {
        let mut client = Client::<u32, 1>::new();
        let (id, _) = client.begin(start, Scope::Free, &[b"\0"], 1).unwrap();
        client.abandon(id);
        let bytes = message(op, id.raw(), payload);
        let mut rest = &bytes[..];
        let received = client.receive(|buffer| rest.read(buffer).unwrap());
        assert_eq!(received, Ok(Some(Received::Late { begun })));
        assert_eq!(client.last_begun(), begun);
    }
    let mut client = Client::<u32, 1>::new();
    let (id, _) = client
        .begin(Operation::Read, Scope::Free, &[b"a\0"], 1)
        .unwrap();
    client.abandon(id);
    let seen = receive(
        &mut client,
        &message(Operation::Read, id.raw(), b"17\0"),
        99,
    )
    .unwrap();
    assert_eq!(seen, ["Late { begun: None }"]);
}

#[test]
fn busy_too_long_and_late() {
    let mut client = Client::<u32, 1>::new();
    let (id, _) = client
        .begin(Operation::Read, Scope::Free, &[b"a\0"], 1)
        .unwrap();
    assert_eq!(
        client.begin(Operation::Read, Scope::Free, &[b"b\0"], 2),
        Err(BeginError::Busy(2))
    );
    let long = [0u8; 4097];
    assert_eq!(
        client.begin(Operation::Read, Scope::Free, &[&long], 2),
        Err(BeginError::TooLong(2))
    );
    assert_eq!(client.abandon(id), Some(1));
    let seen = receive(&mut client, &message(Operation::Read, id.raw(), b"x"), 99).unwrap();
    assert_eq!(seen, ["Late { begun: None }"]);
    assert_eq!(client.counters().late_replies, 1);
}

#[test]
fn a_lost_stream_stays_lost_until_reset() {
    let mut client = Client::<u32, 2>::new();
    client
        .begin(Operation::Read, Scope::Free, &[b"a\0"], 1)
        .unwrap();
    let bad = Header {
        kind: 2,
        req_id: 1,
        tx_id: 0,
        len: 9999,
    };
    assert_eq!(
        receive(&mut client, bad.as_bytes(), 16),
        Err(WireError::PayloadTooLong)
    );
    assert_eq!(
        receive(&mut client, b"more", 16),
        Err(WireError::PayloadTooLong)
    );
    let mut ended = vec![];
    client.reset(|w| ended.push(w));
    assert_eq!(ended, [1]);
    let (id, _) = client
        .begin(Operation::Read, Scope::Free, &[b"a\0"], 7)
        .unwrap();
    assert_eq!(
        receive(&mut client, &message(Operation::Read, id.raw(), b""), 3)
            .unwrap()
            .len(),
        1
    );
}

proptest! {
    /// Any permutation of the replies reaches the right waiters with the right payloads.
    #[test]
    fn replies_in_any_order(
        order in Just((0u32..16).collect::<Vec<_>>()).prop_shuffle(),
        chunk in 1usize..50,
    ) {
        let mut client = Client::<u32, 16>::new();
        let ids: Vec<_> = (0..16)
            .map(|w| client.begin(Operation::Read, Scope::Free, &[b"p\0"], w).unwrap().0)
            .collect();
        let mut stream = vec![];
        for w in &order {
            let payload = format!("value {w}");
            stream.extend(message(Operation::Read, ids[*w as usize].raw(), payload.as_bytes()));
        }
        let seen = receive(&mut client, &stream, chunk).unwrap();
        for (w, seen) in order.iter().zip(&seen) {
            let payload = format!("value {w}");
            prop_assert_eq!(seen, &format!("Reply({w}, Ok({:?}))", payload.as_bytes()));
        }
        prop_assert_eq!(seen.len(), 16);
    }

    /// Noise neither panics nor ends in a reply to the wrong one.
    #[test]
    fn noise(stream in prop::collection::vec(any::<u8>(), 0..600), chunk in 1usize..64) {
        let mut client = Client::<u32, 3>::new();
        client.begin(Operation::Read, Scope::Free, &[b"p\0"], 1).unwrap();
        let _ = receive(&mut client, &stream, chunk);
    }
}

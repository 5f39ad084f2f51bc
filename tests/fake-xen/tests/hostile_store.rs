// SPDX-License-Identifier: GPL-2.0-only
//! The store's client against a server that lies: an error, a counter or an honest answer, never a panic, never
//! another request's answer, never memory without a bound.
use std::sync::atomic::Ordering::SeqCst;

use fake_xen::{Manners, StoreClient, StoreFailure, Xenstored};
use proptest::prelude::*;
use ring::{RingViolation, SharedMemory};
use xen_sys::xenstore::{interface, MessageType as Op, PAYLOAD_MAX};
use xenbus::client::Refused;
use xenbus::errors::StoreError;
use xenbus::watch::Event;
use xenbus::wire::WireError;

fn store() -> (SharedMemory, Xenstored, StoreClient) {
    let page = SharedMemory::zeroed(4096);
    let mut server = Xenstored::new(&page).unwrap();
    for n in 0..16 {
        server.write(format!("/{n}").as_bytes(), format!("value {n}").as_bytes());
    }
    let client = StoreClient::new(&page).unwrap();
    (page, server, client)
}

fn read(
    client: &mut StoreClient,
    server: &mut Xenstored,
    n: u32,
) -> Option<Result<Vec<u8>, Refused>> {
    let path = format!("/{n}\0");
    match client.request(server, Op::Read, 0, &[path.as_bytes()]) {
        Ok(answer) => Some(answer),
        Err(StoreFailure::Silence) => None,
        Err(lost) => panic!("{lost:?}"),
    }
}

fn value(n: u32) -> Option<Result<Vec<u8>, Refused>> {
    Some(Ok(format!("value {n}").into_bytes()))
}

#[test]
fn a_reply_to_nobody_reaches_nobody() {
    for id in [0, 1, 2, 77, u32::MAX] {
        let (_page, mut server, mut client) = store();
        server.behave([Manners::WrongId(id)]);
        assert_eq!(read(&mut client, &mut server, 1), None, "id {id}");
        assert_eq!(client.counters().bad_replies, 1);
        assert_eq!(read(&mut client, &mut server, 2), value(2));
    }
}

#[test]
fn a_second_reply_is_ignored() {
    let (_page, mut server, mut client) = store();
    server.behave([Manners::Twice]);
    assert_eq!(read(&mut client, &mut server, 1), value(1));
    assert_eq!(read(&mut client, &mut server, 2), value(2));
    assert_eq!(client.counters().bad_replies, 1);
}

/// The old reply comes when a new request is in flight, perhaps in the same place of the table.
#[test]
fn an_old_reply_is_not_the_new_one() {
    let (_page, mut server, mut client) = store();
    for n in 0..15 {
        server.behave([Manners::Echoed]);
        assert_eq!(read(&mut client, &mut server, n), value(n));
    }
    assert_eq!(client.counters().bad_replies, 14);
}

#[test]
fn a_reply_of_another_type_is_an_error() {
    let (_page, mut server, mut client) = store();
    server.behave([Manners::WrongType(Op::Write.number())]);
    assert_eq!(
        read(&mut client, &mut server, 1),
        Some(Err(Refused::Protocol))
    );
    assert_eq!(read(&mut client, &mut server, 2), value(2));
}

#[test]
fn an_error_without_its_end_is_an_error() {
    let (_page, mut server, mut client) = store();
    server.behave([Manners::BareError]);
    let refused = Some(Err(Refused::Store(StoreError::NotFound)));
    assert_eq!(read(&mut client, &mut server, 1), refused);
}

#[test]
fn replies_may_come_in_any_order() {
    let (_page, mut server, mut client) = store();
    server.behave([
        Manners::Late,
        Manners::Honest,
        Manners::Late,
        Manners::Late,
        Manners::Honest,
    ]);
    let numbers: Vec<_> = (0..5)
        .map(|n| {
            let path = format!("/{n}\0");
            client.begin(Op::Read, 0, &[path.as_bytes()]).unwrap().0
        })
        .collect();
    client.settle(&mut server).unwrap();
    for (n, number) in numbers.into_iter().enumerate() {
        assert_eq!(client.answer(number), value(n as u32));
    }
}

#[test]
fn a_reply_after_its_time_is_ignored() {
    let (_page, mut server, mut client) = store();
    server.behave([Manners::Late]);
    let (number, id) = client.begin(Op::Read, 0, &[b"/1\0"]).unwrap();
    client.settle(&mut server).unwrap();
    assert!(client.abandon(id));
    assert!(!client.abandon(id));
    assert_eq!(read(&mut client, &mut server, 2), value(2));
    client.settle(&mut server).unwrap();
    assert_eq!(client.answer(number), None);
    assert_eq!(client.counters().late_replies, 1);
}

/// A slow store: whoever wanted the transaction has given up when it begins.
#[test]
fn a_transaction_that_begins_too_late_is_ended() {
    let (_page, mut server, mut client) = store();
    for round in 1..=20 {
        server.behave([Manners::Late]);
        let (_, id) = client.begin(Op::TransactionStart, 0, &[b"\0"]).unwrap();
        client.settle(&mut server).unwrap();
        assert!(client.abandon(id));
        assert_eq!(read(&mut client, &mut server, 2), value(2));
        client.settle(&mut server).unwrap();
        assert_eq!(server.open_transactions(), 0, "after {round} rounds");
    }
}

#[test]
fn a_length_beyond_the_protocol_ends_the_stream() {
    for length in [PAYLOAD_MAX as u32 + 1, 1 << 20, u32::MAX] {
        let (_page, mut server, mut client) = store();
        server.behave([Manners::WrongLength(length)]);
        let lost = client.request(&mut server, Op::Read, 0, &[b"/1\0"]);
        let expected = Err(StoreFailure::Wire(WireError::PayloadTooLong));
        assert_eq!(lost, expected);
        let lost = client.request(&mut server, Op::Read, 0, &[b"/1\0"]);
        assert_eq!(lost, expected, "and it stays so");
    }
}

#[test]
fn an_unknown_type_ends_the_stream() {
    let (_page, mut server, mut client) = store();
    server.behave([Manners::WrongType(0xdead)]);
    let lost = client.request(&mut server, Op::Read, 0, &[b"/1\0"]);
    assert_eq!(
        lost,
        Err(StoreFailure::Wire(WireError::UnknownType(0xdead)))
    );
}

#[test]
fn runaway_indices_end_the_stream() {
    for index in [interface::RSP_PROD, interface::REQ_CONS] {
        for value in [0x8000_0000u32, 5000, u32::MAX - 2000] {
            let (page, mut server, mut client) = store();
            assert_eq!(read(&mut client, &mut server, 1), self::value(1));
            page.atomic_u32(index).unwrap().store(value, SeqCst);
            let lost = client.request(&mut server, Op::Read, 0, &[b"/1\0"]);
            assert!(
                matches!(
                    lost,
                    Err(StoreFailure::Ring(RingViolation::ByteIndices { .. }))
                ),
                "{lost:?}"
            );
        }
    }
}

#[test]
fn a_flood_of_events_takes_no_memory() {
    let (_page, mut server, mut client) = store();
    let token = client.watch(&mut server, b"/w").unwrap();
    client.settle(&mut server).unwrap();
    while client.event(token).is_some() {}
    for n in 0..5000 {
        server.write(format!("/w/{n}").as_bytes(), b"");
    }
    client.settle(&mut server).unwrap();
    assert_eq!(client.event(token), Some(Event::Rescan));
    assert_eq!(client.event(token), None);
    server.spurious_events(1000);
    client.settle(&mut server).unwrap();
    assert_eq!(client.event(token), Some(Event::Changed(b"/w".to_vec())));
    assert_eq!(client.event(token), None);
}

fn manners() -> impl Strategy<Value = Manners> {
    prop_oneof![
        6 => Just(Manners::Honest),
        1 => any::<u32>().prop_map(Manners::WrongId),
        1 => (0..600u32).prop_map(Manners::WrongId),
        1 => (0..30u32).prop_map(Manners::WrongType),
        1 => (0..5000u32).prop_map(Manners::WrongLength),
        1 => Just(Manners::Twice),
        2 => Just(Manners::Echoed),
        1 => Just(Manners::Withheld),
        1 => Just(Manners::Late),
        1 => Just(Manners::BareError),
    ]
}

proptest! {
    /// Whatever comes: each request has at most one answer (the client checks that). As long as no reply lies about
    /// its length or names another request that is in flight (which only the server could know), an answer that is a
    /// value is the right one.
    #[test]
    fn no_answer_is_somebody_elses(
        manners in prop::collection::vec(manners(), 0..30),
        chunk in 1usize..200,
    ) {
        let (_page, mut server, mut client) = store();
        let lies = manners
            .iter()
            .any(|m| matches!(m, Manners::WrongLength(_) | Manners::WrongId(_)));
        server.set_chunk(chunk);
        server.behave(manners);
        for round in 0..4u32 {
            let mut asked = Vec::new();
            for n in 0..4u32 {
                let path = format!("/{}\0", (round + n) % 16);
                if let Ok((number, id)) = client.begin(Op::Read, 0, &[path.as_bytes()]) {
                    asked.push(((round + n) % 16, number, id));
                }
            }
            if client.settle(&mut server).is_err() {
                return Ok(());
            }
            for (n, number, id) in asked {
                match client.answer(number) {
                    Some(Ok(got)) if !lies => {
                        prop_assert_eq!(Some(Ok(got)), value(n));
                    }
                    Some(_) => {}
                    None => prop_assert!(client.abandon(id)),
                }
            }
        }
    }

    /// Bytes that are no conversation at all.
    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..6000), chunk in 1usize..2000) {
        let (_page, mut server, mut client) = store();
        server.set_chunk(chunk);
        server.blurt(&bytes);
        let _ = client.settle(&mut server);
        let _ = client.request(&mut server, Op::Read, 0, &[b"/1\0"]);
    }

    /// Noise with sound headers: types, ids and lengths of the protocol, payloads of anything.
    #[test]
    fn well_formed_noise(messages in prop::collection::vec(
        (0..24u32, 0..1024u32, prop::collection::vec(any::<u8>(), 0..60)), 0..60,
    )) {
        let (_page, mut server, mut client) = store();
        let token = client.watch(&mut server, b"/w").unwrap();
        for (kind, id, payload) in messages {
            let mut bytes = Vec::new();
            for word in [kind, id, 0, payload.len() as u32] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
            bytes.extend_from_slice(&payload);
            server.blurt(&bytes);
        }
        let _ = client.settle(&mut server);
        while client.event(token).is_some() {}
    }
}

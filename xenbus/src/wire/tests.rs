// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use std::{vec, vec::Vec};
use zerocopy::IntoBytes;

const KINDS: [u32; 6] = [1, 2, 11, 15, 16, 22];

/// Feeds `stream` in pieces of the given sizes and collects what comes out.
fn parse(
    parser: &mut Parser,
    stream: &[u8],
    sizes: &[usize],
) -> Result<Vec<(Header, Vec<u8>)>, WireError> {
    let mut messages = vec![];
    let mut rest = stream;
    let mut sizes = sizes.iter().copied().cycle();
    loop {
        if let Some(message) = parser.message() {
            messages.push((message.header, message.payload.to_vec()));
            parser.next_message();
            continue;
        }
        if rest.is_empty() {
            return Ok(messages);
        }
        let wanted = parser.wanted()?;
        let count = wanted.len().min(sizes.next().unwrap()).min(rest.len());
        wanted[..count].copy_from_slice(&rest[..count]);
        parser.advance(count)?;
        rest = &rest[count..];
    }
}

fn message(kind: u32, req_id: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    let mut bytes = Header {
        kind,
        req_id,
        tx_id: 3,
        len,
    }
    .as_bytes()
    .to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_request_longer_than_the_protocol_is_refused() {
    let half = [0u8; PAYLOAD_MAX / 2];
    assert_eq!(
        request(Operation::Write, 1, 0, &[&half, &half])
            .unwrap()
            .len,
        4096
    );
    let refused = request(Operation::Write, 1, 0, &[&half, &half, b"x"]);
    assert_eq!(refused, Err(WireError::PayloadTooLong));
}

#[test]
fn hostile_headers_end_the_stream() {
    for (kind, len, error) in [
        (2u32, 4097u32, WireError::PayloadTooLong),
        (2, u32::MAX, WireError::PayloadTooLong),
        (20, 0, WireError::UnknownType(20)),
        (0xffff, 4, WireError::UnknownType(0xffff)),
        (u32::MAX, 16, WireError::UnknownType(u32::MAX)),
        (u32::MAX, u32::MAX, WireError::PayloadTooLong),
    ] {
        let mut parser = Parser::new();
        let header = Header {
            kind,
            req_id: 1,
            tx_id: 0,
            len,
        };
        assert_eq!(parse(&mut parser, header.as_bytes(), &[5]), Err(error));
        assert_eq!(parser.wanted().unwrap_err(), error);
        assert_eq!(parser.advance(1), Err(error));
        assert!(parser.message().is_none() && !parser.is_between_messages());
        parser.reset();
        assert!(parser.is_between_messages());
        assert_eq!(
            parse(&mut parser, &message(2, 9, b"ok"), &[64])
                .unwrap()
                .len(),
            1
        );
    }
}

#[test]
fn longest_and_empty_payloads() {
    let mut stream = message(2, 1, &[7; PAYLOAD_MAX]);
    stream.extend(message(12, 2, b""));
    let messages = parse(&mut Parser::new(), &stream, &[1000]).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].1.len(), PAYLOAD_MAX);
    assert!(messages[1].1.is_empty());
}

#[test]
fn counts_beyond_what_was_wanted_do_no_harm() {
    let mut parser = Parser::new();
    parser
        .wanted()
        .unwrap()
        .copy_from_slice(&message(2, 1, b"")[..]);
    parser.advance(usize::MAX).unwrap();
    assert!(parser.message().is_some());
    assert!(parser.wanted().unwrap().is_empty());
    parser.advance(usize::MAX).unwrap();
    assert!(parser.message().is_some());
}

proptest! {
    #[test]
    fn headers_round_trip(kind: u32, req_id: u32, tx_id: u32, len: u32) {
        let header = Header { kind, req_id, tx_id, len };
        prop_assert_eq!(Header::read_from_bytes(header.as_bytes()), Ok(header));
        let words = [kind, req_id, tx_id, len].map(u32::to_le_bytes).concat();
        prop_assert_eq!(header.as_bytes(), &words[..]);
    }

    /// However the stream is chopped up, the messages are those that went in.
    #[test]
    fn chopping_changes_nothing(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..12),
        sizes in prop::collection::vec(1usize..40, 1..8),
    ) {
        let mut stream = vec![];
        for (i, payload) in payloads.iter().enumerate() {
            stream.extend(message(KINDS[i % KINDS.len()], i as u32, payload));
        }
        let mut parser = Parser::new();
        let messages = parse(&mut parser, &stream, &sizes).unwrap();
        prop_assert_eq!(messages.len(), payloads.len());
        for (i, (header, payload)) in messages.iter().enumerate() {
            prop_assert_eq!(header.req_id, i as u32);
            prop_assert_eq!(payload, &payloads[i]);
        }
        prop_assert!(parser.is_between_messages());
    }

    /// No bytes make the parser panic, and it never wants more than a message.
    #[test]
    fn noise(stream in prop::collection::vec(any::<u8>(), 0..2000), sizes in prop::collection::vec(1usize..99, 1..4)) {
        let _ = parse(&mut Parser::new(), &stream, &sizes);
    }
}

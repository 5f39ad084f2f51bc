// SPDX-License-Identifier: GPL-2.0-only
//! Xenstore's codec.
use xenbus::text::strings;
use xenbus::wire::{request, Operation, Parser, HEADER_LEN};
use zerocopy::IntoBytes;

use crate::c::{store_encode_rounds, store_split_rounds, CReader, MESSAGE_MAX};
use crate::Case;

/// Puts a request into `buffer`; says how long it is, 0 if it would be too long.
#[inline(never)]
pub fn encode(
    buffer: &mut [u8; MESSAGE_MAX],
    op: Operation,
    req_id: u32,
    tx_id: u32,
    parts: &[&[u8]],
) -> usize {
    let Ok(header) = request(op, req_id, tx_id, parts) else {
        return 0;
    };
    let (head, mut rest) = buffer.split_at_mut(HEADER_LEN);
    head.copy_from_slice(header.as_bytes());
    for part in parts {
        let Some((to, after)) = std::mem::take(&mut rest).split_at_mut_checked(part.len()) else {
            return 0;
        };
        to.copy_from_slice(part);
        rest = after;
    }
    MESSAGE_MAX.wrapping_sub(rest.len())
}

/// Moves bytes from `stream` to the parser until a message is complete or no byte is left; false if the stream is lost.
#[inline(never)]
pub fn read(parser: &mut Parser, stream: &mut &[u8]) -> bool {
    loop {
        let Ok(wanted) = parser.wanted() else {
            return false;
        };
        let count = wanted.len().min(stream.len());
        if count == 0 {
            return true;
        }
        let (now, rest) = stream.split_at(count);
        wanted[..count].copy_from_slice(now);
        *stream = rest;
        if parser.advance(count).is_err() {
            return false;
        }
    }
}

/// Walks a list of strings.
#[inline(never)]
pub fn split(payload: &[u8]) -> u64 {
    let add = |sum: u64, string: &[u8]| {
        let first = string.first().copied().unwrap_or(0);
        sum.wrapping_mul(31)
            .wrapping_add(string.len() as u64)
            .wrapping_add(first.into())
    };
    strings(payload).fold(0, add)
}

fn encode_rounds(
    buffer: &mut [u8; MESSAGE_MAX],
    op: Operation,
    parts: &[&[u8]],
    rounds: u64,
) -> u64 {
    let mut sum = 0u64;
    for round in (0..rounds).rev() {
        sum = sum.wrapping_add(encode(buffer, op, round as u32, 0, parts) as u64);
    }
    sum
}

fn read_rounds(parser: &mut Parser, message: &[u8], rounds: u64) -> u64 {
    let mut sum = 0u64;
    for _ in 0..rounds {
        let mut stream = message;
        let complete = read(parser, &mut stream);
        let Some(message) = parser.message().filter(|_| complete) else {
            return u64::MAX;
        };
        let header = message.header;
        sum = sum
            .wrapping_add(header.req_id.wrapping_add(header.kind).into())
            .wrapping_add(header.len.into())
            .wrapping_add(message.payload.first().copied().unwrap_or(0).into());
        parser.next_message();
    }
    sum
}

fn split_rounds(payload: &[u8], rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, _| {
        sum.wrapping_add(split(std::hint::black_box(payload)))
    })
}

/// Writing a node: what a frontend does some twenty times when it connects.
pub const WRITE: [&[u8]; 2] = [b"device/vbd/51712/ring-ref\0", b"1027"];

/// A directory of 32 names.
pub fn names() -> Vec<u8> {
    (0..32)
        .flat_map(|n| {
            format!("feature-{}-{n}\0", "abcdefgh".get(..n % 8).unwrap_or("")).into_bytes()
        })
        .collect()
}

/// The answer to a read.
pub fn reply() -> Vec<u8> {
    let mut buffer = [0; MESSAGE_MAX];
    let len = encode(&mut buffer, Operation::Read, 7, 0, &[b"20971520"]);
    buffer[..len].to_vec()
}

pub(crate) fn cases() -> Vec<Case> {
    let (mut ours, mut theirs) = (Box::new([0; MESSAGE_MAX]), Box::new([0; MESSAGE_MAX]));
    let encode = Case {
        name: "xenstore, encode a write",
        items: 1,
        rust: Box::new(move |rounds| encode_rounds(&mut ours, Operation::Write, &WRITE, rounds)),
        c: Box::new(move |rounds| {
            store_encode_rounds(&mut theirs, Operation::Write.number(), &WRITE, rounds)
        }),
    };
    let (mut parser, mut reader) = (Box::new(Parser::new()), Box::new(CReader::new()));
    let read = Case {
        name: "xenstore, read a reply",
        items: 1,
        rust: Box::new(move |rounds| read_rounds(&mut parser, &reply(), rounds)),
        c: Box::new(move |rounds| reader.rounds(&reply(), rounds)),
    };
    let split = Case {
        name: "xenstore, split 32 names",
        items: 32,
        rust: Box::new(|rounds| split_rounds(&names(), rounds)),
        c: Box::new(|rounds| store_split_rounds(&names(), rounds)),
    };
    vec![encode, read, split]
}

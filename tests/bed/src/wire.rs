// SPDX-License-Identifier: GPL-2.0-only
//! The frames spoken with the agent (`agent/agent.h`) in dom0 and, through it, in the guest.

use std::collections::VecDeque;

const MAGIC: u16 = 0x5842;
const HEAD: usize = 12;
const LIMIT: usize = 65536;

/// What a frame is; the numbers are those of `enum frame_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Run a command.
    Run = 1,
    /// Write (a part of) a file.
    Put = 2,
    /// Input for a job.
    Stdin = 3,
    /// A rendezvous mark came from the other side.
    Mark = 4,
    /// Kill a job and its children.
    Kill = 5,
    /// dom0: map the guest's shared memory.
    Attach = 6,
    /// Bytes of the guest agent's own stream.
    Guest = 8,
    /// Asks for a [`Kind::Pong`].
    Ping = 9,
    /// A job's output.
    Output = 17,
    /// A job's exit status.
    Exit = 18,
    /// A script sent a mark.
    Sent = 19,
    /// Answers a [`Kind::Ping`].
    Pong = 20,
    /// The agent has started.
    Hello = 21,
    /// Something went wrong; text.
    Error = 22,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: Kind,
    /// The job it belongs to, or 0.
    pub job: u32,
    /// Its content.
    pub data: Vec<u8>,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        use Kind::*;
        [
            Run, Put, Stdin, Mark, Kill, Attach, Guest, Ping, Output, Exit, Sent, Pong, Hello,
            Error,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// The bytes of a frame. Content past 64 KiB must be split by the caller.
pub fn encode(kind: Kind, job: u32, data: &[u8]) -> Vec<u8> {
    debug_assert!(data.len() <= LIMIT);
    let mut bytes = Vec::with_capacity(HEAD + data.len());
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
    bytes.extend_from_slice(&[kind as u8, 0]);
    bytes.extend_from_slice(&job.to_le_bytes());
    bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The frames that write a file of any size.
pub fn encode_put(path: &str, content: &[u8], executable: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut start = true;
    let mut chunks = content.chunks(LIMIT / 2);
    while let Some(chunk) = chunks.next().or(if start { Some(&[][..]) } else { None }) {
        let mut data = vec![u8::from(start) | u8::from(executable) << 1];
        data.extend_from_slice(&(path.len() as u16).to_le_bytes());
        data.extend_from_slice(path.as_bytes());
        data.extend_from_slice(chunk);
        bytes.extend(encode(Kind::Put, 0, &data));
        start = false;
    }
    bytes
}

/// Cuts a byte stream into frames. Bytes that begin no frame are skipped.
#[derive(Default)]
pub struct Decoder {
    bytes: VecDeque<u8>,
}

impl Decoder {
    /// Adds bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Takes the next complete frame.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let bytes = self.bytes.make_contiguous();
            let head: [u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
            let [m0, m1, kind, zero, j0, j1, j2, j3, l0, l1, l2, l3] = head;
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            let (true, Some(kind)) = (
                u16::from_le_bytes([m0, m1]) == MAGIC && zero == 0 && length <= LIMIT,
                Kind::from_byte(kind),
            ) else {
                self.bytes.pop_front();
                continue;
            };
            let data = bytes.get(HEAD..HEAD + length)?.to_vec();
            self.bytes.drain(..HEAD + length);
            return Some(Frame {
                kind,
                job: u32::from_le_bytes([j0, j1, j2, j3]),
                data,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_all(decoder: &mut Decoder) -> Vec<Frame> {
        std::iter::from_fn(|| decoder.next_frame()).collect()
    }

    #[test]
    fn frames_survive_any_cut() {
        let frames = [
            (Kind::Output, 1, &b"hello"[..]),
            (Kind::Exit, 1, &[0; 4]),
            (Kind::Pong, 9, &[]),
        ];
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, job, data)| encode(*kind, *job, data))
            .collect();
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.feed(part);
                got.extend(decode_all(&mut decoder));
            }
            let want: Vec<Frame> = frames
                .iter()
                .map(|(kind, job, data)| Frame {
                    kind: *kind,
                    job: *job,
                    data: data.to_vec(),
                })
                .collect();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn noise_before_a_frame_is_skipped() {
        let mut decoder = Decoder::default();
        decoder.feed(b"BXnoise\x42\x58\xff\0");
        decoder.feed(&[0; 8]);
        decoder.feed(&encode(Kind::Hello, 0, b""));
        assert_eq!(
            decode_all(&mut decoder).last().map(|frame| frame.kind),
            Some(Kind::Hello)
        );
    }

    #[test]
    fn a_file_is_split_and_flagged() {
        let content = vec![7; LIMIT + 1];
        let mut decoder = Decoder::default();
        decoder.feed(&encode_put("/a", &content, true));
        let frames = decode_all(&mut decoder);
        assert_eq!(
            frames.iter().map(|frame| frame.data[0]).collect::<Vec<_>>(),
            [3, 2, 2]
        );
        let joined: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.data[5..].to_vec())
            .collect();
        assert_eq!(joined, content);
        decoder.feed(&encode_put("/empty", b"", false));
        assert_eq!(decode_all(&mut decoder).len(), 1);
    }
}

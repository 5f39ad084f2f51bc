// SPDX-License-Identifier: GPL-2.0-only
//! Both sides of a ring on two CPUs, asleep whenever there is nothing to do: everything arrives, whole and once, and
//! nobody sleeps for ever. A lost wake-up shows as a time-out.
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::Duration;

use ring::{BackRing, ByteConsumer, ByteProducer, FrontRing, SharedMemory, XenstoreRing};

type Req = [u64; 14];
type Rsp = [u64; 2];

/// How much goes through; less where each step is interpreted.
const COUNT: u64 = if cfg!(miri) { 60 } else { 200_000 };

/// An event channel from one side to the other.
struct Port {
    to: Sender<()>,
    from: Receiver<()>,
}

impl Port {
    fn pair() -> (Self, Self) {
        let (to_back, from_front) = channel();
        let (to_front, from_back) = channel();
        let front = Self {
            to: to_back,
            from: from_back,
        };
        let back = Self {
            to: to_front,
            from: from_front,
        };
        (front, back)
    }

    /// Tells the other side, unless it has gone.
    fn notify(&self, needed: bool) {
        if needed {
            let _ = self.to.send(());
        }
    }

    /// Sleeps until told, or until the other side has gone.
    fn wait(&self) {
        let told = self.from.recv_timeout(Duration::from_secs(20));
        let lost = matches!(told, Err(std::sync::mpsc::RecvTimeoutError::Timeout));
        assert!(!lost, "a wake-up was lost");
    }
}

fn request(n: u64) -> Req {
    core::array::from_fn(|i| n.wrapping_mul(i as u64 + 1))
}

fn serve(mut back: BackRing<Req, Rsp>, port: &Port) {
    let mut served = 0;
    while served < COUNT {
        while let Some(got) = back.next_request().unwrap() {
            assert_eq!(got, request(got[0]), "a torn request");
            back.push_response(&[got[0], !got[0]]).unwrap();
            served += 1;
        }
        port.notify(back.push_responses_and_check_notify().is_needed());
        if served < COUNT && !back.final_check_for_requests().unwrap() {
            port.wait();
        }
    }
}

#[test]
fn requests_and_responses() {
    let memory = SharedMemory::zeroed(4096);
    let mut front = FrontRing::<Req, Rsp>::starting_at(&memory, u32::MAX - 30).unwrap();
    let back = BackRing::attach(&memory).unwrap();
    let (port, back_port) = Port::pair();
    let server = thread::spawn(move || serve(back, &back_port));
    let (mut sent, mut seen) = (0u64, 0u64);
    while seen < COUNT {
        while sent < COUNT && front.push_request(&request(sent)).is_ok() {
            sent += 1;
        }
        port.notify(front.push_requests_and_check_notify().is_needed());
        while let Some(got) = front.next_response().unwrap() {
            assert_eq!(got, [seen, !seen], "torn, lost, doubled or out of order");
            seen += 1;
        }
        let can_send = sent < COUNT && front.free_requests() != 0;
        if seen < COUNT && !can_send && !front.final_check_for_responses().unwrap() {
            port.wait();
        }
    }
    server.join().unwrap();
}

/// Reads the whole stream, asleep when it is empty.
fn drain(mut consumer: ByteConsumer, port: &Port, total: usize) {
    let mut bytes = [0; 300];
    let mut seen = 0;
    while seen < total {
        let moved = consumer.read(&mut bytes).unwrap();
        for byte in &bytes[..moved.bytes] {
            assert_eq!(*byte, seen as u8, "byte {seen}");
            seen += 1;
        }
        port.notify(moved.notify.is_needed());
        if moved.bytes == 0 {
            port.wait();
        }
    }
}

#[test]
fn a_stream_of_bytes() {
    let memory = SharedMemory::zeroed(4096);
    let total = if cfg!(miri) { 3000 } else { 2_000_000 };
    let mut producer = ByteProducer::attach(&memory, XenstoreRing::REQUESTS).unwrap();
    let consumer = ByteConsumer::attach(&memory, XenstoreRing::REQUESTS).unwrap();
    let (port, back_port) = Port::pair();
    let reader = thread::spawn(move || drain(consumer, &back_port, total));
    let all: Vec<u8> = (0..total).map(|n| n as u8).collect();
    let mut rest = &all[..];
    while !rest.is_empty() {
        let moved = producer.write(&rest[..rest.len().min(700)]).unwrap();
        port.notify(moved.notify.is_needed());
        rest = &rest[moved.bytes..];
        if moved.bytes == 0 {
            port.wait();
        }
    }
    reader.join().unwrap();
}

// SPDX-License-Identifier: GPL-2.0-only
//! The network frontend's core against an honest backend, grants and events included.
mod common;

use std::num::NonZeroU16;
use std::sync::Arc;

use common::net::{Frame, Nic};
use event_channel::PortIndex;
use fake_xen::{FakeXen, Grants, Netback};
use proptest::prelude::*;
use vnif_core::gso::{Gso, Kind};
use vnif_core::rx::Checksum;
use vnif_core::NotPushed;
use xen_sys::netif::{RxFlags, TxFlags, GSO_TYPE_TCPV4, GSO_TYPE_TCPV6};

fn machine() -> (Arc<FakeXen>, Arc<Grants>) {
    let xen = FakeXen::new(1, 1000);
    let grants = Grants::new(&xen, 3).unwrap();
    (xen, grants)
}

fn pair(xen: &Arc<FakeXen>, grants: &Arc<Grants>) -> (Nic, Netback) {
    let front = Nic::new(xen, grants);
    let back = Netback::connect(xen, front.tx_ref(), front.rx_ref(), front.port).unwrap();
    (front, back)
}

fn packet(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + seed * 13) as u8).collect()
}

#[track_caller]
fn assert_clean(xen: &Arc<FakeXen>, grants: &Arc<Grants>) {
    xen.assert_sound();
    assert_eq!(grants.counters().in_use, 0);
    assert_eq!(grants.counters().deferred, 0);
    assert_eq!(xen.guest_pages(), 0);
    assert_eq!(xen.open_ports(), 0);
}

#[test]
fn packets_of_every_shape_arrive() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants);
    for (n, len) in [14, 60, 256, 257, 1514, 4096, 4097, 9000, 65535]
        .into_iter()
        .enumerate()
    {
        let data = packet(n, len);
        front.send(&data, TxFlags::CSUM_BLANK).unwrap();
        front.show().unwrap();
        let packets = back.take_packets().unwrap();
        assert_eq!(packets.len(), 1, "{len} bytes");
        assert!(packets[0].data == data, "{len} bytes");
        assert_eq!(packets[0].flags, TxFlags::CSUM_BLANK);
        assert_eq!(front.reap(), Ok(0));
        assert_eq!(front.answered, front.pushed);
    }
    drop((front, back));
    grants.tick(1);
    assert_clean(&xen, &grants);
}

#[test]
fn packets_to_be_cut_say_how() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants);
    for (kind, code) in [(Kind::TcpV4, GSO_TYPE_TCPV4), (Kind::TcpV6, GSO_TYPE_TCPV6)] {
        for (len, slots) in [(200, 2), (65535, 17)] {
            let size = NonZeroU16::new(1448).unwrap();
            front.gso = Some(Gso { kind, size });
            let data = packet(1, len);
            front.send(&data, TxFlags::CSUM_BLANK).unwrap();
            front.show().unwrap();
            let packets = back.take_packets().unwrap();
            assert!(packets[0].data == data, "{len} bytes");
            assert_eq!(packets[0].slots, slots, "{len} bytes");
            let said = packets[0].gso.unwrap();
            assert_eq!((said.kind, said.size, said.features), (code, 1448, 0));
            assert_eq!(front.reap(), Ok(0));
            assert_eq!(front.tx.in_flight(), 0);
        }
    }
    drop((front, back));
    grants.tick(1);
    assert_clean(&xen, &grants);
}

#[test]
fn what_no_backend_must_take_is_refused() {
    let (xen, grants) = machine();
    let (mut front, _back) = pair(&xen, &grants);
    let flags = TxFlags::empty();
    assert_eq!(front.send(&[0; 13], flags), Err(NotPushed));
    assert_eq!(front.send(&packet(0, 65536), flags), Err(NotPushed));
    assert_eq!(front.pushed, 0);
}

#[test]
fn a_batch_fills_the_ring() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants);
    let mut sent = Vec::new();
    for round in 0..3 {
        while front.tx.has_room() {
            let data = packet(sent.len(), 60 + sent.len() % 1400);
            front.send(&data, TxFlags::empty()).unwrap();
            sent.push(data);
        }
        front.show().unwrap();
        assert!(back.was_notified(), "round {round}");
        for packet in back.take_packets().unwrap() {
            assert!(packet.data == sent.remove(0));
        }
        assert!(sent.is_empty());
        front.reap().unwrap();
        assert!(front.tx.may_wake());
    }
}

#[test]
fn frames_of_every_shape_are_received() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants);
    let shapes = [
        (14, 4096, 0, RxFlags::empty(), Checksum::Unknown),
        (1514, 4096, 2, RxFlags::DATA_VALIDATED, Checksum::Validated),
        (1514, 100, 2, RxFlags::empty(), Checksum::Unknown),
        (
            9000,
            4000,
            96,
            RxFlags::CSUM_BLANK | RxFlags::DATA_VALIDATED,
            Checksum::Blank,
        ),
        (65535, 4096, 0, RxFlags::empty(), Checksum::Unknown),
    ];
    for (n, (len, piece, offset, flags, checksum)) in shapes.into_iter().enumerate() {
        front.post(256);
        front.show().unwrap();
        let data = packet(n, len);
        assert!(back.deliver(&data, flags, piece, offset));
        let mut frames = Vec::new();
        assert_eq!(front.receive(&mut frames), Ok(0));
        let gso = None;
        assert!(
            frames
                == [Frame {
                    data,
                    checksum,
                    gso
                }],
            "{len} bytes"
        );
    }
    drop((front, back));
    grants.tick(1);
    assert_clean(&xen, &grants);
}

#[test]
fn nothing_is_given_where_nothing_was_posted() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants);
    assert!(!back.deliver(&packet(0, 60), RxFlags::empty(), 4096, 0));
    front.post(2);
    assert!(
        !back.deliver(&packet(0, 60), RxFlags::empty(), 4096, 0),
        "not shown yet"
    );
    front.show().unwrap();
    assert!(
        !back.deliver(&packet(0, 60), RxFlags::empty(), 20, 0),
        "three pages needed"
    );
    assert!(back.deliver(&packet(0, 60), RxFlags::empty(), 30, 0));
}

/// Frames with more pages than one may have are dropped.
#[test]
fn a_frame_in_too_many_pieces() {
    let (xen, grants) = machine();
    let (mut front, mut back) = pair(&xen, &grants);
    front.post(256);
    front.show().unwrap();
    assert!(back.deliver(&packet(1, 60), RxFlags::empty(), 3, 0));
    assert!(back.deliver(&packet(2, 60), RxFlags::empty(), 60, 0));
    let mut frames = Vec::new();
    assert_eq!(front.receive(&mut frames), Ok(1));
    assert_eq!(frames.len(), 1);
    assert!(frames[0].data == packet(2, 60));
}

#[derive(Clone, Debug)]
enum Op {
    Send(usize),
    Show,
    Serve,
    Reap,
    Post(u32),
    Deliver {
        len: usize,
        piece: usize,
        offset: usize,
    },
    Poll,
}

fn op() -> impl Strategy<Value = Op> {
    let len = || prop_oneof![14usize..1600, 14usize..=65535];
    prop_oneof![
        5 => len().prop_map(Op::Send),
        4 => Just(Op::Show),
        3 => Just(Op::Serve),
        3 => Just(Op::Reap),
        2 => (0u32..300).prop_map(Op::Post),
        5 => (len(), 500usize..=3000, 0usize..1096)
            .prop_map(|(len, piece, offset)| Op::Deliver { len, piece, offset }),
        3 => Just(Op::Poll),
    ]
}

struct Model {
    front: Nic,
    back: Netback,
    sent: Vec<Vec<u8>>,
    shown: usize,
    delivered: Vec<Vec<u8>>,
    received: Vec<Frame>,
    /// The receive side sleeps: it armed and found nothing.
    asleep: bool,
    count: usize,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        self.count += 1;
        match *op {
            Op::Send(len) => {
                if self.front.tx.has_room() {
                    let data = packet(self.count, len);
                    self.front.send(&data, TxFlags::empty()).unwrap();
                    self.sent.push(data);
                }
            }
            Op::Show => {
                self.front.show().unwrap();
                self.shown = self.sent.len();
            }
            Op::Serve => {
                let packets = self.back.take_packets().unwrap();
                let expected: Vec<_> = self.sent.drain(..self.shown).collect();
                self.shown = 0;
                assert!(packets.iter().map(|packet| &packet.data).eq(&expected));
            }
            Op::Reap => drop(self.front.reap().unwrap()),
            Op::Post(most) => self.front.post(most),
            Op::Deliver { len, piece, offset } => self.deliver(len, piece, offset),
            Op::Poll => {
                loop {
                    let dropped = self.front.receive(&mut self.received).unwrap();
                    assert_eq!(dropped, 0);
                    if !self.front.rx.arm().unwrap() {
                        break;
                    }
                }
                self.asleep = true;
                self.front.xen.evtchn_clear(self.front.port);
            }
        }
    }

    fn deliver(&mut self, len: usize, piece: usize, offset: usize) {
        let data = packet(self.count, len.min(piece * 17));
        if self.back.deliver(&data, RxFlags::empty(), piece, offset) {
            let port = PortIndex::new(self.front.port).unwrap();
            let told = self.front.xen.ports().is_pending(port);
            assert!(told || !self.asleep, "a sleeper was not woken");
            self.asleep = false;
            self.delivered.push(data);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn packets_are_neither_lost_nor_changed(ops in prop::collection::vec(op(), 0..100)) {
        let (xen, grants) = machine();
        let (front, back) = pair(&xen, &grants);
        let mut model = Model {
            front,
            back,
            sent: Vec::new(),
            shown: 0,
            delivered: Vec::new(),
            received: Vec::new(),
            asleep: false,
            count: 0,
        };
        for op in ops.iter().chain(&[Op::Show, Op::Serve, Op::Reap, Op::Poll]) {
            model.apply(op);
        }
        prop_assert_eq!(model.front.answered, model.front.pushed);
        let received = model.received.iter().map(|frame| &frame.data);
        prop_assert!(received.eq(&model.delivered));
        drop(model);
        grants.tick(1);
        assert_clean(&xen, &grants);
    }
}

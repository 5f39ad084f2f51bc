// SPDX-License-Identifier: GPL-2.0-only
//! The queues on real rings against a backend that lies; and the events that the transmit queue asks for.
use super::rings::{Front, Honest, PAGE};
use crate::gso::{Gso, Kind};
use crate::{Received, Violation, RING_SLOTS};
use core::num::NonZeroU16;
use proptest::prelude::*;
use ring::{BackRing, SharedMemory};
use xen_sys::netif::{NetifRxResponse, NetifTxResponse, RxFlags};

/// What a lying backend does.
#[derive(Clone, Debug)]
enum Lie {
    Tx(u16, i16),
    TxAnswerAll,
    Rx(u16, NetifRxResponse),
    TxIndex(u32),
    RxIndex(u32),
    Scribble(u16, u32),
}

fn lie() -> impl Strategy<Value = Lie> {
    let status = prop_oneof![6 => -2i16..=0, 2 => Just(1), 1 => any::<i16>()];
    let response = (
        any::<bool>(),
        prop_oneof![5 => 0u16..100, 1 => any::<u16>()],
        prop_oneof![3 => 0u16..16, 1 => any::<u16>()],
        prop_oneof![5 => 14i16..2000, 1 => any::<i16>()],
    )
        .prop_map(|(right, offset, flags, status)| {
            let id = if right { u16::MAX } else { 3 };
            NetifRxResponse {
                id,
                offset,
                flags: RxFlags::from_bits_retain(flags),
                status,
            }
        });
    prop_oneof![
        6 => (0u16..300, status).prop_map(|(id, status)| Lie::Tx(id, status)),
        2 => Just(Lie::TxAnswerAll),
        12 => (1u16..40, response).prop_map(|(count, response)| Lie::Rx(count, response)),
        1 => any::<u32>().prop_map(Lie::TxIndex),
        1 => any::<u32>().prop_map(Lie::RxIndex),
        2 => (0u16..1024, any::<u32>()).prop_map(|(word, value)| Lie::Scribble(word, value)),
    ]
}

struct Liar {
    front: Front,
    tx: SharedMemory,
    rx: SharedMemory,
    back: Honest,
}

impl Liar {
    fn new() -> Self {
        let (tx, rx) = (SharedMemory::zeroed(PAGE), SharedMemory::zeroed(PAGE));
        let front = Front::new(&tx, &rx);
        let back = Honest {
            tx: BackRing::attach(&tx).unwrap(),
            rx: BackRing::attach(&rx).unwrap(),
        };
        Self {
            front,
            tx,
            rx,
            back,
        }
    }

    fn tell(&mut self, lie: &Lie) {
        match lie {
            Lie::Tx(id, status) => {
                if let Ok(Some(_)) = self.back.tx.next_request() {
                    let _ = self.back.tx.push_response(&NetifTxResponse {
                        id: *id,
                        status: *status,
                    });
                }
            }
            Lie::TxAnswerAll => {
                while let Ok(Some(request)) = self.back.tx.next_request() {
                    let id = request.as_request().id;
                    let _ = self
                        .back
                        .tx
                        .push_response(&NetifTxResponse { id, status: 0 });
                }
            }
            Lie::Rx(count, response) => {
                for _ in 0..*count {
                    let Ok(Some(request)) = self.back.rx.next_request() else {
                        break;
                    };
                    let mut response = *response;
                    if response.id == u16::MAX {
                        response.id = request.id;
                    }
                    let _ = self.back.rx.push_response(&response.into());
                }
            }
            Lie::TxIndex(value) => self.write(&self.tx, 2, *value),
            Lie::RxIndex(value) => self.write(&self.rx, 2, *value),
            Lie::Scribble(word, value) => self.write(&self.rx, usize::from(*word), *value),
        }
        let _ = self.back.tx.push_responses_and_check_notify();
        let _ = self.back.rx.push_responses_and_check_notify();
    }

    fn write(&self, memory: &SharedMemory, word: usize, value: u32) {
        memory
            .u32_at(word * 4)
            .unwrap()
            .store(value, std::sync::atomic::Ordering::Release);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the backend writes: no panic, what a transmit slot keeps ends once, no slot is in a frame while it is
    /// offered, and a violation stays one.
    #[test]
    fn lies_lose_nothing(lies in prop::collection::vec(lie(), 1..60), segments in any::<bool>()) {
        let mut liar = Liar::new();
        let mut broken: (Option<Violation>, Option<Violation>) = (None, None);
        let (mut sent, mut ended) = (0u32, 0u32);
        let size = NonZeroU16::new(500).unwrap();
        let gso = Some(Gso { kind: Kind::TcpV4, size }).filter(|_| segments);
        for lie in &lies {
            liar.front.refill();
            if broken.0.is_none() && liar.front.tx.has_room() {
                let last = liar.front.push(&[1; 5000], gso).unwrap();
                prop_assert!(liar.front.tx.keep(last, 5000).is_ok());
                sent += 1;
                broken.0 = liar.front.tx.show().err();
            }
            liar.tell(lie);
            let reaped = liar.front.tx.reap(|_| ended += 1);
            match (broken.0, reaped) {
                (Some(before), now) => prop_assert_eq!(now, Err(before)),
                (None, now) => broken.0 = now.err(),
            }
            let _ = liar.front.tx.arm(true);
            for _ in 0..=2 * RING_SLOTS {
                let slots = liar.front.rx.receive(|frame| {
                    let within = |end: usize| end <= PAGE;
                    assert!(frame.pieces().iter().all(|piece| within(usize::from(piece.offset) + usize::from(piece.len))));
                    frame.pieces().iter().map(|piece| piece.slot).collect::<std::collections::BTreeSet<_>>().len()
                        == frame.pieces().len()
                });
                match slots {
                    Ok(Received::Nothing) => break,
                    Ok(Received::Dropped(_)) => {}
                    Ok(Received::Frame(distinct)) => prop_assert!(distinct),
                    Err(now) => {
                        prop_assert_eq!(broken.1.unwrap_or(now), now);
                        broken.1 = Some(now);
                        break;
                    }
                }
            }
            if let Some(broken) = broken.1 {
                prop_assert_eq!(liar.front.rx.arm(), Err(broken));
                break;
            }
        }
        let kept = liar.front.tx.let_go().count() as u32;
        prop_assert_eq!(sent, ended + kept);
        prop_assert_eq!(liar.front.tx.let_go().count(), 0);
    }
}

#[test]
fn runaway_indices_are_seen_at_once() {
    for runaway in [257, 1 << 20, u32::MAX] {
        let mut liar = Liar::new();
        liar.front.refill();
        liar.write(&liar.rx, 2, runaway);
        assert!(matches!(
            liar.front.rx.receive(|_| ()),
            Err(Violation::Ring(_))
        ));
        liar.write(&liar.tx, 2, 1);
        assert!(matches!(
            liar.front.tx.reap(|_| ()),
            Err(Violation::Ring(_))
        ));
    }
}

#[test]
fn an_event_comes_when_the_stack_waits_and_only_then() {
    let mut liar = Liar::new();
    let small = |liar: &mut Liar| {
        liar.front.push(&[1; 100], None).unwrap();
        let _ = liar.front.tx.show().unwrap();
    };
    let answer = |liar: &mut Liar| {
        while let Some(request) = liar.back.tx.next_request().unwrap() {
            let id = request.as_request().id;
            liar.back
                .tx
                .push_response(&NetifTxResponse { id, status: 0 })
                .unwrap();
        }
        liar.back.tx.push_responses_and_check_notify().is_needed()
    };
    // The very first response raises the event that every new ring asks for.
    small(&mut liar);
    assert!(answer(&mut liar));
    liar.front.tx.reap(|_| ()).unwrap();
    assert_eq!(liar.front.tx.arm(false), Ok(false));
    for _ in 0..10 {
        small(&mut liar);
        assert!(!answer(&mut liar), "nobody waits for a packet given back");
    }
    liar.front.send(&[1; 1514], None);
    assert!(answer(&mut liar), "the stack waits for its packet");
    liar.front.tx.reap(|_| ()).unwrap();
    assert_eq!(liar.front.tx.arm(false), Ok(false));
    liar.front.send(&[1; 1514], None);
    assert!(answer(&mut liar), "and for the next one");
    liar.front.send(&[1; 1514], None);
    assert_eq!(liar.front.tx.let_go().count(), 2);
    liar.front.tx.reap(|_| ()).unwrap();
    assert_eq!(
        liar.front.tx.arm(false),
        Ok(false),
        "let go, not waited for"
    );
    while liar.front.tx.has_room() {
        small(&mut liar);
    }
    assert_eq!(
        liar.front.tx.arm(true),
        Ok(false),
        "the stack waits for room"
    );
    assert!(answer(&mut liar));
    liar.front.tx.reap(|_| ()).unwrap();
    assert!(liar.front.tx.may_wake());
}

/// A poll that finds the answers there asks for no event; a packet that could not be pushed meanwhile must not make
/// believe that one was asked for.
#[test]
fn an_event_that_is_too_late_is_asked_for_again() {
    let mut liar = Liar::new();
    let answer = |liar: &mut Liar| {
        let request = liar.back.tx.next_request().unwrap().unwrap();
        let id = request.as_request().id;
        let response = NetifTxResponse { id, status: 0 };
        liar.back.tx.push_response(&response).unwrap();
        liar.back.tx.push_responses_and_check_notify().is_needed()
    };
    liar.front.send(&[1; 1514], None);
    assert!(answer(&mut liar));
    assert_eq!(liar.front.tx.arm(false), Ok(true));
    let _ = liar.front.tx.show().unwrap();
    liar.front.send(&[1; 1514], None);
    assert!(answer(&mut liar), "somebody waits");
}

// SPDX-License-Identifier: GPL-2.0-only
//! The queues on real rings against a backend that lies; and the events that the transmit queue asks for.
use super::rings::{Front, Honest, Slot, PAGE};
use crate::gso::{Gso, Kind};
use crate::tx::{Fragment, Headers, Plan, HEAD_MAX};
use crate::{Received, Violation, RING_SLOTS};
use core::num::NonZeroU16;
use proptest::prelude::*;
use ring::{BackRing, SharedMemory};
use std::rc::Rc;
use std::vec::Vec;
use xen_sys::netif::{NetifRxResponse, NetifTxResponse, RxFlags, TxFlags};
use xen_sys::Gfn;

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

    /// Whatever the backend writes: no panic, each transmit slot ends once, no page is lost or used twice, and a violation
    /// stays one.
    #[test]
    fn lies_lose_nothing(lies in prop::collection::vec(lie(), 1..60), segments in any::<bool>()) {
        let mut liar = Liar::new();
        let mut broken: (Option<Violation>, Option<Violation>) = (None, None);
        for lie in &lies {
            liar.front.refill();
            if broken.0.is_none() && liar.front.tx.has_room() {
                let fragments = [Fragment { gfn: Gfn(1), offset: 0, len: 1514 }];
                let gso = Gso { kind: Kind::TcpV4, size: NonZeroU16::new(500).unwrap() };
                let plan = Plan::new(1514, Headers::Linear, &fragments, TxFlags::empty()).unwrap();
                let plan = plan.with_gso(Some(gso).filter(|_| segments));
                let gref = liar.front.memory.grant(1);
                liar.front.push(&plan, 0, gref, 0, 1514, Slot::Granted(gref));
                broken.0 = liar.front.tx.show().err();
            }
            liar.tell(lie);
            let mut ended = Vec::new();
            let reaped = liar.front.tx.reap(|slot| ended.push(slot));
            for slot in ended {
                let Slot::Granted(gref) = slot else { panic!("nothing was copied") };
                prop_assert!(liar.front.memory.grants.remove(&gref.0).is_some());
            }
            match (broken.0, reaped) {
                (Some(before), now) => prop_assert_eq!(now, Err(before)),
                (None, now) => broken.0 = now.err(),
            }
            let _ = liar.front.tx.arm(true);
            for _ in 0..=2 * RING_SLOTS {
                match liar.front.rx.receive() {
                    Ok(Received::Nothing) => break,
                    Ok(Received::Dropped(_)) => prop_assert!(liar.front.rx.frame().is_empty()),
                    Ok(Received::Frame) => {
                        let mut pages = std::collections::BTreeSet::new();
                        for piece in liar.front.rx.frame().pieces() {
                            prop_assert!(usize::from(piece.offset) + usize::from(piece.len) <= PAGE);
                            prop_assert!(pages.insert(piece.page.gfn));
                        }
                    }
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
        let Front { tx, rx, memory, alive, .. } = &mut liar.front;
        for slot in tx.drain() {
            let Slot::Granted(gref) = slot else { panic!("nothing was copied") };
            prop_assert!(memory.grants.remove(&gref.0).is_some());
        }
        drop(rx.drain().collect::<Vec<_>>());
        prop_assert_eq!(Rc::strong_count(alive), 1, "no page is left");
    }
}

#[test]
fn runaway_indices_are_seen_at_once() {
    for runaway in [257, 1 << 20, u32::MAX] {
        let mut liar = Liar::new();
        liar.front.refill();
        liar.write(&liar.rx, 2, runaway);
        assert!(matches!(liar.front.rx.receive(), Err(Violation::Ring(_))));
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
    let small = [Fragment {
        gfn: Gfn(1),
        offset: 0,
        len: HEAD_MAX,
    }];
    let large = [Fragment {
        gfn: Gfn(1),
        offset: 0,
        len: 1514,
    }];
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
    assert!(liar.front.send(&small));
    assert!(answer(&mut liar));
    liar.front.reap();
    assert_eq!(liar.front.tx.arm(false), Ok(false));
    for _ in 0..10 {
        assert!(liar.front.send(&small));
        assert!(!answer(&mut liar), "nobody waits for a copied packet");
    }
    assert!(liar.front.send(&large));
    assert!(answer(&mut liar), "the stack waits for its packet");
    liar.front.reap();
    assert_eq!(liar.front.tx.arm(false), Ok(false));
    while liar.front.tx.has_room() {
        assert!(liar.front.send(&small));
    }
    assert_eq!(
        liar.front.tx.arm(true),
        Ok(false),
        "the stack waits for room"
    );
    assert!(answer(&mut liar));
    liar.front.reap();
    assert!(liar.front.tx.may_wake());
}

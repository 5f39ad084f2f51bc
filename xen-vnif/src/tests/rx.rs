// SPDX-License-Identifier: GPL-2.0-only
use crate::gso::{Kind, RECEIVED_SIZE_MIN};
use crate::rx::{Assembler, Checksum, Outcome, RxTable, Step, Why, WrongId, FRAME_PAGES_MAX};
use proptest::prelude::*;
use std::vec::Vec;
use xen_sys::netif::{
    NetifExtraInfo, NetifGso, NetifRxResponse, NetifRxSlot, RxFlags, GSO_TYPE_TCPV4, GSO_TYPE_TCPV6,
};

fn data(slot: u16, offset: u16, len: i16, flags: RxFlags) -> NetifRxSlot {
    NetifRxResponse {
        id: slot,
        offset,
        flags,
        status: len,
    }
    .into()
}

fn extra(kind: u8, more: bool) -> NetifRxSlot {
    NetifExtraInfo {
        kind,
        flags: more.into(),
        data: [0xff; 6],
    }
    .into()
}

const NONE: RxFlags = RxFlags::empty();
const MORE: RxFlags = RxFlags::MORE_DATA;

/// Feeds one response; the page is named after its slot.
fn feed(assembler: &mut Assembler<u16>, slot: u16, response: NetifRxSlot) -> Step<u16> {
    assembler.accept(slot, response, slot).unwrap()
}

fn step(repost: Option<u16>, outcome: Outcome) -> Step<u16> {
    Step { repost, outcome }
}

fn held(assembler: &mut Assembler<u16>) -> Vec<(u16, u16, u16)> {
    let frame = assembler.frame();
    frame
        .pieces()
        .map(|piece| (piece.page, piece.offset, piece.len))
        .collect()
}

#[test]
fn one_slot_frames() {
    let mut assembler = Assembler::new();
    for (flags, checksum) in [
        (NONE, Checksum::Unknown),
        (RxFlags::DATA_VALIDATED, Checksum::Validated),
        (
            RxFlags::CSUM_BLANK | RxFlags::DATA_VALIDATED,
            Checksum::Blank,
        ),
    ] {
        assert_eq!(
            feed(&mut assembler, 9, data(9, 2, 60, flags)),
            step(None, Outcome::Complete)
        );
        assert_eq!(
            (assembler.frame().len(), assembler.frame().checksum()),
            (60, checksum)
        );
        assert_eq!(held(&mut assembler), [(9, 2, 60)]);
        assert!(assembler.frame().is_empty());
    }
}

#[test]
fn a_chain_with_extra_info() {
    let mut assembler = Assembler::new();
    let first = data(1, 0, 4096, MORE | RxFlags::EXTRA_INFO);
    assert_eq!(feed(&mut assembler, 1, first), step(None, Outcome::More));
    assert_eq!(
        feed(&mut assembler, 2, extra(4, true)),
        step(Some(2), Outcome::More)
    );
    assert_eq!(
        feed(&mut assembler, 3, extra(5, false)),
        step(Some(3), Outcome::More)
    );
    assert_eq!(
        feed(&mut assembler, 4, data(4, 0, 100, NONE)),
        step(None, Outcome::Complete)
    );
    assert_eq!(assembler.frame().len(), 4196);
    assert_eq!(held(&mut assembler), [(1, 0, 4096), (4, 0, 100)]);
}

#[test]
fn extra_info_may_end_a_frame() {
    let mut assembler = Assembler::new();
    assert_eq!(
        feed(&mut assembler, 1, data(1, 0, 100, RxFlags::EXTRA_INFO)),
        step(None, Outcome::More)
    );
    assert_eq!(
        feed(&mut assembler, 2, extra(4, false)),
        step(Some(2), Outcome::Complete)
    );
    assert_eq!(held(&mut assembler), [(1, 0, 100)]);
}

#[test]
fn bad_slots_cost_the_frame_only() {
    for (offset, len, flags, why) in [
        (0, -1, NONE, Why::Status),
        (0, i16::MIN, NONE, Why::Status),
        (0, 0, NONE, Why::Bounds),
        (1, 4096, NONE, Why::Bounds),
        (4096, 1, NONE, Why::Bounds),
        (u16::MAX, 1, NONE, Why::Bounds),
        (0, i16::MAX, NONE, Why::Bounds),
        (0, 13, NONE, Why::Length),
        (0, 100, RxFlags::GSO_PREFIX, Why::Segments),
    ] {
        let mut assembler = Assembler::new();
        let bad = feed(&mut assembler, 3, data(3, offset, len, flags));
        assert_eq!(bad.outcome, Outcome::Dropped(why), "{offset} {len}");
        let mut pages = held(&mut assembler)
            .iter()
            .map(|piece| piece.0)
            .collect::<Vec<_>>();
        pages.extend(bad.repost);
        assert_eq!(pages, [3], "the page comes back once");
        assert_eq!(
            feed(&mut assembler, 4, data(4, 0, 60, NONE)),
            step(None, Outcome::Complete),
            "the next frame is fine"
        );
    }
}

#[test]
fn the_rest_of_a_bad_chain_is_skipped() {
    let mut assembler = Assembler::new();
    assert_eq!(
        feed(&mut assembler, 0, data(0, 0, 100, MORE)),
        step(None, Outcome::More)
    );
    assert_eq!(
        feed(&mut assembler, 1, data(1, 0, -1, MORE)),
        step(Some(1), Outcome::Dropped(Why::Status))
    );
    assert_eq!(held(&mut assembler), [(0, 0, 100)]);
    assert_eq!(
        feed(&mut assembler, 2, data(2, 0, 100, MORE)),
        step(Some(2), Outcome::More)
    );
    assert_eq!(
        feed(&mut assembler, 3, data(3, 0, 100, NONE)),
        step(Some(3), Outcome::More)
    );
    assert_eq!(
        feed(&mut assembler, 4, data(4, 0, 100, NONE)),
        step(None, Outcome::Complete)
    );
    assert_eq!(held(&mut assembler), [(4, 0, 100)]);
}

#[test]
fn endless_chains_are_cut() {
    let mut assembler = Assembler::new();
    for slot in 0..FRAME_PAGES_MAX as u16 {
        assert_eq!(
            feed(&mut assembler, slot, data(slot, 0, 60, MORE)),
            step(None, Outcome::More)
        );
    }
    let last = FRAME_PAGES_MAX as u16;
    assert_eq!(
        feed(&mut assembler, last, data(last, 0, 60, MORE)),
        step(Some(last), Outcome::Dropped(Why::TooManyPages))
    );
    assert_eq!(held(&mut assembler).len(), FRAME_PAGES_MAX);
    for slot in 100..1000 {
        assert_eq!(
            feed(&mut assembler, slot, data(slot, 0, 60, MORE)),
            step(Some(slot), Outcome::More)
        );
    }
}

#[test]
fn too_long_a_frame_is_dropped() {
    let mut assembler = Assembler::new();
    for slot in 0..16 {
        assert_eq!(
            feed(&mut assembler, slot, data(slot, 0, 4096, MORE)),
            step(None, Outcome::More)
        );
    }
    assert_eq!(
        feed(&mut assembler, 16, data(16, 0, 1, NONE)),
        step(None, Outcome::Dropped(Why::Length))
    );
    assert_eq!(held(&mut assembler).len(), 17);
}

fn segments(kind: u8, size: u16, more: bool) -> NetifRxSlot {
    let mut extra = NetifExtraInfo::from_gso(NetifGso {
        size,
        kind,
        features: 0,
    });
    extra.flags = more.into();
    extra.into()
}

#[test]
fn frames_of_several_segments() {
    for (code, kind) in [(GSO_TYPE_TCPV4, Kind::TcpV4), (GSO_TYPE_TCPV6, Kind::TcpV6)] {
        for size in [8, 1448, u16::MAX] {
            let mut assembler = Assembler::new();
            let first = data(1, 0, 4096, MORE | RxFlags::EXTRA_INFO);
            assert_eq!(feed(&mut assembler, 1, first), step(None, Outcome::More));
            assert_eq!(
                feed(&mut assembler, 2, segments(code, size, true)),
                step(Some(2), Outcome::More)
            );
            assert_eq!(
                feed(&mut assembler, 3, extra(4, false)),
                step(Some(3), Outcome::More)
            );
            assert_eq!(
                feed(&mut assembler, 4, data(4, 0, 100, NONE)),
                step(None, Outcome::Complete)
            );
            let gso = assembler.frame().gso().unwrap();
            assert_eq!((gso.kind, gso.size.get()), (kind, size));
            assert_eq!(held(&mut assembler), [(1, 0, 4096), (4, 0, 100)]);
            assert_eq!(
                feed(&mut assembler, 5, data(5, 0, 60, NONE)),
                step(None, Outcome::Complete)
            );
            assert_eq!(assembler.frame().gso(), None, "the next frame has none");
        }
    }
}

#[test]
fn segments_without_sense_drop_the_frame() {
    for (kind, size) in [
        (GSO_TYPE_TCPV4, 0),
        (GSO_TYPE_TCPV6, 0),
        (GSO_TYPE_TCPV4, 7),
        (0, 1448),
        (3, 1448),
        (255, 1448),
    ] {
        let mut assembler = Assembler::new();
        let first = data(0, 0, 100, MORE | RxFlags::EXTRA_INFO);
        assert_eq!(feed(&mut assembler, 0, first), step(None, Outcome::More));
        assert_eq!(
            feed(&mut assembler, 1, segments(kind, size, false)),
            step(Some(1), Outcome::Dropped(Why::Segments)),
            "{kind} {size}"
        );
        assert_eq!(held(&mut assembler), [(0, 0, 100)]);
        assert_eq!(
            feed(&mut assembler, 2, data(2, 0, 100, NONE)),
            step(Some(2), Outcome::More),
            "the rest of its chain"
        );
        assert_eq!(
            feed(&mut assembler, 3, data(3, 0, 60, NONE)),
            step(None, Outcome::Complete)
        );
    }
    let mut assembler = Assembler::new();
    let _ = feed(&mut assembler, 0, data(0, 0, 100, RxFlags::EXTRA_INFO));
    let _ = feed(&mut assembler, 1, segments(GSO_TYPE_TCPV4, 1448, true));
    assert_eq!(
        feed(&mut assembler, 2, segments(GSO_TYPE_TCPV4, 1448, false)),
        step(Some(2), Outcome::Dropped(Why::Segments)),
        "said twice"
    );
}

#[test]
fn unwanted_extra_info_drops_the_frame() {
    for (kind, why) in [(0, Why::Extra), (6, Why::Extra), (255, Why::Extra)] {
        let mut assembler = Assembler::new();
        assert_eq!(
            feed(&mut assembler, 0, data(0, 0, 100, RxFlags::EXTRA_INFO)),
            step(None, Outcome::More)
        );
        assert_eq!(
            feed(&mut assembler, 1, extra(kind, false)),
            step(Some(1), Outcome::Dropped(why)),
            "{kind}"
        );
        assert_eq!(held(&mut assembler), [(0, 0, 100)]);
    }
    let mut assembler = Assembler::new();
    let _ = feed(&mut assembler, 0, data(0, 0, 100, RxFlags::EXTRA_INFO));
    for slot in 1..=5 {
        assert_eq!(
            feed(&mut assembler, slot, extra(4, true)),
            step(Some(slot), Outcome::More)
        );
    }
    assert_eq!(
        feed(&mut assembler, 6, extra(4, true)),
        step(Some(6), Outcome::Dropped(Why::Extra)),
        "endless extra info"
    );
}

#[test]
fn a_wrong_id_is_not_forgiven() {
    let mut assembler = Assembler::new();
    for id in [0, 2, 256 + 1, u16::MAX] {
        assert_eq!(
            assembler.accept(1, data(id, 0, 60, NONE), 1),
            Err(WrongId(id))
        );
    }
}

#[test]
fn the_table_holds_one_page_a_slot() {
    let mut table = RxTable::new(std::vec![None; 8]);
    assert_eq!(table.slot_of(u32::MAX), 7);
    assert_eq!(table.slot_of(8), 0);
    assert_eq!(table.post(7, 1), Ok(()));
    assert_eq!(table.post(7, 2), Err(2));
    assert_eq!(table.post(8, 2), Err(2));
    assert_eq!(table.take(6), None);
    assert_eq!(table.take(8), None);
    assert_eq!(table.take(7), Some(1));
    assert_eq!(table.take(7), None);
    assert_eq!(table.post(3, 5), Ok(()));
    assert_eq!(table.drain().collect::<Vec<_>>(), [5]);
}

fn response() -> impl Strategy<Value = NetifRxResponse> {
    let status = prop_oneof![4 => 1i16..4096, 1 => any::<i16>()];
    let flags = prop_oneof![4 => 0u16..8, 2 => 8u16..16, 1 => any::<u16>()];
    let id = prop_oneof![8 => Just(None), 1 => (0u16..7, any::<bool>()).prop_map(|(kind, more)| Some(kind | u16::from(more) << 8))];
    (
        id,
        prop_oneof![4 => Just(0u16), 1 => any::<u16>()],
        flags,
        status,
    )
        .prop_map(|(id, offset, flags, status)| NetifRxResponse {
            id: id.unwrap_or(u16::MAX),
            offset,
            flags: RxFlags::from_bits_retain(flags),
            status,
        })
}

proptest! {
    /// Whatever the backend says, each page comes back exactly once, frames are sane, and nothing outside a page is
    /// ever pointed at.
    #[test]
    fn pages_are_conserved(responses in prop::collection::vec(response(), 0..300)) {
        let mut assembler = Assembler::new();
        let mut out = std::collections::BTreeSet::new();
        let mut fed = 0u16;
        for (slot, mut response) in (0u16..).zip(responses) {
            if response.id == u16::MAX {
                response.id = slot;
            }
            let Ok(step) = assembler.accept(slot, response.into(), slot) else { break };
            fed = slot + 1;
            if let Some(page) = step.repost {
                prop_assert_eq!(page, slot);
                prop_assert!(out.insert(page));
            }
            if step.outcome == Outcome::Complete {
                prop_assert!((14..=65535).contains(&assembler.frame().len()));
                let gso = assembler.frame().gso();
                prop_assert!(gso.is_none_or(|gso| gso.size.get() >= RECEIVED_SIZE_MIN));
            }
            if step.outcome != Outcome::More {
                for piece in assembler.frame().pieces() {
                    prop_assert!(piece.len > 0 && u32::from(piece.offset) + u32::from(piece.len) <= 4096);
                    prop_assert!(out.insert(piece.page));
                }
            }
        }
        for piece in assembler.frame().pieces() {
            prop_assert!(out.insert(piece.page));
        }
        prop_assert_eq!(out.len(), usize::from(fed));
    }
}

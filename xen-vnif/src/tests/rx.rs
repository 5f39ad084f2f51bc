// SPDX-License-Identifier: GPL-2.0-only
use crate::gso::{Kind, RECEIVED_SIZE_MIN};
use crate::rx::{Assembler, Checksum, Outcome, Why, WrongId, FRAME_PAGES_MAX};
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

fn feed(assembler: &mut Assembler, slot: u16, response: NetifRxSlot) -> Outcome {
    assembler.accept(slot, response).unwrap()
}

fn pieces(assembler: &Assembler) -> Vec<(u16, u16, u16)> {
    let pieces = assembler.frame().pieces().iter();
    pieces
        .map(|piece| (piece.slot, piece.offset, piece.len))
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
            Outcome::Complete
        );
        assert_eq!(
            (assembler.frame().len(), assembler.frame().checksum()),
            (60, checksum)
        );
        assert_eq!(pieces(&assembler), [(9, 2, 60)]);
        assert_eq!(assembler.held(), 0);
    }
}

#[test]
fn a_chain_with_extra_info() {
    let mut assembler = Assembler::new();
    let first = data(1, 0, 4096, MORE | RxFlags::EXTRA_INFO);
    assert_eq!(feed(&mut assembler, 1, first), Outcome::More);
    assert_eq!(feed(&mut assembler, 2, extra(4, true)), Outcome::More);
    assert_eq!(feed(&mut assembler, 3, extra(5, false)), Outcome::More);
    assert_eq!(
        feed(&mut assembler, 4, data(4, 0, 100, NONE)),
        Outcome::Complete
    );
    assert_eq!(assembler.frame().len(), 4196);
    assert_eq!(pieces(&assembler), [(1, 0, 4096), (4, 0, 100)]);
}

#[test]
fn extra_info_may_end_a_frame() {
    let mut assembler = Assembler::new();
    assert_eq!(
        feed(&mut assembler, 1, data(1, 0, 100, RxFlags::EXTRA_INFO)),
        Outcome::More
    );
    assert_eq!(feed(&mut assembler, 2, extra(4, false)), Outcome::Complete);
    assert_eq!(pieces(&assembler), [(1, 0, 100)]);
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
        assert_eq!(bad, Outcome::Dropped(why), "{offset} {len}");
        assert_eq!(assembler.held(), 0);
        assert_eq!(
            feed(&mut assembler, 4, data(4, 0, 60, NONE)),
            Outcome::Complete,
            "the next frame is fine"
        );
    }
}

#[test]
fn the_rest_of_a_bad_chain_is_skipped() {
    let mut assembler = Assembler::new();
    assert_eq!(
        feed(&mut assembler, 0, data(0, 0, 100, MORE)),
        Outcome::More
    );
    assert_eq!(
        feed(&mut assembler, 1, data(1, 0, -1, MORE)),
        Outcome::Dropped(Why::Status)
    );
    assert_eq!(assembler.held(), 0, "its slots can be offered again");
    assert_eq!(
        feed(&mut assembler, 2, data(2, 0, 100, MORE)),
        Outcome::More
    );
    assert_eq!(
        feed(&mut assembler, 3, data(3, 0, 100, NONE)),
        Outcome::More
    );
    assert_eq!(
        feed(&mut assembler, 4, data(4, 0, 100, NONE)),
        Outcome::Complete
    );
    assert_eq!(pieces(&assembler), [(4, 0, 100)]);
}

#[test]
fn endless_chains_are_cut() {
    let mut assembler = Assembler::new();
    for slot in 0..FRAME_PAGES_MAX as u16 {
        assert_eq!(
            feed(&mut assembler, slot, data(slot, 0, 60, MORE)),
            Outcome::More
        );
    }
    let last = FRAME_PAGES_MAX as u16;
    assert_eq!(
        feed(&mut assembler, last, data(last, 0, 60, MORE)),
        Outcome::Dropped(Why::TooManyPages)
    );
    assert_eq!(assembler.held(), 0);
    for slot in 100..1000 {
        assert_eq!(
            feed(&mut assembler, slot, data(slot, 0, 60, MORE)),
            Outcome::More
        );
    }
}

#[test]
fn too_long_a_frame_is_dropped() {
    let mut assembler = Assembler::new();
    for slot in 0..16 {
        assert_eq!(
            feed(&mut assembler, slot, data(slot, 0, 4096, MORE)),
            Outcome::More
        );
    }
    assert_eq!(
        feed(&mut assembler, 16, data(16, 0, 1, NONE)),
        Outcome::Dropped(Why::Length)
    );
    assert_eq!(assembler.held(), 0);
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
            assert_eq!(feed(&mut assembler, 1, first), Outcome::More);
            assert_eq!(
                feed(&mut assembler, 2, segments(code, size, true)),
                Outcome::More
            );
            assert_eq!(feed(&mut assembler, 3, extra(4, false)), Outcome::More);
            assert_eq!(
                feed(&mut assembler, 4, data(4, 0, 100, NONE)),
                Outcome::Complete
            );
            let gso = assembler.frame().gso().unwrap();
            assert_eq!((gso.kind, gso.size.get()), (kind, size));
            assert_eq!(pieces(&assembler), [(1, 0, 4096), (4, 0, 100)]);
            assert_eq!(
                feed(&mut assembler, 5, data(5, 0, 60, NONE)),
                Outcome::Complete
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
        assert_eq!(feed(&mut assembler, 0, first), Outcome::More);
        assert_eq!(
            feed(&mut assembler, 1, segments(kind, size, false)),
            Outcome::Dropped(Why::Segments),
            "{kind} {size}"
        );
        assert_eq!(
            feed(&mut assembler, 2, data(2, 0, 100, NONE)),
            Outcome::More,
            "the rest of its chain"
        );
        assert_eq!(
            feed(&mut assembler, 3, data(3, 0, 60, NONE)),
            Outcome::Complete
        );
    }
    let mut assembler = Assembler::new();
    let _ = feed(&mut assembler, 0, data(0, 0, 100, RxFlags::EXTRA_INFO));
    let _ = feed(&mut assembler, 1, segments(GSO_TYPE_TCPV4, 1448, true));
    assert_eq!(
        feed(&mut assembler, 2, segments(GSO_TYPE_TCPV4, 1448, false)),
        Outcome::Dropped(Why::Segments),
        "said twice"
    );
}

#[test]
fn unwanted_extra_info_drops_the_frame() {
    for (kind, why) in [(0, Why::Extra), (6, Why::Extra), (255, Why::Extra)] {
        let mut assembler = Assembler::new();
        assert_eq!(
            feed(&mut assembler, 0, data(0, 0, 100, RxFlags::EXTRA_INFO)),
            Outcome::More
        );
        assert_eq!(
            feed(&mut assembler, 1, extra(kind, false)),
            Outcome::Dropped(why),
            "{kind}"
        );
        assert_eq!(assembler.held(), 0);
    }
    let mut assembler = Assembler::new();
    let _ = feed(&mut assembler, 0, data(0, 0, 100, RxFlags::EXTRA_INFO));
    for slot in 1..=5 {
        assert_eq!(feed(&mut assembler, slot, extra(4, true)), Outcome::More);
    }
    assert_eq!(
        feed(&mut assembler, 6, extra(4, true)),
        Outcome::Dropped(Why::Extra),
        "endless extra info"
    );
}

#[test]
fn a_wrong_id_is_not_forgiven() {
    let mut assembler = Assembler::new();
    for id in [0, 2, 256 + 1, u16::MAX] {
        assert_eq!(assembler.accept(1, data(id, 0, 60, NONE)), Err(WrongId(id)));
    }
}

/// Extra info and pieces alike: what was answered since the frame began.
#[test]
fn the_slots_of_a_frame_that_is_arriving_are_held() {
    let mut assembler = Assembler::new();
    assert_eq!(assembler.held(), 0);
    let first = data(1, 0, 4096, MORE | RxFlags::EXTRA_INFO);
    let chain = [
        first,
        extra(4, false),
        data(3, 0, 100, MORE),
        data(4, 0, 100, NONE),
    ];
    for (slot, response) in (1..).zip(chain) {
        let outcome = feed(&mut assembler, slot, response);
        let held = if outcome == Outcome::More { slot } else { 0 };
        assert_eq!(assembler.held(), held.into());
    }
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
    /// Whatever the backend says: a frame lies within the pages of slots that were answered since the last one and were
    /// held until now, each once and in order.
    #[test]
    fn frames_are_sane(responses in prop::collection::vec(response(), 0..300)) {
        let mut assembler = Assembler::new();
        let mut held = 0;
        for (slot, mut response) in (0u16..).zip(responses) {
            if response.id == u16::MAX {
                response.id = slot;
            }
            let Ok(outcome) = assembler.accept(slot, response.into()) else { break };
            if outcome == Outcome::Complete {
                let frame = assembler.frame();
                prop_assert!((14..=65535).contains(&frame.len()));
                prop_assert!(frame.gso().is_none_or(|gso| gso.size.get() >= RECEIVED_SIZE_MIN));
                let mut next = u32::from(slot) - held;
                let mut len = 0;
                for piece in frame.pieces() {
                    prop_assert!(piece.len > 0 && u32::from(piece.offset) + u32::from(piece.len) <= 4096);
                    prop_assert!(u32::from(piece.slot) >= next && piece.slot <= slot);
                    next = u32::from(piece.slot) + 1;
                    len += u32::from(piece.len);
                }
                prop_assert_eq!(len, frame.len());
            }
            held = assembler.held();
            prop_assert!(held as usize <= FRAME_PAGES_MAX + 5);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use std::{vec, vec::Vec};

/// The numbers as they stand in Linux's headers, worked out by a C compiler: map, unmap, offset, alloc, dealloc, notify,
/// copy.
const NUMBERS: [u32; 7] = [
    0x0018_4700,
    0x0010_4701,
    0x0018_4702,
    0x0018_4705,
    0x0010_4706,
    0x0010_4707,
    0x0010_4708,
];
const MAP: u32 = NUMBERS[0];
const UNMAP: u32 = NUMBERS[1];
const OFFSET: u32 = NUMBERS[2];
const ALLOC: u32 = NUMBERS[3];
const DEALLOC: u32 = NUMBERS[4];
const NOTIFY: u32 = NUMBERS[5];
const COPY: u32 = NUMBERS[6];

/// An argument of 16-bit words.
fn argument(words: &[u16]) -> Argument {
    let mut bytes = [0; ARGUMENT_MAX];
    for (place, word) in bytes.chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

#[test]
fn each_command_has_its_number() {
    for number in NUMBERS {
        let alloc = [ALLOC, DEALLOC, NOTIFY].contains(&number);
        let map = [MAP, UNMAP, OFFSET, NOTIFY, COPY].contains(&number);
        assert_eq!(AllocCommand::argument_len(number).is_some(), alloc);
        assert_eq!(MapCommand::argument_len(number).is_some(), map);
        let one = argument(&[1; 12]);
        let unknown = Err(Refused::Unknown);
        assert_eq!(AllocCommand::of(number, &one).map(drop) == unknown, !alloc);
        assert_eq!(MapCommand::of(number, &one).map(drop) == unknown, !map);
    }
    // SET_MAX_GRANTS, as mainline has it not either, and DMA buffers.
    for number in [0x0004_4703, 0x0014_4709, 0] {
        assert_eq!(MapCommand::argument_len(number), None);
    }
}

#[test]
fn arguments_of_gntalloc() {
    let of = |number, words: &[u16]| AllocCommand::of(number, &argument(words));
    let command = |writable| AllocCommand::Allocate {
        domid: Domid(7),
        writable,
        count: 0x1_0002,
    };
    assert_eq!(of(ALLOC, &[7, 1, 2, 1]), Ok(command(true)));
    assert_eq!(of(ALLOC, &[7, 0, 2, 1]), Ok(command(false)));
    assert_eq!(of(ALLOC, &[7, 1, 0, 0]), Err(Refused::Invalid));
    assert_eq!(
        of(DEALLOC, &[0x3000, 1, 0, 0, 5]),
        Ok(AllocCommand::Deallocate {
            first: 0x13,
            count: 5
        })
    );
    assert_eq!(of(DEALLOC, &[0x3001, 0, 0, 0, 5]), Err(Refused::Missing));
    assert_eq!(of(DEALLOC, &[0, 0, 0, 0, 0]), Err(Refused::Invalid));
}

#[test]
fn arguments_of_gntdev() {
    let of = |number, words: &[u16]| MapCommand::of(number, &argument(words));
    assert_eq!(of(MAP, &[3]), Ok(MapCommand::Map { count: 3 }));
    assert_eq!(of(MAP, &[0]), Err(Refused::Invalid));
    assert_eq!(
        of(UNMAP, &[0x2000, 0, 0, 0, 4]),
        Ok(MapCommand::Unmap { first: 2, count: 4 })
    );
    assert_eq!(
        of(OFFSET, &[1, 0, 0, 2]),
        Ok(MapCommand::OffsetOf {
            address: 0x0002_0000_0000_0001
        })
    );
    assert_eq!(
        of(COPY, &[9, 0, 0, 0, 0x1000]),
        Ok(MapCommand::Copy {
            count: 9,
            segments: 0x1000
        })
    );
    let bytes = [7, 0, 0, 0, 9, 0, 0, 1];
    assert_eq!(foreign_ref(bytes), Ok((Domid(7), GrantRef(0x0100_0009))));
    assert_eq!(foreign_ref([0, 0, 1, 0, 0, 0, 0, 0]), Err(Refused::Invalid));
}

#[test]
fn notices() {
    let of = |action: u16| MapCommand::of(NOTIFY, &argument(&[0x2fff, 0, 0, 0, action, 0, 8]));
    let notice = |clear, event| Notice {
        page: 2,
        offset: 0xfff,
        clear,
        event,
    };
    assert_eq!(of(0), Ok(MapCommand::Notify(notice(false, None))));
    assert_eq!(of(1), Ok(MapCommand::Notify(notice(true, None))));
    assert_eq!(of(2), Ok(MapCommand::Notify(notice(false, Some(Port(8))))));
    assert_eq!(of(3), Ok(MapCommand::Notify(notice(true, Some(Port(8))))));
    assert_eq!(of(4), Err(Refused::Invalid));
}

#[test]
fn segments() {
    let segment = |len, flags| {
        Segment::of(&argument(&[
            5, 0, 0xff0, 3, 6, 0, 0xf00, 4, len, flags, 0xffff, 0xffff,
        ]))
    };
    let source = SegmentEnd::Foreign(Domid(3), GrantRef(5), 0xff0);
    let dest = SegmentEnd::Foreign(Domid(4), GrantRef(6), 0xf00);
    let both = segment(0x10, 3).unwrap();
    assert_eq!((both.source, both.dest, both.len), (source, dest, 0x10));
    let in_only = segment(0x10, 1).unwrap();
    assert_eq!(in_only.dest, SegmentEnd::Local(0x0004_0f00_0000_0006));
    assert_eq!(segment(0x100, 2).unwrap().dest, dest);
    // Past the end of the source's page, or of the other one's; between the process's own; flags that are none.
    for (len, flags) in [
        (0x11, 1),
        (0x11, 3),
        (0x101, 2),
        (0xffff, 2),
        (1, 0),
        (1, 4),
        (1, 7),
    ] {
        assert_eq!(segment(len, flags), Err(Refused::Invalid), "{len} {flags}");
    }
}

#[test]
fn room_is_the_first_gap() {
    assert_eq!(room([], 5), Some((0, 0)));
    let taken = [(2, 3), (5, 1), (10, 2)];
    assert_eq!(room(taken, 2), Some((0, 0)));
    assert_eq!(room(taken, 3), Some((2, 6)));
    assert_eq!(room(taken, 5), Some((3, 12)));
    assert_eq!(room([(0, i64::MAX as u64 >> PAGE_SHIFT)], 1), None);
    assert_eq!(room([(0, u64::MAX)], 1), None);
    assert_eq!(room([], u64::MAX), None);
}

#[test]
fn runs_have_no_gap() {
    let pages = [2, 3, 4, 7, 8];
    assert_eq!(run(pages, 2, 3), Some(0..3));
    assert_eq!(run(pages, 3, 1), Some(1..2));
    assert_eq!(run(pages, 7, 2), Some(3..5));
    for (first, count) in [(2, 4), (4, 2), (7, 3), (0, 1), (5, 1), (9, 1), (2, 0)] {
        assert_eq!(run(pages, first, count), None, "{first} {count}");
    }
    assert_eq!(run([u64::MAX], u64::MAX, 1), None);
}

proptest! {
    #[test]
    fn what_is_given_and_taken_never_overlaps(steps in proptest::collection::vec((any::<bool>(), 1u64..6, any::<u8>()), 1..80)) {
        let mut ranges: Vec<(u64, u64)> = vec![];
        for (give, count, which) in steps {
            if give {
                let (place, first) = room(ranges.iter().copied(), count).unwrap();
                ranges.insert(place, (first, count));
            } else if !ranges.is_empty() {
                ranges.remove(usize::from(which) % ranges.len());
            }
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].0 + pair[0].1 <= pair[1].0);
            }
        }
    }

    #[test]
    fn no_argument_panics(number in proptest::sample::select(NUMBERS.to_vec()), bytes: [u8; ARGUMENT_MAX]) {
        let _ = AllocCommand::of(number, &bytes);
        let _ = MapCommand::of(number, &bytes);
        if let Ok(segment) = Segment::of(&bytes) {
            for end in [segment.source, segment.dest] {
                if let SegmentEnd::Foreign(_, _, offset) = end {
                    prop_assert!(usize::from(offset) + usize::from(segment.len) <= PAGE_SIZE);
                }
            }
        }
    }
}

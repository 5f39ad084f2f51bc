// SPDX-License-Identifier: GPL-2.0-only
use crate::{floor, node, Balloon, Ended, Schedule, Step, Target, BATCH};
use proptest::prelude::*;

const MIB: u64 = 256;
const PLENTY: u64 = 1 << 30;

/// Does what the balloon says against a Xen that has memory for `room` more pages, until it has nothing to do now.
fn run(balloon: &mut Balloon, now: u64, available: &mut u64, room: &mut u64) -> Step {
    for _ in 0..100_000 {
        match balloon.next(now, *available) {
            Step::Inflate(pages) => {
                assert!((1..=BATCH).contains(&pages) && pages <= *available);
                *available -= pages;
                *room += pages;
                balloon.ended(now, pages, Ended::Inflated(pages));
            }
            Step::Deflate(pages) => {
                assert!((1..=BATCH).contains(&pages) && pages <= balloon.out());
                let done = pages.min(*room);
                *room -= done;
                *available += done;
                balloon.ended(now, pages, Ended::Deflated(done));
            }
            other => return other,
        }
    }
    panic!("the balloon never rests");
}

fn new(present: u64) -> Balloon {
    Balloon::new(Target::new(present, None), 0)
}

#[test]
fn the_floor_is_continuous_and_below_what_is_there() {
    for (mib, least) in [
        (16, 16),
        (64, 40),
        (128, 72),
        (512, 168),
        (2048, 360),
        (8192, 552),
    ] {
        assert_eq!(floor(mib * MIB), least * MIB);
        assert!(floor(mib * MIB) - floor(mib * MIB - 1) <= 1);
    }
    assert_eq!(floor(0), 0);
    assert_eq!(floor(100), 100);
    assert!(floor(u64::MAX) < u64::MAX);
}

#[test]
fn only_a_node_that_is_absent_gives_way_to_the_next() {
    let first = |nodes: [Result<Option<&'static [u8]>, u8>; 2]| node::first_pages_of_kib(nodes);
    assert_eq!(first([Ok(Some(b"4096")), Err(1)]), Ok(Some(MIB * 4)));
    assert_eq!(first([Ok(None), Ok(Some(b"8192"))]), Ok(Some(MIB * 8)));
    assert_eq!(
        first([Ok(Some(b"x")), Ok(Some(b"8192"))]),
        Ok(Some(MIB * 8))
    );
    assert_eq!(first([Ok(None), Ok(None)]), Ok(None));
    // Nobody knows what a node says that could not be read.
    assert_eq!(first([Err(1), Ok(Some(b"8192"))]), Err(1));
    assert_eq!(first([Ok(None), Err(2)]), Err(2));
}

#[test]
fn targets_are_in_the_toolstacks_terms() {
    // 512 MiB by the toolstack, of which the guest sees 504.
    let mut target = Target::new(504 * MIB, Some(512 * MIB));
    assert_eq!(target.pages(), 504 * MIB);
    target.set_from_toolstack(512 * MIB);
    assert_eq!(target.pages(), 504 * MIB);
    target.set_from_toolstack(300 * MIB);
    assert_eq!(target.pages(), 292 * MIB);
    target.set_from_toolstack(0);
    assert_eq!(target.pages(), floor(504 * MIB));
    target.set_from_toolstack(u64::MAX);
    assert_eq!(target.pages(), 504 * MIB);
}

#[test]
fn a_static_max_that_lies_changes_nothing() {
    let mut target = Target::new(504 * MIB, Some(3));
    target.set_from_toolstack(400 * MIB);
    assert_eq!(target.pages(), 400 * MIB);
}

#[test]
fn down_and_up_again() {
    let mut balloon = new(512 * MIB);
    let (mut available, mut room) = (PLENTY, 0);
    for mib in [300, 512, 400, 200, 500, 512] {
        balloon.retarget(|target| target.set(mib * MIB));
        assert_eq!(run(&mut balloon, 0, &mut available, &mut room), Step::Idle);
        assert_eq!(balloon.current(), mib * MIB);
        assert_eq!(room, balloon.out());
    }
}

#[test]
fn never_below_the_floor() {
    let mut balloon = new(512 * MIB);
    let (mut available, mut room) = (PLENTY, 0);
    balloon.retarget(|target| target.set(0));
    assert_eq!(run(&mut balloon, 0, &mut available, &mut room), Step::Idle);
    assert_eq!(balloon.current(), floor(512 * MIB));
}

#[test]
fn a_guest_without_spare_memory_is_left_alone() {
    let mut balloon = new(512 * MIB);
    let (mut available, mut room) = (1024 + 700, 0);
    balloon.retarget(|target| target.set(300 * MIB));
    assert_eq!(
        run(&mut balloon, 0, &mut available, &mut room),
        Step::Wait(1000)
    );
    assert_eq!((balloon.out(), available), (700, 1024));
    assert_eq!(
        balloon.next(400, PLENTY),
        Step::Wait(600),
        "not before its time"
    );
    assert_eq!(
        balloon.next(1000, 0),
        Step::Wait(2000),
        "and then more slowly"
    );
    assert_eq!(balloon.next(3000, PLENTY), Step::Inflate(BATCH));
}

#[test]
fn xen_without_memory_is_asked_ever_more_slowly() {
    let mut balloon = Balloon::new(Target::new(512 * MIB, None), 100 * MIB);
    let mut now = 0;
    for seconds in [1, 2, 4, 8, 16, 32, 32, 32] {
        let (mut available, mut room) = (PLENTY, 0);
        let step = run(&mut balloon, now, &mut available, &mut room);
        assert_eq!(step, Step::Wait(seconds * 1000));
        now += u64::from(seconds) * 1000;
    }
    let (mut available, mut room) = (PLENTY, 1000);
    assert_eq!(
        run(&mut balloon, now, &mut available, &mut room),
        Step::Wait(1000),
        "a part of it starts over"
    );
    assert_eq!(balloon.out(), 100 * MIB - 1000);
}

#[test]
fn a_new_target_is_tried_at_once() {
    let mut balloon = Balloon::new(Target::new(512 * MIB, None), 100 * MIB);
    balloon.schedule().max_retry_count = 2;
    let (mut available, mut room) = (PLENTY, 0);
    assert_eq!(
        run(&mut balloon, 0, &mut available, &mut room),
        Step::Wait(1000)
    );
    assert_eq!(
        run(&mut balloon, 1000, &mut available, &mut room),
        Step::Idle,
        "gave up"
    );
    balloon.retarget(|target| target.set(512 * MIB));
    assert_eq!(
        balloon.next(1001, PLENTY),
        Step::Idle,
        "the same target is no reason"
    );
    balloon.retarget(|target| target.set(500 * MIB));
    assert_eq!(balloon.next(1001, PLENTY), Step::Deflate(BATCH));
}

#[test]
fn odd_limits_do_no_harm() {
    let mut schedule = Schedule::new();
    schedule.max_schedule_delay = 0;
    assert_eq!(schedule.failed(), Some(1000));
    assert_eq!(schedule.failed(), Some(1000));
    schedule.max_schedule_delay = u32::MAX;
    for _ in 0..100 {
        assert!(schedule.failed().is_some());
    }
    schedule.max_schedule_delay = 8;
    assert_eq!(
        schedule.failed(),
        Some(8000),
        "a lowered limit holds at once"
    );
}

#[test]
fn nodes_are_plain_numbers() {
    assert_eq!(node::pages_of_kib(b"524288"), Some(131_072));
    assert_eq!(node::pages_of_kib(b"3"), Some(0));
    for text in [
        &b""[..],
        b"-1",
        b"+1",
        b" 1",
        b"1 ",
        b"1\n",
        b"0x10",
        b"1k",
        b"18446744073709551616",
        b"18446744073709551615",
    ] {
        assert_eq!(node::pages_of_kib(text), None, "{text:?}");
    }
    assert_eq!(node::pages_of_kib_line(b"524288\n"), Some(131_072));
    assert_eq!(node::pages_of_bytes_line(b"512M\n"), Some(131_072));
    assert_eq!(node::pages_of_bytes_line(b"1g"), Some(262_144));
    assert_eq!(node::pages_of_bytes_line(b"8192\n"), Some(2));
    for text in [&b""[..], b"\n", b"M", b"16777216T", b"1MM", b"1.5G"] {
        assert_eq!(node::pages_of_bytes_line(text), None, "{text:?}");
    }
    assert_eq!(node::number_line(b"17\n"), Some(17));
    assert_eq!(node::number_line(b"4294967296\n"), None);
}

proptest! {
    #[test]
    fn no_text_upsets_the_parsers(text in prop::collection::vec(any::<u8>(), 0..32)) {
        let _ = (node::pages_of_kib(&text), node::pages_of_kib_line(&text));
        let _ = (node::pages_of_bytes_line(&text), node::number_line(&text));
    }

    /// Whatever is asked, however little memory either side has: the guest keeps its floor and never gets more than
    /// it booted with, and with enough of both it ends where it was told to.
    #[test]
    fn the_balloon_stays_in_bounds(
        present in 1u64..1_000_000,
        asked in prop::collection::vec((any::<u64>(), 0u64..3_000_000, 0u64..1_000_000, any::<bool>()), 1..12),
    ) {
        let mut balloon = new(present);
        let mut now = 0;
        for (target, available, room, toolstack) in asked {
            let target = target % (2 * present);
            balloon.retarget(|t| if toolstack { t.set_from_toolstack(target) } else { t.set(target) });
            let (mut available, mut room) = (available, room);
            let before = balloon.out();
            let step = run(&mut balloon, now, &mut available, &mut room);
            prop_assert!(balloon.current() >= floor(present).min(present - before));
            prop_assert!(balloon.current() <= present);
            if step == Step::Idle {
                prop_assert_eq!(balloon.current(), target.clamp(floor(present), present));
            }
            now += 32_000;
        }
        let (mut available, mut room) = (PLENTY, PLENTY);
        balloon.retarget(|t| t.set(present));
        prop_assert_eq!(run(&mut balloon, now + 32_000, &mut available, &mut room), Step::Idle);
        prop_assert_eq!(balloon.out(), 0);
    }

    /// An out-of-this-world report changes numbers, never the program's health.
    #[test]
    fn nonsense_reports_do_not_upset_it(out in any::<u64>(), present in any::<u64>(), wanted in any::<u64>(), done in any::<u64>(), now in any::<u64>(), up in any::<bool>()) {
        let mut balloon = Balloon::new(Target::new(present, Some(done)), out);
        balloon.ended(now, wanted, if up { Ended::Deflated(done) } else { Ended::Inflated(done) });
        let _ = balloon.next(now, wanted);
    }
}

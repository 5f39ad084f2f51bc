// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use std::string::{String, ToString};

fn place(vdev: u32) -> (String, u32, u32) {
    let at = Placement::of(vdev).unwrap();
    (at.name.to_string(), at.minors.first, at.minors.count)
}

fn named(name: &str, first: u32, count: u32) -> (String, u32, u32) {
    (name.into(), first, count)
}

#[test]
fn classic_xvd_numbers() {
    assert_eq!(place(51712), named("xvda", 0, 16));
    assert_eq!(place(51728), named("xvdb", 16, 16));
    assert_eq!(place(51776), named("xvde", 64, 16));
    assert_eq!(place(202 << 8 | 15 << 4), named("xvdp", 240, 16));
}

#[test]
fn a_partition_number_is_one_minor_named_with_its_digit() {
    assert_eq!(place(51713), named("xvda1", 1, 1));
    assert_eq!(place(202 << 8 | 4 << 4 | 15), named("xvde15", 79, 1));
    assert_eq!(place(1 << 28 | 4 << 8 | 200), named("xvde200", 1224, 1));
    assert!(Placement::of(51713).unwrap().is_partition);
    assert!(!Placement::of(51712).unwrap().is_partition);
}

#[test]
fn extended_numbers_reach_past_xvdz() {
    assert_eq!(place(1 << 28 | 16 << 8), named("xvdq", 16 << 8, 256));
    assert_eq!(place(1 << 28 | 25 << 8), named("xvdz", 25 << 8, 256));
    assert_eq!(place(1 << 28 | 26 << 8), named("xvdaa", 26 << 8, 256));
    assert_eq!(place(1 << 28 | 51 << 8), named("xvdaz", 51 << 8, 256));
    assert_eq!(place(1 << 28 | 52 << 8), named("xvdba", 52 << 8, 256));
    assert_eq!(place(1 << 28 | 701 << 8), named("xvdzz", 701 << 8, 256));
    assert_eq!(place(1 << 28 | 702 << 8), named("xvdaaa", 702 << 8, 256));
    assert_eq!(place(1 << 28 | 4095 << 8), named("xvdfan", 4095 << 8, 256));
}

#[test]
fn ide_and_scsi_numbers_become_xvd_names() {
    for (vdev, name, first) in [
        (3 << 8, "xvda", 0),
        (3 << 8 | 64, "xvdb", 16),
        (22 << 8, "xvdc", 32),
        (22 << 8 | 64, "xvdd", 48),
        (3 << 8 | 1, "xvda", 0),
        (8 << 8, "xvda", 0),
        (8 << 8 | 16, "xvdb", 16),
        (65 << 8, "xvdq", 256),
        (71 << 8 | 240, "xvddx", 2032),
        (128 << 8, "xvddy", 2048),
        (135 << 8 | 240, "xvdiv", 4080),
    ] {
        assert_eq!(place(vdev), named(name, first, 16), "{vdev:#x}");
    }
    assert_eq!(place(8 << 8 | 3), named("xvda3", 3, 1));
    assert_eq!(Placement::of(768).unwrap().family, Family::Hd);
    assert_eq!(Placement::of(2048).unwrap().family, Family::Sd);
    assert_eq!(Placement::of(51712).unwrap().family, Family::Xvd);
}

#[test]
fn numbers_that_name_no_disk() {
    for (vdev, why) in [
        (0, BadDeviceNumber::UnknownMajor(0)),
        (9 << 8, BadDeviceNumber::UnknownMajor(9 << 8)),
        (72 << 8, BadDeviceNumber::UnknownMajor(72 << 8)),
        (136 << 8, BadDeviceNumber::UnknownMajor(136 << 8)),
        (
            1 << 16 | 202 << 8,
            BadDeviceNumber::UnknownMajor(1 << 16 | 202 << 8),
        ),
        (1 << 29, BadDeviceNumber::AboveExtendedRange(1 << 29)),
        (u32::MAX, BadDeviceNumber::AboveExtendedRange(u32::MAX)),
        (
            1 << 28 | 1 << 20,
            BadDeviceNumber::MinorOutOfRange(1 << 28 | 1 << 20),
        ),
    ] {
        assert_eq!(Placement::of(vdev), Err(why), "{vdev:#x}");
        assert!(!why.to_string().is_empty());
    }
}

#[test]
fn reading_the_node() {
    assert_eq!(parse_virtual_device(b"51712"), Ok(51712));
    assert_eq!(parse_virtual_device(b"0xca00"), Ok(51712));
    for bad in [
        &b""[..],
        b"0x",
        b"+1",
        b"-1",
        b" 51712",
        b"51712\n",
        b"4294967296",
        b"xvda",
        b"\xff",
    ] {
        assert_eq!(
            parse_virtual_device(bad),
            Err(BadDeviceNumber::NotANumber),
            "{bad:?}"
        );
    }
}

#[test]
fn overlapping_minors() {
    let minors = |first, count| Minors { first, count };
    assert!(minors(0, 16).overlaps(&minors(15, 1)));
    assert!(minors(15, 1).overlaps(&minors(0, 256)));
    assert!(!minors(0, 16).overlaps(&minors(16, 16)));
    assert!(!minors(16, 16).overlaps(&minors(0, 16)));
    assert!(minors(u32::MAX, 16).overlaps(&minors(u32::MAX - 1, 2)));
}

#[test]
fn two_ways_to_say_one_disk() {
    let conflict = |a, b| {
        let (a, b) = (Placement::of(a).unwrap(), Placement::of(b).unwrap());
        assert_eq!(a.conflicts(&b), b.conflicts(&a));
        a.conflicts(&b)
    };
    let classic = |disk: u32, part: u32| 202 << 8 | disk << 4 | part;
    let extended = |disk: u32, part: u32| 1 << 28 | disk << 8 | part;
    // xvdb is minor 16 or 256: no number is shared, but the name is.
    assert!(conflict(classic(1, 0), extended(1, 0)));
    assert!(conflict(classic(1, 3), extended(1, 3)));
    // The partition xvdb3 of a disk, and a vbd of that name.
    assert!(conflict(classic(1, 0), extended(1, 3)));
    assert!(conflict(classic(1, 3), extended(1, 0)));
    // The minor numbers of xvdb and those of the extended xvda.
    assert!(conflict(classic(1, 0), extended(0, 0)));
    assert!(!conflict(classic(1, 3), extended(1, 4)));
    assert!(!conflict(classic(1, 0), extended(2, 0)));
    assert!(!conflict(classic(1, 0), classic(2, 0)));
}

/// Mainline's recursive naming rule, as an oracle.
fn column(n: u32) -> String {
    let last = char::from(b'a' + (n % 26) as u8);
    let head = if n >= 26 {
        column(n / 26 - 1)
    } else {
        String::new()
    };
    head + &last.to_string()
}

proptest! {
    #[test]
    fn any_number_is_placed_or_refused(vdev: u32) {
        if let Ok(at) = Placement::of(vdev) {
            prop_assert!(at.minors.first + at.minors.count <= MINOR_LIMIT);
            prop_assert_eq!(at.is_partition, at.minors.count == 1);
            prop_assert!(at.name.as_str().starts_with("xvd"));
        }
    }

    #[test]
    fn names_follow_the_column_rule(disk in 0u32..4096, part in 0u32..256) {
        let at = Placement::of(1 << 28 | disk << 8 | part).unwrap();
        let digits = if part == 0 { String::new() } else { part.to_string() };
        prop_assert_eq!(at.name.to_string(), std::format!("xvd{}{}", column(disk), digits));
        prop_assert_eq!(at.index, disk);
    }

    #[test]
    fn distinct_extended_disks_never_share_minors(a in 0u32..4096, b in 0u32..4096) {
        let (x, y) = (Placement::of(1 << 28 | a << 8).unwrap(), Placement::of(1 << 28 | b << 8).unwrap());
        prop_assert_eq!(x.minors.overlaps(&y.minors), a == b);
    }
}

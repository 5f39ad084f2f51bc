// SPDX-License-Identifier: GPL-2.0-only
use super::*;
use proptest::prelude::*;
use std::{format, string::String, vec, vec::Vec};

/// A device model: what it knows, and what it was told.
#[derive(Default)]
struct Model {
    magic: u16,
    version: u8,
    blacklists: bool,
    product: Option<u16>,
    build: Option<u32>,
    log: String,
    unplugged: Vec<u16>,
}

impl Model {
    fn speaking(version: u8) -> Self {
        Self {
            magic: MAGIC,
            version,
            ..Self::default()
        }
    }
}

impl Ports for Model {
    fn read8(&mut self, port: u16) -> u8 {
        assert_eq!(port, 0x12);
        self.version
    }

    fn read16(&mut self, port: u16) -> u16 {
        assert_eq!(port, 0x10);
        match (self.blacklists, self.product, self.build) {
            (true, Some(_), Some(_)) => 0xd249,
            _ => self.magic,
        }
    }

    fn write8(&mut self, port: u16, value: u8) {
        assert_eq!(port, 0x12);
        self.log.push(char::from(value));
    }

    fn write16(&mut self, port: u16, value: u16) {
        match port {
            0x10 => self.unplugged.push(value),
            0x12 => self.product = Some(value),
            other => panic!("port {other:#x}"),
        }
    }

    fn write32(&mut self, port: u16, value: u32) {
        assert_eq!(port, 0x10);
        self.build = Some(value);
    }
}

#[test]
fn words() {
    let parse = |text: &str| Classes::parse(text.as_bytes());
    assert_eq!(parse("never"), Some(Classes::empty()));
    assert_eq!(parse("all").map(|all| all.bits()), Some(0xf));
    assert_eq!(parse("ide-disks"), Some(Classes::IDE_DISKS));
    assert_eq!(
        parse("nics,aux-ide-disks,nics"),
        Some(Classes::NICS | Classes::AUX_IDE_DISKS)
    );
    for bad in [
        "",
        ",",
        "nics,",
        ",nics",
        "all,nics",
        "nics,never",
        "NICS",
        " nics",
        "disks",
        "nvme,,nics",
        "1",
    ] {
        assert_eq!(parse(bad), None, "{bad:?}");
    }
}

#[test]
fn version_1_wants_to_know_who_we_are() {
    let mut model = Model::speaking(1);
    let protocol = greet(&mut model).unwrap();
    assert_eq!((model.product, model.build), (Some(3), Some(BUILD)));
    protocol.log(&mut model, "gone");
    protocol.unplug(&mut model, Classes::NICS | Classes::NVME);
    assert_eq!((model.log.as_str(), model.unplugged), ("gone\n", vec![0xa]));
}

#[test]
fn version_0_only_unplugs() {
    let mut model = Model::speaking(0);
    let protocol = greet(&mut model).unwrap();
    protocol.log(&mut model, "gone");
    protocol.unplug(&mut model, Classes::IDE_DISKS);
    assert_eq!((model.product, model.build), (None, None));
    assert_eq!((model.log.as_str(), model.unplugged), ("", vec![1]));
}

#[test]
fn no_protocol_is_nothing_written() {
    for (model, why) in [
        (Model::default(), NoProtocol::Absent),
        (
            Model {
                magic: 0xffff,
                version: 0xff,
                ..Model::default()
            },
            NoProtocol::Absent,
        ),
        (Model::speaking(2), NoProtocol::Version(2)),
    ] {
        let mut model = model;
        assert_eq!(greet(&mut model), Err(why));
        assert_eq!((model.product, model.build), (None, None));
        assert_eq!((model.log.as_str(), model.unplugged.len()), ("", 0));
    }
}

#[test]
fn a_blacklisted_driver_is_told() {
    let mut model = Model {
        blacklists: true,
        ..Model::speaking(1)
    };
    assert_eq!(greet(&mut model), Err(NoProtocol::Blacklisted));
    assert!(model.unplugged.is_empty());
}

#[test]
fn what_goes() {
    let at = |port, device| Some(AtaPlace { port, device });
    let ide = Classes::IDE_DISKS;
    let aux = Classes::AUX_IDE_DISKS;
    for place in [None, at(0, 0), at(0, 1), at(1, 0)] {
        assert!(ide.take(Kind::Ata, place) && (ide | aux).take(Kind::Ata, place));
        assert_eq!(aux.take(Kind::Ata, place), place != at(0, 0), "{place:?}");
        assert!(!Classes::NICS.take(Kind::Ata, place));
    }
    assert!(ide.take(Kind::Scsi, None) && !aux.take(Kind::Scsi, None));
    assert!(Classes::NVME.take(Kind::Nvme, None) && !(ide | aux).take(Kind::Nvme, None));
    assert!(Classes::NICS.take(Kind::Nic, None) && !(ide | Classes::NVME).take(Kind::Nic, None));
    // As QEMU does it: whoever wants NVMe disks gone and nothing else loses the others, too.
    assert!(Classes::NVME.take(Kind::Ata, at(0, 0)) && Classes::NVME.take(Kind::Scsi, None));
}

#[test]
fn kinds() {
    assert_eq!(Kind::of_class(0x0101), Some(Kind::Ata));
    assert_eq!(Kind::of_class(0x0106), Some(Kind::Ata));
    assert_eq!(Kind::of_class(0x0200), Some(Kind::Nic));
    for other in [0u16, 0x0100 - 1, 0x0180, 0x0280, 0x0300, 0xff80] {
        assert_eq!(Kind::of_class(other), None);
    }
    assert!(Kind::Nvme.goes_whole() && Kind::Nic.goes_whole() && !Kind::Ata.goes_whole());
}

proptest! {
    /// A parameter is understood when, and only when, it is made of the words.
    #[test]
    fn only_the_words_are_understood(text in "[a-z,-]{0,40}") {
        let known = |word: &str| WORDS.iter().any(|(known, _)| *known == word.as_bytes());
        let good = text == "all" || text == "never" || text.split(',').all(known);
        prop_assert_eq!(Classes::parse(text.as_bytes()).is_some(), good);
    }

    /// Whatever the ports say, unplugging needs the magic, and only a driver that was let in gets to it.
    #[test]
    fn any_answers(magic: u16, version: u8, blacklists: bool) {
        let mut model = Model { magic, version, blacklists, ..Model::default() };
        let greeted = greet(&mut model);
        let welcome = magic == MAGIC && (version == 0 || version == 1 && !blacklists);
        prop_assert_eq!(greeted.is_ok(), welcome, "{}", format!("{greeted:?}"));
        prop_assert!(model.unplugged.is_empty());
    }

    /// More classes never take less, but for the primary master and SCSI that `aux-ide-disks` spares.
    #[test]
    fn nothing_is_taken_without_its_bit(bits in 0u16..16, port in 0u32..3, device in 0u32..3) {
        let classes = Classes::from_bits_retain(bits);
        let place = Some(AtaPlace { port, device });
        prop_assert_eq!(classes.take(Kind::Nic, None), bits & 2 != 0);
        prop_assert_eq!(classes.take(Kind::Nvme, None), bits & 8 != 0);
        prop_assert!(bits & 0xd != 0 || !classes.take(Kind::Ata, place));
        prop_assert!(bits & 1 == 0 || classes.take(Kind::Ata, place));
        prop_assert!(!classes.take(Kind::Ata, place) || classes.take(Kind::Ata, None));
    }
}

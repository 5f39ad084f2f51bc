// SPDX-License-Identifier: GPL-2.0-only
use crate::features::{carrier, parse_mac, BackendNodes, BadMac, Features, NoRxCopy};
use crate::gso::{Gso, Kind};
use crate::tx::Packet;
use core::num::NonZeroU16;
use proptest::prelude::*;
use xen_sys::netif::TxFlags;

fn nodes<'a>() -> BackendNodes<'a> {
    BackendNodes {
        rx_copy: Some(b"1"),
        sg: Some(b"1"),
        no_csum_offload: Some(b"0"),
        ipv6_csum_offload: Some(b"1"),
        gso_tcpv4: Some(b"1"),
        gso_tcpv6: Some(b"1"),
        multicast_control: Some(b"1"),
    }
}

#[test]
fn a_full_backend_gets_everything() {
    let features = Features::negotiate(&nodes()).unwrap();
    assert_eq!(
        (features.sg, features.csum_v4, features.csum_v6),
        (true, true, true)
    );
    assert!(features.gso_v4 && features.gso_v6);
    assert!(!features.rx_notify);
    assert_eq!(features.mtu_max(), 65517);
}

/// The stack may hand over what was made for an earlier backend.
#[test]
fn packets_that_a_lesser_backend_cannot_take() {
    let size = NonZeroU16::new(1448).unwrap();
    let gso = |kind| Some(Gso { kind, size });
    let packet = |len, gso| Packet::new(len, TxFlags::empty(), gso).unwrap();
    let (v4, v6) = (gso(Kind::TcpV4), gso(Kind::TcpV6));
    let all = Features::negotiate(&nodes()).unwrap();
    for packet in [
        packet(65535, None),
        packet(65535, v4),
        packet(65535, v6),
        packet(1000, v6),
    ] {
        assert!(all.can_take(&packet));
    }
    let no_v6 = BackendNodes {
        gso_tcpv6: None,
        ..nodes()
    };
    let no_v6 = Features::negotiate(&no_v6).unwrap();
    assert!(no_v6.can_take(&packet(65535, v4)) && !no_v6.can_take(&packet(1000, v6)));
    let no_sg = BackendNodes {
        sg: None,
        ..nodes()
    };
    let no_sg = Features::negotiate(&no_sg).unwrap();
    assert!(no_sg.can_take(&packet(4096, None)) && !no_sg.can_take(&packet(4097, None)));
    assert!(!no_sg.can_take(&packet(1000, v4)));
}

#[test]
fn missing_nodes_have_the_headers_defaults() {
    let features = Features::negotiate(&BackendNodes {
        rx_copy: Some(b"1"),
        ..BackendNodes::default()
    })
    .unwrap();
    assert_eq!(
        (features.sg, features.csum_v4, features.csum_v6),
        (false, true, false)
    );
    assert!(!features.gso_v4 && !features.gso_v6);
    assert!(features.rx_notify);
    assert_eq!(features.mtu_max(), 1500);
}

#[test]
fn large_packets_need_several_slots_and_a_blank_checksum() {
    let no = Some(&b"0"[..]);
    for (nodes, v4, v6) in [
        (
            BackendNodes {
                gso_tcpv4: no,
                ..nodes()
            },
            false,
            true,
        ),
        (
            BackendNodes {
                gso_tcpv6: no,
                ..nodes()
            },
            true,
            false,
        ),
        (
            BackendNodes {
                gso_tcpv6: None,
                ..nodes()
            },
            true,
            false,
        ),
        (BackendNodes { sg: no, ..nodes() }, false, false),
        (
            BackendNodes {
                ipv6_csum_offload: no,
                ..nodes()
            },
            true,
            false,
        ),
        (
            BackendNodes {
                no_csum_offload: Some(b"1"),
                ..nodes()
            },
            false,
            true,
        ),
    ] {
        let features = Features::negotiate(&nodes).unwrap();
        assert_eq!((features.gso_v4, features.gso_v6), (v4, v6), "{nodes:?}");
    }
}

#[test]
fn rx_copy_is_required() {
    for value in [None, Some(&b"0"[..]), Some(b""), Some(b"yes"), Some(b"-1")] {
        let nodes = BackendNodes {
            rx_copy: value,
            ..nodes()
        };
        assert_eq!(Features::negotiate(&nodes), Err(NoRxCopy), "{value:?}");
    }
}

#[test]
fn the_mtu_node_is_taken_only_where_it_makes_sense() {
    let sg = Features::negotiate(&nodes()).unwrap();
    let plain = Features { sg: false, ..sg };
    for (text, with_sg, without) in [
        (&b"9000"[..], 9000, 1500),
        (b"1280", 1280, 1280),
        (b"68", 68, 68),
        (b"67", 1500, 1500),
        (b"65517", 65517, 1500),
        (b"65518", 1500, 1500),
        (b"4294968796", 1500, 1500),
        (b"0x5dc", 1500, 1500),
        (b"", 1500, 1500),
    ] {
        assert_eq!(sg.initial_mtu(Some(text)), with_sg, "{text:?}");
        assert_eq!(plain.initial_mtu(Some(text)), without, "{text:?}");
    }
    assert_eq!(sg.initial_mtu(None), 1500);
}

#[test]
fn the_link_is_up_unless_said_otherwise() {
    assert!(carrier(None) && carrier(Some(b"1")) && carrier(Some(b"junk")));
    assert!(!carrier(Some(b"0")));
}

#[test]
fn mac_addresses() {
    assert_eq!(
        parse_mac(b"00:16:3e:0A:bC:ff"),
        Ok([0, 0x16, 0x3e, 0x0a, 0xbc, 0xff])
    );
    for (text, why) in [
        (&b""[..], BadMac::Form),
        (b"00:16:3e:0a:bc", BadMac::Form),
        (b"00:16:3e:0a:bc:ff:", BadMac::Form),
        (b"00:16:3e:0a:bc:ff:00", BadMac::Form),
        (b"00-16-3e-0a-bc-ff", BadMac::Form),
        (b"0:16:3e:0a:bc:ff", BadMac::Form),
        (b"00:16:3e:0a:bc:f", BadMac::Form),
        (b"00:16:3e:0a:bc:fg", BadMac::Form),
        (b"+0:16:3e:0a:bc:ff", BadMac::Form),
        (b"00:16:3e:0a:bc:ff\n", BadMac::Form),
        (b"00:00:00:00:00:00", BadMac::Zero),
        (b"01:16:3e:0a:bc:ff", BadMac::Multicast),
        (b"ff:ff:ff:ff:ff:ff", BadMac::Multicast),
    ] {
        assert_eq!(parse_mac(text), Err(why), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_upsets_the_parsers(text in prop::collection::vec(any::<u8>(), 0..24)) {
        let _ = parse_mac(&text);
        let _ = carrier(Some(&text));
        let features = Features::negotiate(&nodes()).unwrap();
        let mtu = features.initial_mtu(Some(&text));
        prop_assert!((68..=65517).contains(&mtu));
    }

    #[test]
    fn every_station_address_survives_the_round_trip(mac in any::<[u8; 6]>()) {
        prop_assume!(mac[0] & 1 == 0 && mac != [0; 6]);
        let text = mac.map(|byte| std::format!("{byte:02x}")).join(":");
        prop_assert_eq!(parse_mac(text.as_bytes()), Ok(mac));
    }
}

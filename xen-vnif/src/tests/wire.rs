// SPDX-License-Identifier: GPL-2.0-only
use crate::wire::{Extra, RxRequest, RxResponse, TxRequest, TxResponse};
use core::mem::{offset_of, size_of};

#[test]
fn layouts_are_those_of_netif_h() {
    assert_eq!(size_of::<TxRequest>(), 12);
    assert_eq!(offset_of!(TxRequest, gref), 0);
    assert_eq!(offset_of!(TxRequest, offset), 4);
    assert_eq!(offset_of!(TxRequest, flags), 6);
    assert_eq!(offset_of!(TxRequest, id), 8);
    assert_eq!(offset_of!(TxRequest, size), 10);
    assert_eq!(size_of::<TxResponse>(), 4);
    assert_eq!(offset_of!(TxResponse, status), 2);
    assert_eq!(size_of::<RxRequest>(), 8);
    assert_eq!(offset_of!(RxRequest, gref), 4);
    assert_eq!(size_of::<RxResponse>(), 8);
    assert_eq!(offset_of!(RxResponse, offset), 2);
    assert_eq!(offset_of!(RxResponse, flags), 4);
    assert_eq!(offset_of!(RxResponse, status), 6);
}

#[test]
fn extra_info_lies_where_the_id_is() {
    let slot = RxResponse {
        id: u16::from_le_bytes([Extra::GSO, 1]),
        ..RxResponse::default()
    };
    assert_eq!(
        slot.as_extra(),
        Extra {
            kind: Extra::GSO,
            more: true
        }
    );
    let slot = RxResponse {
        id: u16::from_le_bytes([4, 0xfe]),
        ..RxResponse::default()
    };
    assert_eq!(
        slot.as_extra(),
        Extra {
            kind: 4,
            more: false
        }
    );
}

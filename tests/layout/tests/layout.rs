// SPDX-License-Identifier: GPL-2.0-only
//! Our numbers against those of a C compiler.
use layout::{claims, evaluate, generated};
use ring::{capacity, HEADER_SIZE};
use xen_sys::blkif::{
    BlkifDiscardRequest, BlkifIndirectRequest, BlkifRequest, BlkifResponse, BlkifRwRequest,
    BlkifSegment,
};
use xen_sys::grant_table::GrantEntryV1;
use xen_sys::netif::{
    NetifExtraInfo, NetifRxRequest, NetifRxResponse, NetifRxSlot, NetifTxRequest, NetifTxResponse,
    NetifTxSlot,
};
use xen_sys::xenstore::XsdSockmsg;
use xen_sys::{console, event_channel, shared_info, xenstore};

/// Compares values that we have for C expressions with what the compiler says.
fn compare(declarations: &str, claims: impl IntoIterator<Item = (String, i64)>) -> usize {
    let (expressions, ours): (Vec<_>, Vec<_>) = claims.into_iter().unzip();
    let theirs = evaluate(declarations, &expressions).unwrap();
    let wrong: Vec<_> = expressions
        .iter()
        .zip(ours.iter().zip(&theirs))
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(expression, (ours, theirs))| format!("{expression} is {theirs}, not {ours}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    expressions.len()
}

#[test]
fn every_constant() {
    let claims = claims(&generated().unwrap());
    assert!(compare("", claims.constants) > 250);
}

#[test]
fn every_structure() {
    let claims = claims(&generated().unwrap());
    assert!(compare("", claims.layouts) > 150);
}

/// `expression => value` pairs.
macro_rules! expect {
    ($($expression:literal => $value:expr,)*) => {
        [$(($expression.to_string(), $value as i64)),*]
    };
}

#[test]
fn wire_types() {
    use std::mem::{offset_of, size_of};
    compare(
        "",
        expect! {
            "sizeof(union blkif_sring_entry)" => size_of::<BlkifRequest>(),
            "sizeof(blkif_request_t)" => size_of::<BlkifRwRequest>(),
            "sizeof(union blkif_sring_entry) " => size_of::<BlkifDiscardRequest>(),
            "sizeof(union blkif_sring_entry)  " => size_of::<BlkifIndirectRequest>(),
            "sizeof(blkif_response_t)" => size_of::<BlkifResponse>(),
            "sizeof(struct blkif_request_segment)" => size_of::<BlkifSegment>(),
            "offsetof(struct blkif_request, seg)" => offset_of!(BlkifRwRequest, segments),
            "offsetof(struct blkif_request_discard, nr_sectors)" => offset_of!(BlkifDiscardRequest, nr_sectors),
            "offsetof(struct blkif_request_indirect, indirect_grefs)" => offset_of!(BlkifIndirectRequest, indirect_grefs),
            "offsetof(struct blkif_request_indirect, handle)" => offset_of!(BlkifIndirectRequest, handle),
            "offsetof(struct blkif_response, status)" => offset_of!(BlkifResponse, status),
            "sizeof(union netif_tx_sring_entry)" => size_of::<NetifTxSlot>(),
            "sizeof(union netif_rx_sring_entry)" => size_of::<NetifRxSlot>(),
            "sizeof(struct netif_tx_request)" => size_of::<NetifTxRequest>(),
            "sizeof(struct netif_tx_response)" => size_of::<NetifTxResponse>(),
            "sizeof(struct netif_rx_request)" => size_of::<NetifRxRequest>(),
            "sizeof(struct netif_rx_response)" => size_of::<NetifRxResponse>(),
            "sizeof(struct netif_extra_info)" => size_of::<NetifExtraInfo>(),
            "offsetof(struct netif_extra_info, u)" => offset_of!(NetifExtraInfo, data),
            "sizeof(struct grant_entry_v1)" => size_of::<GrantEntryV1>(),
            "offsetof(struct grant_entry_v1, frame)" => offset_of!(GrantEntryV1, frame),
            "sizeof(struct xsd_sockmsg)" => size_of::<XsdSockmsg>(),
            "offsetof(struct xsd_sockmsg, len)" => offset_of!(XsdSockmsg, len),
        },
    );
}

#[test]
fn pages() {
    compare(
        "",
        expect! {
            "offsetof(struct xenstore_domain_interface, rsp)" => xenstore::interface::RSP,
            "offsetof(struct xenstore_domain_interface, req_cons)" => xenstore::interface::REQ_CONS,
            "offsetof(struct xenstore_domain_interface, req_prod)" => xenstore::interface::REQ_PROD,
            "offsetof(struct xenstore_domain_interface, rsp_cons)" => xenstore::interface::RSP_CONS,
            "offsetof(struct xenstore_domain_interface, rsp_prod)" => xenstore::interface::RSP_PROD,
            "offsetof(struct xenstore_domain_interface, server_features)" => xenstore::interface::SERVER_FEATURES,
            "offsetof(struct xenstore_domain_interface, connection)" => xenstore::interface::CONNECTION,
            "offsetof(struct xenstore_domain_interface, error)" => xenstore::interface::ERROR,
            "sizeof(((struct xencons_interface *)0)->in)" => console::IN_SIZE,
            "sizeof(((struct xencons_interface *)0)->out)" => console::OUT_SIZE,
            "offsetof(struct xencons_interface, out_prod)" => console::OUT_PROD,
            "sizeof(struct vcpu_info)" => shared_info::VCPU_INFO_SIZE,
            "offsetof(struct shared_info, evtchn_pending)" => shared_info::EVTCHN_PENDING,
            "offsetof(struct shared_info, evtchn_mask)" => shared_info::EVTCHN_MASK,
            "offsetof(struct shared_info, wc_sec)" => shared_info::WC_SEC,
            "sizeof(((struct shared_info *)0)->evtchn_mask) / 8" => shared_info::EVTCHN_WORDS,
            "offsetof(struct vcpu_info, evtchn_upcall_pending)" => shared_info::vcpu_info::EVTCHN_UPCALL_PENDING,
            "offsetof(struct vcpu_info, evtchn_pending_sel)" => shared_info::vcpu_info::EVTCHN_PENDING_SEL,
            "offsetof(struct vcpu_info, time)" => shared_info::vcpu_info::TIME,
            "EVTCHN_2L_NR_CHANNELS" => event_channel::NR_PORTS_2L,
            "EVTCHN_FIFO_NR_CHANNELS" => event_channel::NR_PORTS_FIFO,
            "1u << EVTCHN_FIFO_PENDING" => event_channel::FIFO_PENDING,
            "1u << EVTCHN_FIFO_MASKED" => event_channel::FIFO_MASKED,
            "1u << EVTCHN_FIFO_LINKED" => event_channel::FIFO_LINKED,
            "1u << EVTCHN_FIFO_BUSY" => event_channel::FIFO_BUSY,
            "sizeof(struct evtchn_fifo_control_block)" => event_channel::FIFO_CONTROL_BLOCK_SIZE,
            "offsetof(struct evtchn_fifo_control_block, head)" => event_channel::FIFO_HEADS,
        },
    );
}

#[test]
fn rings() {
    let mut claims = Vec::new();
    for order in 0..=4 {
        let bytes = 4096usize << order;
        let sizes = [
            ("blkif", capacity::<BlkifRequest, BlkifResponse>(bytes)),
            ("netif_tx", capacity::<NetifTxSlot, NetifTxResponse>(bytes)),
            ("netif_rx", capacity::<NetifRxRequest, NetifRxSlot>(bytes)),
        ];
        for (name, slots) in sizes {
            claims.push((format!("__CONST_RING_SIZE({name}, {bytes})"), slots.into()));
        }
    }
    for name in ["blkif", "netif_tx", "netif_rx"] {
        for (field, offset) in [
            ("req_prod", 0),
            ("req_event", 4),
            ("rsp_prod", 8),
            ("rsp_event", 12),
            ("ring", HEADER_SIZE as i64),
        ] {
            claims.push((format!("offsetof(struct {name}_sring, {field})"), offset));
        }
    }
    compare("", claims);
}

/// The header's own `RING_PUSH_REQUESTS_AND_CHECK_NOTIFY` against ours, near the wrap and far from it.
#[test]
fn notifications_are_those_of_the_macros() {
    use ring::{FrontRing, SharedMemory};
    use std::sync::atomic::Ordering::Relaxed;

    let declarations = "
        #define xen_mb()
        #define xen_wmb()
        static int check(unsigned old, unsigned count, unsigned event)
        {
            static struct { union { struct blkif_sring s; char page[4096]; }; } shared;
            struct blkif_front_ring front = { .req_prod_pvt = old + count, .sring = &shared.s };
            int notify;
            shared.s.req_prod = old;
            shared.s.req_event = event;
            RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front, notify);
            return notify;
        }";
    let mut claims = Vec::new();
    for old in [0u32, 5, u32::MAX, u32::MAX - 3, 1 << 31] {
        for count in [0u32, 1, 2, 31] {
            for event in [-2i32, -1, 0, 1, 2, 3, 31, 32, i32::MAX, i32::MIN] {
                let event = old.wrapping_add_signed(event);
                let memory = SharedMemory::zeroed(4096);
                let mut front =
                    FrontRing::<BlkifRequest, BlkifResponse>::starting_at(&memory, old).unwrap();
                for _ in 0..count {
                    front
                        .push_request(&BlkifRwRequest::default().into())
                        .unwrap();
                }
                memory.atomic_u32(4).unwrap().store(event, Relaxed);
                let notify = front.push_requests_and_check_notify().is_needed();
                claims.push((format!("check({old}u, {count}u, {event}u)"), notify.into()));
            }
        }
    }
    assert_eq!(compare(declarations, claims), 200);
}

#[test]
fn a_wrong_number_is_seen() {
    let wrong = std::panic::catch_unwind(|| {
        compare("", [("sizeof(struct blkif_response)".to_string(), 12)]);
    });
    assert!(wrong.is_err());
    assert!(evaluate("", &["sizeof(struct no_such_thing)".to_string()]).is_err());
}

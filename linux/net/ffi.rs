// SPDX-License-Identifier: GPL-2.0-only
//! The functions of `shim.c` and the structures it shares with Rust (`shim.h`).

use core::ffi::{c_int, c_void};
use kernel::{bindings::sk_buff, ffi::c_char};

/// `struct net_device`, known to C only.
#[repr(C)]
pub(crate) struct RawNetDevice {
    _opaque: [u8; 0],
}

/// `struct napi_struct`, known to C only.
#[repr(C)]
pub(crate) struct RawNapi {
    _opaque: [u8; 0],
}

/// The head of `struct xenpv_net`.
#[repr(C)]
pub(crate) struct Private {
    pub(crate) data: *mut c_void,
    pub(crate) dev: *mut RawNetDevice,
}

/// `struct xenpv_net_callbacks`.
#[repr(C)]
pub(crate) struct Callbacks {
    pub(crate) start_xmit: unsafe extern "C" fn(*mut sk_buff, *mut RawNetDevice) -> c_int,
    pub(crate) poll: unsafe extern "C" fn(*mut RawNapi, c_int) -> c_int,
    pub(crate) opened: unsafe extern "C" fn(*mut RawNetDevice),
    pub(crate) closed: unsafe extern "C" fn(*mut RawNetDevice),
    pub(crate) statistics: unsafe extern "C" fn(*mut c_void, *mut crate::Statistics),
    pub(crate) read_counters: unsafe extern "C" fn(*mut RawNetDevice, *mut u64),
    pub(crate) counter_names: *const *const c_char,
    pub(crate) counters: u32,
}

pub(crate) const XENPV_NET_SG: u32 = 1;
pub(crate) const XENPV_NET_CSUM_V4: u32 = 2;
pub(crate) const XENPV_NET_CSUM_V6: u32 = 4;
pub(crate) const XENPV_NET_GSO_V4: u32 = 8;
pub(crate) const XENPV_NET_GSO_V6: u32 = 16;

pub(crate) const XENPV_TX_CSUM_PARTIAL: u32 = 1;
pub(crate) const XENPV_TX_CSUM_VALID: u32 = 2;
pub(crate) const XENPV_TX_XMIT_MORE: u32 = 4;
pub(crate) const XENPV_TX_GSO_V4: u32 = 8;
pub(crate) const XENPV_TX_GSO_V6: u32 = 16;
pub(crate) const XENPV_TX_GSO_SIZE_SHIFT: u32 = 16;

pub(crate) const XENPV_RX_CSUM_UNKNOWN: u32 = 0;
pub(crate) const XENPV_RX_CSUM_VALID: u32 = 1;
pub(crate) const XENPV_RX_CSUM_BLANK: u32 = 2;

pub(crate) const XENPV_RX_GSO_NONE: u32 = 0;
pub(crate) const XENPV_RX_GSO_V4: u32 = 1;
pub(crate) const XENPV_RX_GSO_V6: u32 = 2;

/// `NETDEV_TX_OK` of `include/linux/netdevice.h`.
pub(crate) const NETDEV_TX_OK: c_int = 0;

extern "C" {
    pub(crate) static xenpv_net_private_offset: usize;
    pub(crate) static xenpv_net_napi_offset: usize;

    pub(crate) fn xenpv_net_alloc(
        callbacks: *const Callbacks,
        data: *mut c_void,
        mac: *const u8,
        driver_name: *const c_char,
    ) -> *mut RawNetDevice;
    pub(crate) fn xenpv_net_free(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_register(dev: *mut RawNetDevice, parent: *mut c_void) -> c_int;
    pub(crate) fn xenpv_net_unregister(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_set_limits(dev: *mut RawNetDevice, features: u32, mtu_max: u32);
    pub(crate) fn xenpv_net_set_mtu(dev: *mut RawNetDevice, mtu: u32);
    pub(crate) fn xenpv_net_carrier(dev: *mut RawNetDevice, up: bool);
    pub(crate) fn xenpv_net_notify_peers(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_tx_lock(dev: *mut RawNetDevice, wait: bool) -> bool;
    pub(crate) fn xenpv_net_tx_unlock(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_tx_disable(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_tx_stop(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_tx_wake(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_schedule(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_schedule_irqoff(dev: *mut RawNetDevice);
    pub(crate) fn xenpv_net_schedule_after(dev: *mut RawNetDevice, ms: u32);
    pub(crate) fn xenpv_napi_complete(napi: *mut RawNapi, work: c_int) -> bool;
    pub(crate) fn xenpv_napi_reschedule(napi: *mut RawNapi);
    pub(crate) fn xenpv_bh_disable();
    pub(crate) fn xenpv_bh_enable();

    pub(crate) fn xenpv_skb_tx_begin(skb: *mut sk_buff) -> u32;
    pub(crate) fn xenpv_skb_copy_bits(
        skb: *const sk_buff,
        offset: u32,
        into: *mut c_void,
        len: u32,
    ) -> c_int;
    pub(crate) fn xenpv_skb_keep(skb: *mut sk_buff);
    pub(crate) fn xenpv_skb_consume_any(skb: *mut sk_buff);
    pub(crate) fn xenpv_skb_drop_any(skb: *mut sk_buff);

    pub(crate) fn xenpv_rx_begin(napi: *mut RawNapi, len: u32, linear: *mut u32) -> *mut sk_buff;
    pub(crate) fn xenpv_rx_append(
        napi: *mut RawNapi,
        skb: *mut sk_buff,
        linear: u32,
        from: *const c_void,
        len: u32,
    ) -> c_int;
    pub(crate) fn xenpv_rx_deliver(
        napi: *mut RawNapi,
        skb: *mut sk_buff,
        csum: u32,
        gso: u32,
        gso_size: u16,
    ) -> bool;

    /// `net/core/skbuff.c`.
    pub(crate) fn napi_consume_skb(skb: *mut sk_buff, budget: c_int);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the crate linux_net asks of C. struct net_device, struct napi_struct and all but the first fields of struct
 * sk_buff stay opaque to Rust: their layout and the inline functions around them change from kernel to kernel.
 */
#ifndef XENPV_LINUX_NET_SHIM_H
#define XENPV_LINUX_NET_SHIM_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/* Mirrored by Statistics in device.rs. */
struct xenpv_net_statistics {
	u64 rx_packets, rx_bytes, rx_errors, rx_dropped;
	u64 tx_packets, tx_bytes, tx_errors, tx_dropped;
};

/* What the driver does; mirrored by Callbacks in ffi.rs. `data` is what was given to xenpv_net_alloc(). */
struct xenpv_net_callbacks {
	netdev_tx_t (*start_xmit)(struct sk_buff *skb, struct net_device *dev);
	int (*poll)(struct napi_struct *napi, int budget);
	void (*opened)(struct net_device *dev);
	void (*closed)(struct net_device *dev);
	void (*statistics)(void *data, struct xenpv_net_statistics *into);
	void (*read_counters)(struct net_device *dev, u64 *into);
	const char *const *counter_names;
	u32 counters;
};

/* All flags here are mirrored by the consts of the same names in ffi.rs. */
#define XENPV_NET_SG		1u
#define XENPV_NET_CSUM_V4	2u
#define XENPV_NET_CSUM_V6	4u
#define XENPV_NET_GSO_V4	8u
#define XENPV_NET_GSO_V6	16u

#define XENPV_TX_CSUM_PARTIAL	1u
#define XENPV_TX_CSUM_VALID	2u
#define XENPV_TX_XMIT_MORE	4u
#define XENPV_TX_GSO_V4		8u
#define XENPV_TX_GSO_V6		16u
/* Above the flags: the payload of each segment. */
#define XENPV_TX_GSO_SIZE_SHIFT	16

#define XENPV_RX_CSUM_UNKNOWN	0u
#define XENPV_RX_CSUM_VALID	1u
#define XENPV_RX_CSUM_BLANK	2u

#define XENPV_RX_GSO_NONE	0u
#define XENPV_RX_GSO_V4		1u
#define XENPV_RX_GSO_V6		2u

/* Bytes from a net_device to its private part, and from a napi_struct back to the private part it lies in. */
extern const size_t xenpv_net_private_offset;
extern const size_t xenpv_net_napi_offset;

struct net_device *xenpv_net_alloc(const struct xenpv_net_callbacks *callbacks, void *data, const u8 *mac,
				   const char *driver_name);
void xenpv_net_free(struct net_device *dev);
int xenpv_net_register(struct net_device *dev, struct device *parent);
void xenpv_net_unregister(struct net_device *dev);
void xenpv_net_set_limits(struct net_device *dev, u32 features, u32 mtu_max);
void xenpv_net_set_mtu(struct net_device *dev, u32 mtu);
void xenpv_net_carrier(struct net_device *dev, bool up);
void xenpv_net_notify_peers(struct net_device *dev);
bool xenpv_net_tx_lock(struct net_device *dev, bool wait);
void xenpv_net_tx_unlock(struct net_device *dev);
void xenpv_net_tx_disable(struct net_device *dev);
void xenpv_net_tx_stop(struct net_device *dev);
void xenpv_net_tx_wake(struct net_device *dev);
void xenpv_net_schedule(struct net_device *dev);
void xenpv_net_schedule_irqoff(struct net_device *dev);
void xenpv_net_schedule_after(struct net_device *dev, u32 ms);
bool xenpv_napi_complete(struct napi_struct *napi, int work);
void xenpv_napi_reschedule(struct napi_struct *napi);
void xenpv_bh_disable(void);
void xenpv_bh_enable(void);

u32 xenpv_skb_tx_begin(struct sk_buff *skb);
int xenpv_skb_copy_bits(const struct sk_buff *skb, u32 offset, void *into, u32 len);
void xenpv_skb_keep(struct sk_buff *skb);
void xenpv_skb_consume_any(struct sk_buff *skb);
void xenpv_skb_drop_any(struct sk_buff *skb);

struct sk_buff *xenpv_rx_begin(struct napi_struct *napi, u32 len, u32 *linear);
int xenpv_rx_append(struct napi_struct *napi, struct sk_buff *skb, u32 linear, const void *from, u32 len);
bool xenpv_rx_deliver(struct napi_struct *napi, struct sk_buff *skb, u32 csum, u32 gso, u16 gso_size);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* Network devices for the crate linux_net: see shim.h for the why, device.rs and skb.rs for the rules of use. */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <linux/timer.h>
#include <net/dst.h>
#include <net/page_pool/helpers.h>

#include "../c/xenpv.h"
#include "shim.h"

#define XENPV_NET_OFFLOADS (NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_TSO | NETIF_F_TSO6)
/* The largest packet that the wire format can say, its Ethernet header included. */
#define XENPV_PACKET_MAX 65535u
/* A received packet up to so long lies in one piece, of a longer one so much for the headers. */
#define XENPV_RX_LINEAR 2048u
#define XENPV_RX_HEAD 256u
#define XENPV_RX_POOL_PAGES 256
/* The least that is worth a copy of ours: skb_copy_bits() uses memcpy(). */
#define XENPV_BLOCK_MIN 512u

/* netdev_priv(). The head is mirrored by Private in ffi.rs. */
struct xenpv_net {
	void *data;
	struct net_device *dev;

	const struct xenpv_net_callbacks *callbacks;
	const char *driver_name;
	/* Those of XENPV_NET_OFFLOADS that the other end can bear. */
	netdev_features_t allowed;
	struct napi_struct napi;
	struct timer_list timer;
	/* Memory for received packets while the interface is up, which comes back from the stack as it is: only this guest has ever seen it. */
	struct page_pool *pool;
	struct net_device_ops ops;
};

const size_t xenpv_net_private_offset = offsetof(struct net_device, priv);
const size_t xenpv_net_napi_offset = offsetof(struct xenpv_net, napi);

static void xenpv_net_timer(struct timer_list *timer)
{
	struct xenpv_net *net = timer_container_of(net, timer, timer);

	napi_schedule(&net->napi);
}

static struct page_pool *xenpv_net_pool(struct net_device *dev, struct napi_struct *napi)
{
	struct page_pool_params params = {
		.pool_size = XENPV_RX_POOL_PAGES,
		.nid = NUMA_NO_NODE,
		.napi = napi,
		.netdev = dev,
	};
	struct page_pool *pool = page_pool_create(&params);

	return IS_ERR(pool) ? NULL : pool;
}

static int xenpv_net_open(struct net_device *dev)
{
	struct xenpv_net *net = netdev_priv(dev);

	/* Under RTNL and never in the bus's thread: it takes a lock whose holders wait for memory. */
	net->pool = xenpv_net_pool(dev, &net->napi);
	if (!net->pool)
		return -ENOMEM;
	napi_enable(&net->napi);
	netif_tx_start_all_queues(dev);
	net->callbacks->opened(dev);
	return 0;
}

static int xenpv_net_stop(struct net_device *dev)
{
	struct xenpv_net *net = netdev_priv(dev);

	netif_tx_disable(dev);
	napi_disable(&net->napi);
	timer_delete_sync(&net->timer);
	/* It outlives us if the stack still has memory of it. */
	page_pool_destroy(net->pool);
	net->pool = NULL;
	net->callbacks->closed(dev);
	return 0;
}

static netdev_features_t xenpv_net_fix_features(struct net_device *dev, netdev_features_t features)
{
	struct xenpv_net *net = netdev_priv(dev);

	return features & (net->allowed | ~XENPV_NET_OFFLOADS);
}

static void xenpv_net_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct xenpv_net *net = netdev_priv(dev);
	struct xenpv_net_statistics now = {};

	net->callbacks->statistics(net->data, &now);
	stats->rx_packets = now.rx_packets;
	stats->rx_bytes = now.rx_bytes;
	stats->rx_errors = now.rx_errors;
	stats->rx_dropped = now.rx_dropped;
	stats->tx_packets = now.tx_packets;
	stats->tx_bytes = now.tx_bytes;
	stats->tx_errors = now.tx_errors;
	stats->tx_dropped = now.tx_dropped;
}

static void xenpv_net_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct xenpv_net *net = netdev_priv(dev);

	strscpy(info->driver, net->driver_name, sizeof(info->driver));
	if (dev->dev.parent)
		strscpy(info->bus_info, dev_name(dev->dev.parent), sizeof(info->bus_info));
}

static int xenpv_net_get_sset_count(struct net_device *dev, int set)
{
	struct xenpv_net *net = netdev_priv(dev);

	return set == ETH_SS_STATS ? net->callbacks->counters : -EOPNOTSUPP;
}

static void xenpv_net_get_strings(struct net_device *dev, u32 set, u8 *data)
{
	struct xenpv_net *net = netdev_priv(dev);
	u32 i;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < net->callbacks->counters; i++)
		ethtool_puts(&data, net->callbacks->counter_names[i]);
}

static void xenpv_net_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	struct xenpv_net *net = netdev_priv(dev);

	net->callbacks->read_counters(dev, data);
}

static const struct ethtool_ops xenpv_net_ethtool_ops = {
	.get_drvinfo = xenpv_net_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_sset_count = xenpv_net_get_sset_count,
	.get_strings = xenpv_net_get_strings,
	.get_ethtool_stats = xenpv_net_get_ethtool_stats,
};

static const struct net_device_ops xenpv_net_ops = {
	.ndo_open = xenpv_net_open,
	.ndo_stop = xenpv_net_stop,
	.ndo_fix_features = xenpv_net_fix_features,
	.ndo_get_stats64 = xenpv_net_get_stats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

struct net_device *xenpv_net_alloc(const struct xenpv_net_callbacks *callbacks, void *data, const u8 *mac,
				   const char *driver_name)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct xenpv_net));
	struct xenpv_net *net;

	if (!dev)
		return NULL;
	net = netdev_priv(dev);
	net->data = data;
	net->dev = dev;
	net->callbacks = callbacks;
	net->driver_name = driver_name;
	net->ops = xenpv_net_ops;
	/* Called straight from the stack: a packet passes no C function of ours on its way into the driver. */
	net->ops.ndo_start_xmit = callbacks->start_xmit;
	timer_setup(&net->timer, xenpv_net_timer, 0);
	dev->netdev_ops = &net->ops;
	dev->ethtool_ops = &xenpv_net_ethtool_ops;
	/* Packets are copied, from wherever their parts lie. */
	dev->hw_features = XENPV_NET_OFFLOADS;
	dev->features = XENPV_NET_OFFLOADS | NETIF_F_RXCSUM | NETIF_F_HIGHDMA | NETIF_F_FRAGLIST;
	/* A packet that is kept is changed. */
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_DATA_LEN;
	netif_set_tso_max_size(dev, XENPV_PACKET_MAX);
	eth_hw_addr_set(dev, mac);
	netif_napi_add(dev, &net->napi, callbacks->poll);
	netif_carrier_off(dev);
	return dev;
}

void xenpv_net_free(struct net_device *dev)
{
	struct xenpv_net *net = netdev_priv(dev);

	timer_shutdown_sync(&net->timer);
	netif_napi_del(&net->napi);
	free_netdev(dev);
}

int xenpv_net_register(struct net_device *dev, struct device *parent)
{
	/* A registration that failed late leaves it beyond another try. */
	if (dev->reg_state != NETREG_UNINITIALIZED)
		return -ENODEV;
	SET_NETDEV_DEV(dev, parent);
	return register_netdev(dev);
}

void xenpv_net_unregister(struct net_device *dev)
{
	if (dev->reg_state == NETREG_REGISTERED)
		unregister_netdev(dev);
}

/* What the other end can bear may be less than before, when it has come back: then user space loses it. */
void xenpv_net_set_limits(struct net_device *dev, u32 features, u32 mtu_max)
{
	struct xenpv_net *net = netdev_priv(dev);

	rtnl_lock();
	net->allowed = (features & XENPV_NET_SG ? NETIF_F_SG : 0) |
		       (features & XENPV_NET_CSUM_V4 ? NETIF_F_IP_CSUM : 0) |
		       (features & XENPV_NET_CSUM_V6 ? NETIF_F_IPV6_CSUM : 0) |
		       (features & XENPV_NET_GSO_V4 ? NETIF_F_TSO : 0) |
		       (features & XENPV_NET_GSO_V6 ? NETIF_F_TSO6 : 0);
	dev->max_mtu = mtu_max;
	if (dev->reg_state == NETREG_REGISTERED) {
		netdev_update_features(dev);
		if (dev->mtu > mtu_max)
			dev_set_mtu(dev, mtu_max);
	}
	rtnl_unlock();
}

/* Before registration only. */
void xenpv_net_set_mtu(struct net_device *dev, u32 mtu)
{
	dev->mtu = mtu;
}

void xenpv_net_carrier(struct net_device *dev, bool up)
{
	if (up)
		netif_carrier_on(dev);
	else
		netif_carrier_off(dev);
}

/*
 * A link that has just come up has no queueing discipline yet: what is sent goes nowhere. Asking for its state brings that
 * up to date.
 */
void xenpv_net_notify_peers(struct net_device *dev)
{
	rtnl_lock();
	if (dev->reg_state == NETREG_REGISTERED && ethtool_op_get_link(dev))
		__netdev_notify_peers(dev);
	rtnl_unlock();
}

/* The lock that the stack holds around start_xmit. Softirqs are off. */
bool xenpv_net_tx_lock(struct net_device *dev, bool wait)
{
	struct netdev_queue *queue = netdev_get_tx_queue(dev, 0);

	if (!wait)
		return __netif_tx_trylock(queue);
	__netif_tx_lock(queue, smp_processor_id());
	return true;
}

void xenpv_net_tx_unlock(struct net_device *dev)
{
	__netif_tx_unlock(netdev_get_tx_queue(dev, 0));
}

/* No start_xmit runs after this, nor will one until xenpv_net_tx_wake(). */
void xenpv_net_tx_disable(struct net_device *dev)
{
	netif_tx_disable(dev);
}

void xenpv_net_tx_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
}

void xenpv_net_tx_wake(struct net_device *dev)
{
	netif_wake_queue(dev);
}

/* From process context: the softirq runs on return. */
void xenpv_net_schedule(struct net_device *dev)
{
	struct xenpv_net *net = netdev_priv(dev);

	local_bh_disable();
	napi_schedule(&net->napi);
	local_bh_enable();
}

void xenpv_net_schedule_irqoff(struct net_device *dev)
{
	struct xenpv_net *net = netdev_priv(dev);

	napi_schedule_irqoff(&net->napi);
}

void xenpv_net_schedule_after(struct net_device *dev, u32 ms)
{
	struct xenpv_net *net = netdev_priv(dev);

	mod_timer(&net->timer, jiffies + msecs_to_jiffies(ms));
}

bool xenpv_napi_complete(struct napi_struct *napi, int work)
{
	return napi_complete_done(napi, work);
}

void xenpv_napi_reschedule(struct napi_struct *napi)
{
	napi_schedule(napi);
}

void xenpv_bh_disable(void)
{
	local_bh_disable();
}

void xenpv_bh_enable(void)
{
	local_bh_enable();
}

/* Once for each packet, before the other end can see it: timestamps it and says what the driver has to know. */
u32 xenpv_skb_tx_begin(struct sk_buff *skb)
{
	u32 flags = 0;

	skb_tx_timestamp(skb);
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags = XENPV_TX_CSUM_PARTIAL;
	else if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		flags = XENPV_TX_CSUM_VALID;
	if (netdev_xmit_more())
		flags |= XENPV_TX_XMIT_MORE;
	if (skb_is_gso(skb)) {
		/* No other kind is offered to the stack. */
		flags |= skb_is_gso_v6(skb) ? XENPV_TX_GSO_V6 : XENPV_TX_GSO_V4;
		flags |= (u32)skb_shinfo(skb)->gso_size << XENPV_TX_GSO_SIZE_SHIFT;
	}
	return flags;
}

/* Bytes of a packet, from wherever they are. */
int xenpv_skb_copy_bits(const struct sk_buff *skb, u32 offset, void *into, u32 len)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);
	u32 start = skb_headlen(skb), size;
	u32 i;

	if (len < XENPV_BLOCK_MIN || skb_has_frag_list(skb) || !skb_frags_readable(skb))
		return skb_copy_bits(skb, offset, into, len);
	if (offset < start) {
		size = min(len, start - offset);
		xenpv_copy(into, skb->data + offset, size);
		into += size;
		offset += size;
		len -= size;
	}
	for (i = 0; len && i < shared->nr_frags; i++) {
		const skb_frag_t *frag = &shared->frags[i];
		u32 end = start + skb_frag_size(frag);

		if (offset < end) {
			size = min(len, end - offset);
			xenpv_copy(into, skb_frag_address(frag) + (offset - start), size);
			into += size;
			offset += size;
			len -= size;
		}
		start = end;
	}
	return len ? -EFAULT : 0;
}

/* The packet was copied and is only kept for its sender to wait: it need not hold up what else it refers to. */
void xenpv_skb_keep(struct sk_buff *skb)
{
	nf_reset_ct(skb);
	skb_dst_drop(skb);
	skb_ext_reset(skb);
}

void xenpv_skb_consume_any(struct sk_buff *skb)
{
	dev_consume_skb_any(skb);
}

void xenpv_skb_drop_any(struct sk_buff *skb)
{
	dev_kfree_skb_any(skb);
}

/* A received packet with room for `linear` bytes of its `len` in its linear part. */
struct sk_buff *xenpv_rx_begin(struct napi_struct *napi, u32 len, u32 *linear)
{
	*linear = len > XENPV_RX_LINEAR ? XENPV_RX_HEAD : len;
	return napi_alloc_skb(napi, *linear);
}

/*
 * Appends bytes that the other end can still write, each read once, the first `linear` of them to the linear part. Takes a
 * page for the others: -EMSGSIZE if there is none left, -ENOMEM without memory.
 */
int xenpv_rx_append(struct napi_struct *napi, struct sk_buff *skb, u32 linear, const void *from, u32 len)
{
	struct xenpv_net *net = container_of(napi, struct xenpv_net, napi);
	u32 frags = skb_shinfo(skb)->nr_frags;
	struct page *page;

	if (linear)
		xenpv_copy(skb_put(skb, linear), from, linear);
	if (len == linear)
		return 0;
	if (frags >= MAX_SKB_FRAGS)
		return -EMSGSIZE;
	page = page_pool_dev_alloc_pages(net->pool);
	if (!page)
		return -ENOMEM;
	skb_mark_for_recycle(skb);
	xenpv_copy(page_address(page), from + linear, len - linear);
	skb_add_rx_frag(skb, frags, page, 0, len - linear, PAGE_SIZE);
	return 0;
}

/*
 * Marks a packet that stands for several segments. Its headers were parsed by skb_checksum_setup(): what it found must be
 * TCP, over the IP that the other end names, and have more payload than a segment. So a size of GSO_BY_FRAGS, which would
 * mean something else, never gets through. The stack checks the rest before it cuts (SKB_GSO_DODGY).
 */
static bool xenpv_rx_segments(struct sk_buff *skb, u32 gso, u16 size)
{
	bool v4 = gso == XENPV_RX_GSO_V4;
	u32 start = skb_checksum_start_offset(skb);
	u32 headers;

	if (skb->protocol != (v4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6)) ||
	    skb->csum_offset != offsetof(struct tcphdr, check) || !pskb_may_pull(skb, start + sizeof(struct tcphdr)))
		return false;
	headers = start + __tcp_hdrlen((struct tcphdr *)(skb->data + start));
	if (skb->len <= headers + size)
		return true;
	skb_shinfo(skb)->gso_size = size;
	skb_shinfo(skb)->gso_type = (v4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6) | SKB_GSO_DODGY;
	return true;
}

/* Gives the packet to the stack; false if it had to be dropped. */
bool xenpv_rx_deliver(struct napi_struct *napi, struct sk_buff *skb, u32 csum, u32 gso, u16 gso_size)
{
	skb->protocol = eth_type_trans(skb, napi->dev);
	skb_reset_network_header(skb);
	if (gso != XENPV_RX_GSO_NONE) {
		/* Its segments' checksums are still to be made. */
		skb->ip_summed = CHECKSUM_PARTIAL;
		if (skb_checksum_setup(skb, csum != XENPV_RX_CSUM_BLANK) || !xenpv_rx_segments(skb, gso, gso_size))
			goto drop;
	} else if (csum == XENPV_RX_CSUM_VALID) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	} else if (csum == XENPV_RX_CSUM_BLANK) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		if (skb_checksum_setup(skb, false))
			goto drop;
	}
	napi_gro_receive(napi, skb);
	return true;
drop:
	kfree_skb(skb);
	return false;
}

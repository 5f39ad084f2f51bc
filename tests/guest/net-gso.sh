#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Segmentation offload: TCP crosses dom0 in packets of up to 64 KiB both ways, and is cut and summed right afterwards
# timeout: 150
# vif: bridge=xenbr0
# load: xen-platform-pci,xen-vnif
#
# eth0 and eth1 meet on dom0's bridge, which passes large packets on as they are. eth1 is in a network of its own that
# forwards to a third one, "inner", by an interface without any offload:
#
#   eth0 --- dom0 --- [eth1, out] --- [in]
#                         peer        inner
#
# So what eth1 received whole is cut there by what xen-vnif said of it, and inner's TCP checks every checksum itself.
. ./lib.sh
counter() { ${3-} ethtool -S "$1" | sed -n "s/^ *q0_$2: //p"; }
carrier() { [ "$(${2-} cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }
peer="ip netns exec peer"
inner="ip netns exec inner"
SIZE=8388608

for dev in eth0 eth1; do
  wait_for 20 [ -d "/sys/class/net/$dev" ]
  for offload in tcp-segmentation-offload tx-tcp-segmentation tx-tcp6-segmentation tx-checksum-ipv4 tx-checksum-ipv6; do
    ethtool -k $dev | grep -q "$offload: on" || fail "$dev: $(ethtool -k $dev | grep "$offload")"
  done
done
# Nothing is offered that the wire format has no words for.
ethtool -k eth0 | grep -E 'tx-tcp-ecn-segmentation|tx-udp-segmentation' | grep -qv ': off' && fail "$(ethtool -k eth0)"

modprobe veth
ip netns add peer
ip netns add inner
ip link set eth1 netns peer
ip link add out type veth peer name in
ip link set out netns peer
ip link set in netns inner
ip addr add 10.7.0.1/24 dev eth0
ip addr add fd07::1/64 dev eth0 nodad
ip link set eth0 up
$peer ip addr add 10.7.0.2/24 dev eth1
$peer ip addr add fd07::2/64 dev eth1 nodad
$peer ip link set eth1 up
$peer ip addr add 10.8.0.1/24 dev out
$peer ip addr add fd08::1/64 dev out nodad
$peer ip link set out up
$inner ip addr add 10.8.0.2/24 dev in
$inner ip addr add fd08::2/64 dev in nodad
$inner ip link set in up
$peer ethtool -K out tso off gso off tx off sg off >/dev/null
$peer sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip route add 10.8.0.0/24 via 10.7.0.2
ip route add fd08::/64 via fd07::2
$inner ip route add default via 10.8.0.1
$inner ip route add default via fd08::1
wait_for 20 carrier eth0
wait_for 20 carrier eth1 "$peer"
reached() { ping -c 1 -W 2 "$1" >/dev/null; }
wait_for 20 reached 10.8.0.2
wait_for 20 reached fd08::2

mkdir -p /tmp/www
head -c $SIZE /dev/urandom >/tmp/www/data
sum=$(md5sum </tmp/www/data)
httpd -p 80 -h /tmp/www
$inner httpd -p 80 -h /tmp/www

# transfer WHAT FROM TO COMMAND...: fetches the file, which one interface sends and the other receives.
transfer() {
  what=$1 from=$2 to=$3
  shift 3
  from_ns='' to_ns=''
  [ "$from" = eth0 ] || from_ns=$peer
  [ "$to" = eth0 ] || to_ns=$peer
  sent=$(counter "$from" tx_gso_packets "$from_ns") received=$(counter "$to" rx_gso_packets "$to_ns")
  cut=$($peer cat /sys/class/net/out/statistics/tx_packets)
  "$@" >/tmp/in || fail "$what: nothing was fetched"
  equal "$what" "$(md5sum </tmp/in)" "$sum"
  sent=$(($(counter "$from" tx_gso_packets "$from_ns") - sent))
  received=$(($(counter "$to" rx_gso_packets "$to_ns") - received))
  cut=$(($($peer cat /sys/class/net/out/statistics/tx_packets) - cut))
  # 128 of 64 KiB do for all; on a busy machine TCP keeps to two segments a packet, which are 2900.
  at_least "$what: large packets sent" "$sent" 100
  # dom0 may have lost one, and TCP sent it again.
  at_least "$what: large packets received" "$received" 100
  [ "$received" -le "$sent" ] || fail "$what: $received large packets received, $sent sent"
  echo "$what: $sent large packets sent, $received received"
}
for address in 10.7.0.1 '[fd07::1]'; do
  transfer "to inner from $address" eth0 eth1 $inner wget -q -O - "http://$address/data"
  # 1448 bytes of 10.7.0.1's, 1428 of fd07::1's.
  at_least "packets they were cut into" "$cut" $((SIZE / 1448))
  [ "$cut" -lt $((SIZE / 1300)) ] || fail "cut into $cut packets: too small"
done
for address in 10.8.0.2 '[fd08::2]'; do
  transfer "from inner at $address" eth1 eth0 wget -q -O - "http://$address/data"
done
for bad in InErrs InCsumErrors; do
  # The line of names and the line of numbers under it.
  count=$($inner awk -v bad=$bad '/^Tcp:/ { if (names++) print $at; else for (n = 2; n <= NF; n++) if ($n == bad) at = n }' /proc/net/snmp)
  equal "$bad of inner's TCP" "$count" 0
done
for ns in '' "$peer"; do
  dev=eth0
  [ -z "$ns" ] || dev=eth1
  for count in rx_errors tx_errors rx_dropped tx_dropped violations; do
    equal "$count of $dev" "$(counter $dev $count "$ns")" 0
  done
done

# Without the offload the stack cuts.
before=$(counter eth0 tx_gso_packets)
ethtool -K eth0 tso off >/dev/null
$inner wget -q -O /tmp/in http://10.7.0.1/data || fail "cannot fetch without the offload"
equal "fetched without the offload" "$(md5sum </tmp/in)" "$sum"
equal "large packets without the offload" "$(counter eth0 tx_gso_packets)" "$before"

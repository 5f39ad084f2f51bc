#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: The MTU: large packets both ways, limits, and the toolstack's mtu node
# timeout: 90
# load: xen-platform-pci,xen-vnif
. ./lib.sh
exists() { [ -d "/sys/class/net/$1" ]; }
carrier() { [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }


wait_for 20 exists eth0
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier eth0
must_fail ip link set eth0 mtu 67 2>/dev/null
must_fail ip link set eth0 mtu 65518 2>/dev/null

# A new interface whose node mtu says 9000 begins with that.
sync_send attach
wait_for 20 exists eth1
equal "the MTU by the node" "$(cat /sys/class/net/eth1/mtu)" 9000
ip addr add 10.9.1.2/24 dev eth1
ip link set eth1 up
wait_for 20 carrier eth1
sync_wait attached 400
pages=$(report pages live)
at_least "pages of the rings of two interfaces" "$pages" 1028
# 8972 bytes fill a packet: three pages each way. -s 8973 makes two packets.
for size in 2000 2006 2007 4000 4082 8972 8973; do
  ping -c 2 -s "$size" -W 10 10.9.1.1 >/tmp/ping || { cat /tmp/ping; fail "ping of $size bytes"; }
done
# The packets are counted: the backend shall not cut them.
ethtool -K eth1 tso off >/dev/null
head -c 4194304 /dev/urandom >/tmp/data
mkdir /tmp/www
mv /tmp/data /tmp/www/data
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 80 -h /tmp/www
sync_send serving
sync_wait fetched 400
wget -q -O /tmp/in http://10.9.1.1/data || fail "cannot fetch by eth1"
equal "4 MiB there and back" "$(md5sum </tmp/in)" "$(cat /tmp/www/sum)"
# Packets are copied, so the rings' pages stay where they are.
equal "pages afterwards" "$(report pages live)" "$pages"
packets=$(cat /sys/class/net/eth1/statistics/tx_packets)
at_least "packets sent" "$packets" 400
[ "$packets" -lt 1800 ] || fail "4 MiB took $packets packets: not 9000 bytes each"
# And with 1280, less than at first.
ip link set eth1 mtu 1280
ping -c 2 -s 4000 -W 10 10.9.1.1 >/dev/null || fail "ping with an MTU of 1280"
sync_send done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: An interface whose backend went and came announces itself when its link is up again, or when it comes up later
# timeout: 90
# load: xen-platform-pci,xen-vnif
. ./lib.sh
carrier() { [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = "$1" ]; }
stat() { cat "/sys/class/net/eth0/statistics/$1"; }

wait_for 20 [ -d /sys/class/net/eth0 ]
# Nothing is sent of its own accord but what is to be seen.
echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier 1
ping -c 1 -W 10 10.0.0.1 >/dev/null || fail "no ping"

for round in up down; do
  sync_send "restart-$round"
  wait_for 20 carrier 0
  # The queueing discipline goes a while after the link.
  sleep 3
  sync_send "connect-$round"
  sync_wait "announced-$round" 400
  wait_for 20 carrier 1
  ping -c 1 -W 10 10.0.0.1 >/dev/null || fail "no ping after a restart of the backend"
done
equal "dropped packets" "$(stat tx_dropped)" 0
sync_send done

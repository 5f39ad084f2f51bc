#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: modprobe eth0 by the alias; the module removed and inserted again under traffic, nothing left behind
# timeout: 120
# load: xen-platform-pci,xen-balloon,xen-vbd
. ./lib.sh
exists() { [ -d /sys/class/net/eth0 ]; }
carrier() { [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }
no_leak() { [ "$(report grants deferred)" = 0 ] && [ "$(report grants in_use)" = "$grants" ]; }
up() {
  wait_for 20 exists
  ip addr add 10.0.0.2/24 dev eth0
  ip link set eth0 up
  wait_for 20 carrier
  ping -c 1 -s 3000 -W 10 10.0.0.1 >/dev/null || fail "no ping ($1)"
}

# modprobe would bring the other drivers too, and their grants: so they are there before the count.
wait_for 20 [ -b /dev/xvde ]
grants=$(report grants in_use)
channels=$(grep -c xen-event /proc/interrupts)
mkdir -p /etc/modprobe.d
echo "alias eth0 xen-vnif" >/etc/modprobe.d/eth0.conf
modprobe eth0 || fail "modprobe eth0"
up "after modprobe eth0"
echo "modprobe eth0 brings the interface"

for round in 1 2 3 4 5; do
  (while ping -c 100 -i 0.01 -s 8000 -W 1 10.0.0.1 >/dev/null 2>&1; do :; done) &
  pinger=$!
  rmmod xen_vnif || fail "rmmod under traffic"
  wait_for 20 ended $pinger
  must_fail exists
  wait_for 20 no_leak
  equal "event channels" "$(grep -c xen-event /proc/interrupts)" "$channels"
  modprobe eth0
  up "reload $round under traffic"
done
echo "reloaded five times under traffic"

# A xen-netback that may count on feature-rx-notify stops listening in about one of 50: docs/decisions/0017.
for round in $(seq 15); do
  rmmod xen_vnif
  modprobe eth0
  up "reload $round"
done
echo "reloaded fifteen times more"

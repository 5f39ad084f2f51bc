#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: all four modules out and in ten times, devices used each time, and the frontends give back all they took
# load: none
# timeout: 120
. ./lib.sh

mount -t debugfs none /sys/kernel/debug 2>/dev/null || true
REPORT=/sys/kernel/debug/xenpv

# owned: what the services have given out and what exists, without what only counts up.
owned() { grep -hE '^(channels|in_use|deferred|live|devices|watches) ' $REPORT/*; }
idle() { [ "$(owned)" = "$nothing" ]; }
disk_reads() { dd if=/dev/xvde of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null; }
carrier() { [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]; }

insert xen-platform-pci
wait_for 10 test -e /sys/bus/xenpv/devices/vif-0
wait_for 10 grep -qx 'requests 0' $REPORT/store
nothing=$(owned)
echo "$nothing"
equal "references in use by nobody" "$(report grants in_use)" 0
rmmod xen_platform_pci

for round in $(seq 10); do
  for module in xen-platform-pci xen-balloon xen-vbd xen-vnif; do insert $module; done
  wait_for 15 disk_reads
  wait_for 15 test -d /sys/class/net/eth0
  ip link set eth0 up
  wait_for 15 carrier
  [ "$(report grants in_use)" -gt 100 ] || fail "round $round: the frontends use no grants?"
  for module in xen_vnif xen_vbd xen_balloon; do rmmod $module; done
  wait_for 10 idle
  equal "round $round, deferred pages" "$(report grants deferred)" 0
  rmmod xen_platform_pci
done
echo "10 rounds with disk and network in use"

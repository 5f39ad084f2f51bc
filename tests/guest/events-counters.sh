#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Each device counts its events; honest backends are never made to wait
# load: xen-platform-pci,xen-vbd,xen-vnif
# timeout: 120
. ./lib.sh

# counter DEVICE NAME
counter() { cat "/sys/bus/xenpv/devices/$1/xenbus/$2"; }

wait_for 20 [ -b /dev/xvde ]
wait_for 20 [ -d /sys/class/net/eth0 ]
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
disk=$(basename "$(readlink -f /sys/block/xvde/device)")
for device in "$disk" vif-0; do
  equal "channels of $device" "$(counter $device event_channels)" 1
  equal "threshold of $device" "$(counter $device spurious_threshold)" 1
done

for round in 1 2 3 4 5; do
  dd if=/dev/xvde of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null
  dd if=/dev/zero of=/dev/xvde bs=64k count=64 oflag=direct 2>/dev/null
  ping -c 10 -i 0.1 -q 10.0.0.1 >/dev/null || true
done
for device in "$disk" vif-0; do
  for name in event_channels events spurious_events jiffies_eoi_delayed; do
    echo "$device $name $(counter $device $name)"
  done
done
at_least "events of the disk" "$(counter "$disk" events)" 20
at_least "events of the interface" "$(counter vif-0 events)" 5
for device in "$disk" vif-0; do
  at_least "events with work of $device" "$(counter $device events)" $((2 * $(counter $device spurious_events)))
  equal "jiffies that $device had to wait" "$(counter $device jiffies_eoi_delayed)" 0
done

echo 7 >/sys/bus/xenpv/devices/vif-0/xenbus/spurious_threshold
equal "threshold" "$(counter vif-0 spurious_threshold)" 7
must_fail sh -c 'echo many >/sys/bus/xenpv/devices/vif-0/xenbus/spurious_threshold'

# The device keeps its counters when its driver leaves, but has no channel.
events=$(counter vif-0 events)
rmmod xen_vnif
equal "channels without a driver" "$(counter vif-0 event_channels)" 0
at_least "events without a driver" "$(counter vif-0 events)" "$events"

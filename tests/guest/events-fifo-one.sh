#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: FIFO event channels on the only CPU, by the PCI line and by its vector: delivery, storms, disk and network I/O
# load: none
# timeout: 180
. ./lib.sh

head -c 1048576 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)
for upcall in intx vector; do
  insert xen-platform-pci events=fifo upcall=$upcall
  self_test 2
  at_least "pauses" "$(report events cpu0_pauses)" 1
  insert xen-vbd
  insert xen-vnif
  wait_for 20 test -b /dev/xvde
  dd if=/tmp/data of=/dev/xvde bs=16k oflag=direct 2>/dev/null
  got=$(dd if=/dev/xvde bs=16k count=64 iflag=direct 2>/dev/null | md5sum)
  equal "data" "$got" "$want"
  network=$(basename "$(ls -d /sys/bus/xenpv/devices/vif-0/net/* | head -n 1)")
  ip link set "$network" up
  ip addr add 10.0.0.9/24 dev "$network"
  ping -c 3 -i 0.1 -W 10 10.0.0.1 >/dev/null || fail "no answer"
  equal "strays" "$(report events cpu0_strays)" 0
  rmmod xen_vnif
  rmmod xen_vbd
  rmmod xen_platform_pci
  equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0
done

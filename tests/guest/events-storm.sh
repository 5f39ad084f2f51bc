#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: an event storm on the only CPU leaves the guest usable, and a port that floods without work waits
# load: none
# timeout: 120
. ./lib.sh

for upcall in intx vector; do
  insert xen-platform-pci upcall=$upcall
  # Two ports that answer each other without end: without pauses nothing else would ever run again.
  self_test 2
  at_least "pauses" "$(report events cpu0_pauses)" 1
  rmmod xen_platform_pci
done
equal "ports that waited" "$(dmesg | grep -c 'xen_selftest: flood: ')" 4
dmesg | grep 'xen_selftest: flood: '
equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0

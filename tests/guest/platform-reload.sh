#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: twenty times out and in, with nothing leaked: grants, ports, watches, pages
# load: none
# timeout: 120
. ./lib.sh

mount -t debugfs none /sys/kernel/debug 2>/dev/null || true
REPORT=/sys/kernel/debug/xenpv

# settled: the counters that say what is owned now, once nothing changes any more.
settled() {
  wait_for 10 test -e /sys/bus/xenpv/devices/vif-0
  wait_for 10 grep -qx 'requests 0' $REPORT/store
  grep -hE '^(channels|free|in_use|deferred|frames|live|devices|watches) ' $REPORT/*
}

insert xen-platform-pci
first=$(settled)
echo "$first"
rmmod xen_platform_pci
before=$(sed -n 's/^VmallocUsed: *\([0-9]*\) kB/\1/p' /proc/meminfo)
interrupts=$(ls /proc/irq | wc -l)
modules=$(wc -l </proc/modules)
for round in $(seq 20); do
  insert xen-platform-pci
  [ "$(settled)" = "$first" ] || fail "round $round: $(settled)"
  rmmod xen_platform_pci
  [ ! -e $REPORT ] || fail "round $round: debugfs stayed behind"
  [ ! -e /sys/bus/xenpv ] || fail "round $round: the bus stayed behind"
done
equal "Linux interrupts" "$(ls /proc/irq | wc -l)" "$interrupts"
equal "modules" "$(wc -l </proc/modules)" "$modules"
after=$(sed -n 's/^VmallocUsed: *\([0-9]*\) kB/\1/p' /proc/meminfo)
[ $((after - before)) -lt 400 ] || fail "vmalloc memory grew from $before to $after kB"
echo "20 rounds, counters the same each time"

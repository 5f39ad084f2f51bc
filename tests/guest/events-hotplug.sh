#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: CPUs go and come under disk and network I/O, and no event is lost
# vcpus: 2
# timeout: 180
. ./lib.sh

CPU=/sys/devices/system/cpu/cpu1/online
wait_for 20 test -b /dev/xvde
head -c 4194304 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)

copy() {
  for round in 1 2 3; do
    dd if=/tmp/data of=/dev/xvde bs=16k oflag=direct 2>/dev/null
    [ "$(dd if=/dev/xvde bs=16k count=256 iflag=direct 2>/dev/null | md5sum)" = "$want" ] || return 1
  done
  touch /tmp/copied
}
network=$(basename "$(ls -d /sys/bus/xenpv/devices/vif-0/net/* | head -n 1)")
ip link set "$network" up
ip addr add 10.0.0.9/24 dev "$network"
copy &
copying=$!
# All events on the CPU that goes: each time it does, they must move.
for irq in $(sed -n 's/^ *\([0-9]*\):.* xen-event .*/\1/p' /proc/interrupts); do
  echo 1 >/proc/irq/"$irq"/smp_affinity_list
done
at_least "ports on CPU 1" "$(report events cpu1_ports)" 3
for round in $(seq 10); do
  echo 0 >$CPU
  equal "ports on CPU 1" "$(report events cpu1_ports)" 0
  ping -c 2 -i 0.1 -W 10 10.0.0.1 >/dev/null || fail "round $round: no answer with one CPU"
  echo 1 >$CPU
  at_least "ports back on CPU 1" "$(report events cpu1_ports)" 3
  ping -c 2 -i 0.1 -W 10 10.0.0.1 >/dev/null || fail "round $round: no answer with both CPUs"
done
wait $copying || fail "the data came back as others"
[ -e /tmp/copied ] || fail "the copy did not end"
equal "interrupts for upcalls" "$(grep -c ' xen-upcall$' /proc/interrupts)" 2

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a disk's events follow /proc/irq, and go on while it changes under I/O
# vcpus: 2
# timeout: 120
. ./lib.sh

wait_for 20 test -b /dev/xvde
# The interrupt whose events a read makes more.
number_of_events() { awk -v irq="$1:" '$1 == irq { print $2 + $3 }' /proc/interrupts; }
read_some() { dd if=/dev/xvde of=/dev/null bs=4096 count="$1" iflag=direct 2>/dev/null; }
irq=
for candidate in $(sed -n 's/^ *\([0-9]*\):.* xen-event .*/\1/p' /proc/interrupts); do
  before=$(number_of_events "$candidate")
  read_some 20
  [ $(($(number_of_events "$candidate") - before)) -lt 20 ] || irq=$candidate
done
[ -n "$irq" ] || fail "no interrupt belongs to the disk"

for cpu in 0 1 0 1; do
  echo $cpu >/proc/irq/$irq/smp_affinity_list
  equal "the CPU in force" "$(cat /proc/irq/$irq/effective_affinity_list)" $cpu
  before=$(awk -v irq="$irq:" -v field=$((cpu + 2)) '$1 == irq { print $field }' /proc/interrupts)
  read_some 20
  after=$(awk -v irq="$irq:" -v field=$((cpu + 2)) '$1 == irq { print $field }' /proc/interrupts)
  at_least "events on CPU $cpu" $((after - before)) 20
done

(read_some 2000 && touch /tmp/done) &
for round in $(seq 100); do
  echo $((round % 2)) >/proc/irq/$irq/smp_affinity_list
done
wait_for 60 test -e /tmp/done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: disk and network I/O with FIFO event channels, while CPUs go and come, and again after a reload
# vcpus: 4
# load: none
# timeout: 240
. ./lib.sh

head -c 2097152 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)

# copy NAME: writes and reads the disk, and leaves /tmp/NAME when the data came back.
copy() {
  for round in 1 2 3; do
    dd if=/tmp/data of=/dev/xvde bs=16k oflag=direct 2>/dev/null
    [ "$(dd if=/dev/xvde bs=16k count=128 iflag=direct 2>/dev/null | md5sum)" = "$want" ] || return 1
  done
  touch "/tmp/$1"
}
answers() { ping -c 2 -i 0.1 -W 10 10.0.0.1 >/dev/null || fail "$*: no answer"; }

load() {
  insert xen-platform-pci "$@"
  insert xen-vbd
  insert xen-vnif
  wait_for 20 test -b /dev/xvde
  network=$(basename "$(ls -d /sys/bus/xenpv/devices/vif-0/net/* | head -n 1)")
  ip link set "$network" up
  ip addr add 10.0.0.9/24 dev "$network"
  answers "after loading"
}

load events=fifo
copy first &
copying=$!
for round in 1 2 3; do
  for cpu in 1 2 3; do
    echo 0 >/sys/devices/system/cpu/cpu$cpu/online
    equal "ports on CPU $cpu" "$(report events cpu${cpu}_ports)" 0
  done
  answers "round $round, one CPU"
  for cpu in 3 2 1; do
    echo 1 >/sys/devices/system/cpu/cpu$cpu/online
  done
  for irq in $(sed -n 's/^ *\([0-9]*\):.* xen-event .*/\1/p' /proc/interrupts); do
    echo "$((round % 3 + 1))" >"/proc/irq/$irq/smp_affinity_list"
  done
  answers "round $round, four CPUs"
done
if kernel_log "stay with CPU"; then fail "ports stayed with a CPU that went"; fi
wait $copying || fail "the data came back as others"
[ -e /tmp/first ] || fail "the copy did not end"
rmmod xen_vnif
rmmod xen_vbd
rmmod xen_platform_pci

load
copy second || fail "after the reload the data came back as others"
[ -e /tmp/second ] || fail "the second copy did not end"
for cpu in 0 1 2 3; do
  equal "strays of CPU $cpu" "$(report events cpu${cpu}_strays)" 0
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Once in each guest, when its drivers are loaded: the same settings for all, and what the guest is like.
set -e
mount -t debugfs debugfs /sys/kernel/debug
wait_for() {
  for try in $(seq 300); do
    [ -e "$1" ] && return
    sleep 0.1
  done
  echo "there is no $1" >&2
  exit 1
}
for disk in xvdf xvdg; do
  wait_for /dev/$disk
  echo none >/sys/block/$disk/queue/scheduler
done
modprobe null_blk nr_devices=1 queue_mode=2 irqmode=0 gb=1
wait_for /dev/nullb0
echo none >/sys/block/nullb0/queue/scheduler
wait_for /sys/class/net/eth0
ip link set eth0 up
ip addr add 10.0.0.2/24 dev eth0
for try in $(seq 100); do
  ping -c 1 -W 1 10.0.0.1 >/dev/null && break
done
iperf3 --server --daemon
netserver >/dev/null
# A neighbour in the guest itself, for the ceilings.
modprobe veth
ip netns add neighbour
ip link add ceiling type veth peer name other
ip link set other netns neighbour
ip addr add 10.1.0.1/24 dev ceiling
ip link set ceiling up
ip netns exec neighbour ip addr add 10.1.0.2/24 dev other
ip netns exec neighbour ip link set other up
ip netns exec neighbour netserver >/dev/null
ping -c 1 -W 10 10.1.0.2 >/dev/null
# Any other clock costs so much more to read that nothing could be compared. Linux calls it tsc-early as long as it has no
# second clock to measure it by.
clocksource=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
case $clocksource in
tsc | tsc-early) ;;
*)
  echo "the clocksource is $clocksource" >&2
  exit 1
  ;;
esac
echo "kernel $(uname -r)"
echo "clocksource $clocksource"
echo "clockevent $(cat /sys/devices/system/clockevents/clockevent0/current_device)"
for disk in xvdf xvdg nullb0; do
  cd /sys/block/$disk/queue
  echo "queue of $disk: scheduler $(cat scheduler), $(cat nr_requests) requests, at most $(cat max_sectors_kb) KiB," \
    "$(cat max_segments) segments, $(cat write_cache)"
done
echo "mitigations: $(sed -n 's/.*mitigations=\([^ ]*\).*/\1/p' /proc/cmdline)"

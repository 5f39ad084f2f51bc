#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: /dev/xen/evtchn: ports of processes, every refusal, processes killed with a hundred of them, nothing left over
# load: none
# timeout: 90
# vcpus: 2
. ./lib.sh

[ ! -e /dev/xen/evtchn ] || fail "the kernel has a /dev/xen/evtchn of its own"
insert xen-platform-pci
equal "mode" "$(stat -c %a /dev/xen/evtchn)" 600
wait_for 20 [ -d /sys/bus/xenpv/devices/vbd-51776 ]
channels=$(report events channels)
cleared() { [ "$(report events user_ports) $(report events channels)" = "0 $channels" ]; }

for case in ping-pong refusals virq; do
  event-file $case || fail "event-file $case"
  wait_for 10 cleared
  echo "$case: ok"
done

# hold COUNT: a process with twice so many ports; its number is in $holder.
hold() {
  mkfifo /tmp/ready
  event-file ports-and-wait "$1" >/tmp/ready &
  holder=$!
  read -r said </tmp/ready || fail "event-file ports-and-wait ended"
  equal "event-file" "$said" ready
  rm /tmp/ready
}
for round in $(seq 5); do
  hold 50
  equal "ports held" "$(report events user_ports)" 100
  kill -9 "$holder"
  wait_for 10 cleared
done
for round in $(seq 10); do
  event-file ping-pong 2>/dev/null &
  pinger=$!
  sleep "0.$((round % 10))"
  kill -9 "$pinger" 2>/dev/null || true
  wait "$pinger" 2>/dev/null || true
done
wait_for 10 cleared

hold 1
if rmmod xen_platform_pci 2>/dev/null; then fail "unloaded with a file open"; fi
kill -9 "$holder"
wait "$holder" || true
rmmod xen_platform_pci
[ ! -e /dev/xen/evtchn ] || fail "the device is left"

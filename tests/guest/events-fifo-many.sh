#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: thousands of ports, which Xen refuses with the 2-level ABI, at work with FIFO event channels
# vcpus: 2
# load: none
# ports: 32767
# timeout: 240
. ./lib.sh

insert xen-platform-pci
must_fail insert xen-selftest ports=4096
kernel_log "channels past 4096 ports FAILED: Xen gives no more ports" || fail "no line: $(dmesg | tail)"
rmmod xen_platform_pci

insert xen-platform-pci events=fifo
channels=$(report events channels)
insert xen-selftest ports=9000
rmmod xen_selftest
equal "pages" "$(report events fifo_pages)" 9
equal "channels" "$(report events channels)" "$channels"
equal "channels of processes" "$(report events user_ports)" 0

# A process with 2200 of them: more than with the 2-level ABI.
mkfifo /tmp/ready
event-file ports-and-wait 1100 >/tmp/ready &
holder=$!
read -r said </tmp/ready || fail "event-file ended"
equal "event-file" "$said" ready
equal "channels of processes" "$(report events user_ports)" 2200
kill -9 "$holder"
cleared() { [ "$(report events user_ports) $(report events channels)" = "0 $channels" ]; }
wait_for 60 cleared

# What Xen knows stays, and is found again.
rmmod xen_platform_pci
insert xen-platform-pci
equal "pages" "$(report events fifo_pages)" 9
insert xen-selftest ports=8500
rmmod xen_selftest
for cpu in 0 1; do
  equal "strays of CPU $cpu" "$(report events cpu${cpu}_strays)" 0
done

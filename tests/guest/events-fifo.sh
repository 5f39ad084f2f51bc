#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: FIFO event channels, 2 CPUs: delivery, masks, affinity, storms, CPUs that go and come; and the module too
# vcpus: 2
# load: none
# timeout: 180
. ./lib.sh

insert xen-platform-pci
equal "pages with 2-level" "$(report events fifo_pages)" 0
rmmod xen_platform_pci
# The first insertion gives the guest the ABI, the others find it, whatever they ask for.
for parameters in events=fifo "" "events=fifo hypercall=page" events=2level; do
  # shellcheck disable=SC2086 # several parameters, or none
  insert xen-platform-pci $parameters
  equal "pages" "$(report events fifo_pages)" 1
  settled=$(report events channels)
  # What the others can lose, the second one would have lost.
  case $parameters in events=fifo | "") self_test 2 ;; esac
  for cpu in 0 1; do
    equal "Xen's number of CPU $cpu" "$(report events cpu${cpu}_vcpu)" $cpu
    equal "strays of CPU $cpu" "$(report events cpu${cpu}_strays)" 0
  done
  equal "channels" "$(report events channels)" "$settled"
  equal "CPUs online" "$(cat /sys/devices/system/cpu/online)" 0-1
  rmmod xen_platform_pci
  equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0
  echo "\"$parameters\": ok"
done
equal "lines that FIFO stays" "$(dmesg | grep -cF 'this guest has FIFO event channels until it is started anew')" 2

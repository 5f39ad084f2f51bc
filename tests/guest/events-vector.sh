#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: events by a vector of each CPU, 2 CPUs: delivery, masks, affinity, storms, CPUs that go and come
# vcpus: 2
# load: none
# timeout: 120
. ./lib.sh

for hypercall in insn page; do
  insert xen-platform-pci upcall=vector hypercall=$hypercall
  settled=$(report events channels)
  for cpu in 0 1; do
    equal "Xen's number of CPU $cpu" "$(report events cpu${cpu}_vcpu)" $cpu
  done
  equal "interrupts for upcalls" "$(grep -c ' APIC .* xen-upcall$' /proc/interrupts)" 2
  self_test 2
  for cpu in 0 1; do
    at_least "events of CPU $cpu" "$(report events cpu${cpu}_events)" 500
  done
  equal "channels" "$(report events channels)" "$settled"
  equal "CPUs online" "$(cat /sys/devices/system/cpu/online)" 0-1
  rmmod xen_platform_pci
  equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: events by a vector of each CPU, 4 CPUs
# vcpus: 4
# load: none
# timeout: 120
. ./lib.sh

insert xen-platform-pci upcall=auto
equal "interrupts for upcalls" "$(grep -c ' APIC .* xen-upcall$' /proc/interrupts)" 4
self_test 2
for cpu in 0 1 2 3; do
  at_least "events of CPU $cpu" "$(report events cpu${cpu}_events)" 50
done
rmmod xen_platform_pci
equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: events by the PCI line, 2 CPUs; and a clear word when Xen keeps to vectors
# vcpus: 2
# load: none
# timeout: 120
. ./lib.sh

for hypercall in page insn; do
  insert xen-platform-pci upcall=intx hypercall=$hypercall
  equal "interrupts for upcalls" "$(grep -c ' IO-APIC .* xen-upcall$' /proc/interrupts)" 1
  equal "vectors for upcalls" "$(grep -c ' APIC .* xen-upcall$' /proc/interrupts)" 0
  self_test 2
  at_least "events of CPU 0" "$(report events cpu0_events)" 1000
  equal "events of CPU 1" "$(report events cpu1_events)" 0
  rmmod xen_platform_pci
  equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0
done

# Once a vector was set, Xen never asserts the line again: that must not end in silence.
insert xen-platform-pci upcall=vector
rmmod xen_platform_pci
must_fail insert xen-platform-pci upcall=intx
kernel_log "no event arrives by the PCI line" || fail "no word about why"
must_fail insert xen-platform-pci upcall=carrier-pigeon
kernel_log "parameter upcall=carrier-pigeon is not known: use auto, vector or intx" || fail "no word about the parameter"
insert xen-platform-pci upcall=auto
self_test 2
rmmod xen_platform_pci
equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Saved and restored with FIFO event channels on two vCPUs, as busy: the new domain has them too
# load: none
# timeout: 150
# vcpus: 2
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

insert xen-platform-pci events=fifo
insert xen-vbd
insert xen-vnif
equal "pages with FIFO event channels" "$(report events fifo_pages)" 1
live_through "$(rounds 1)"
equal "pages in the new domain" "$(report events fifo_pages)" 1
for cpu in 0 1; do
  at_least "upcalls of CPU $cpu" "$(report events cpu${cpu}_upcalls)" 1
  equal "strays of CPU $cpu" "$(report events cpu${cpu}_strays)" 0
done

# The new domain has the ABI, as Xen sees it: a module that asks for nothing finds it there.
rmmod xen_vnif
rmmod xen_vbd
rmmod xen_platform_pci
insert xen-platform-pci
kernel_log 'this guest has FIFO event channels until it is started anew' || fail "the new domain has the 2-level ABI"

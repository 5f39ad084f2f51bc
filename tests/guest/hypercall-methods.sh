#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: hypercalls by page and by instruction
# load: none
# timeout: 60
. ./lib.sh

vendor=$(sed -n 's/^vendor_id[^:]*: //p' /proc/cpuinfo | head -n 1)
case $vendor in
AuthenticAMD | HygonGenuine) instruction=vmmcall ;;
*) instruction=vmcall ;;
esac

# try MODE METHOD: every kind of hypercall with hypercall=MODE, which is to mean METHOD.
try() {
  insert xen-platform-pci "hypercall=$1"
  kernel_log "hypercalls by $2" || fail "hypercall=$1 does not mean $2: $(dmesg | grep 'hypercalls by')"
  insert xen-selftest room=4 || fail "hypercall=$1: $(dmesg | grep xen_selftest)"
  rmmod xen_selftest
  rmmod xen_platform_pci
  echo "hypercall=$1: by $2"
  dmesg -c >/dev/null
}

dmesg -c >/dev/null
for round in 1 2; do
  try auto $instruction
  try insn $instruction
  try page page
done

must_fail insert xen-platform-pci hypercall=both
kernel_log "hypercall" || fail "no line about the bad parameter"

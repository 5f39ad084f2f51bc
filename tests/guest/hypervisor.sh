#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: /sys/hypervisor has mainline's files, says what dom0's says, and goes and comes with the module
# load: xen-platform-pci
# timeout: 40
. ./lib.sh

names() { (cd /sys/hypervisor && find ./* -type f | cut -c 3- | sort); }
ended() { ! kill -0 "$1" 2>/dev/null; }

# dom0 compares: each file, newlines and all, goes into a node.
for file in $(names); do
  xenstore-write "data/hypervisor/$file" "$(cat "/sys/hypervisor/$file")" || fail "$file"
  equal "lines in $file" "$(wc -l <"/sys/hypervisor/$file")" 1
done
xenstore-write data/files "$(names)"
sync_send told
equal "type" "$(cat /sys/hypervisor/type)" xen
equal "guest type" "$(cat /sys/hypervisor/guest_type)" HVM
equal "features" "$(grep -cxE '[0-9a-f]{8}' /sys/hypervisor/properties/features)" 1
# XENFEAT_dom0, by which systemd-detect-virt tells dom0 from a guest.
equal "the feature that only dom0 has" "$((0x$(cat /sys/hypervisor/properties/features) >> 11 & 1))" 0
sync_wait compared 120

# The files go while they are being read.
before=$(names)
(while cat $(find /sys/hypervisor -type f) >/dev/null 2>&1; [ ! -e /tmp/stop ]; do :; done) &
reader=$!
for round in 1 2 3 4 5; do
  rmmod xen_platform_pci || fail "rmmod $round"
  equal "files without the module" "$(names)" ""
  insert xen-platform-pci
  equal "files ($round)" "$(names)" "$before"
done
touch /tmp/stop
wait_for 20 ended $reader

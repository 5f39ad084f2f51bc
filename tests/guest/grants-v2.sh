#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: grant table version 2: limits, a page that a peer keeps over a reload, disk and network, and back to version 1
# load: none
# timeout: 150
# allow: out of grant references
# allow: out of its quota of grant references
# allow: and Xen does not switch it
# allow: grant table: cannot be set up
. ./lib.sh
. ./lib-suspend.sh

counter() { report grants "$1"; }
deferred_is() { [ "$(counter deferred)" = "$1" ]; }
# use_devices: writes and reads the disk, and fetches something from dom0.
use_devices() {
  insert xen-vbd
  insert xen-vnif
  wait_for 20 [ -b /dev/xvde ]
  head -c 4194304 /dev/urandom >/tmp/data
  dd if=/tmp/data of=/dev/xvde bs=1M oflag=direct 2>/dev/null || fail "write"
  got=$(dd if=/dev/xvde bs=1M count=4 iflag=direct 2>/dev/null | md5sum)
  equal "what was read" "$got" "$(md5sum </tmp/data)"
  network
  ping -c 20 -i 0.1 -s 8000 -W 5 10.0.0.1 >/dev/null || fail "ping"
  got=$(wget -q -O - http://10.0.0.1/data | md5sum)
  equal "what was fetched" "$got" "$(wget -q -O - http://10.0.0.1/sum)"
  equal "violations" "$(count violations)" 0
  rmmod xen_vnif
  rmmod xen_vbd
}

must_fail insert xen-platform-pci grant_version=3
kernel_log "parameter grant_version=3 is not known: use auto, 1 or 2" || fail "a refusal without a line"
insert xen-platform-pci grant_version=2
kernel_log "grant table version 2" || fail "no line"
equal "version" "$(counter version)" 2
self_test 1
equal "frames in the end" "$(counter frames)" "$(counter max_frames)"
equal "references" "$(counter free)" $(($(counter max_frames) * 256 - 8))
sync_wait serving 60
use_devices
echo "limits, disk and network: ok"

# A page that its peer keeps: dom0 has the real ones.
grant-file share 0 4 >/tmp/refs &
sharer=$!
wait_for 10 [ -s /tmp/refs ]
xenstore-write data/guest-refs "$(cat /tmp/refs)"
sync_send refs
sync_wait mapped 60
kill -9 $sharer
wait_for 10 deferred_is 4
rmmod xen_platform_pci
kernel_log "pages still mapped by another domain at unload: 4," || fail "the leak has no line"
must_fail insert xen-platform-pci grant_version=1
kernel_log "the grant table is not in version 1 and Xen does not switch it" || fail "a refusal without a line"
insert xen-platform-pci
equal "version, with pages kept" "$(counter version)" 2
kernel_log "the grant table stays in version 2" || fail "a version that was not wanted without a line"
# They are found when the table grows to where they are, at the latest when the cases take all there is.
self_test 1
equal "deferred after the reload" "$(counter deferred)" 4
use_devices
sync_send gone
sync_wait unmapped 60
wait_for 20 deferred_is 0
echo "reload with pages kept: ok"

rmmod xen_platform_pci
insert xen-platform-pci
equal "version" "$(counter version)" 1
self_test 1
echo "back to version 1: ok"
sync_send end

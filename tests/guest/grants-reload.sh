#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a page that a peer keeps survives unloading, and its reference is not handed out before the peer lets go
# load: xen-platform-pci
# timeout: 60
# allow: out of grant references
# allow: out of its quota of grant references
. ./lib.sh

counter() { report grants "$1"; }
deferred_is() { [ "$(counter deferred)" = "$1" ]; }

insert xen-selftest leave=1
rmmod xen_selftest
reference=$(dmesg | sed -n 's/.*left reference //p')
equal "deferred" "$(counter deferred)" 1
equal "pages" "$(report pages live)" 1
equal "whose it is" "$(account selftest in_use) $(account selftest deferred) $(account - deferred)" "0 1 0"
older() { [ "$(account selftest oldest)" -ge 2 ]; }
wait_for 10 older

rmmod xen_platform_pci
kernel_log "pages still mapped by another domain at unload: 1," || fail "the leak has no line"
insert xen-platform-pci
kernel_log "still in use by another domain since an earlier load: 1," || fail "what was left is not seen"
equal "deferred after the reload" "$(counter deferred)" 1
equal "whose it is after the reload" "$(account selftest deferred) $(account - deferred)" " 1"

# The cases take every reference there is, and check that all but this one can be had.
self_test 1
equal "still deferred" "$(counter deferred)" 1

insert xen-selftest "release=$reference"
rmmod xen_selftest
wait_for 10 deferred_is 0
echo "reference $reference was kept over the reload and came back"

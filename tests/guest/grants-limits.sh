#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: grant references: exhaustion, growth, bulk, and pages that a peer does not let go
# load: xen-platform-pci
# timeout: 120
# allow: out of grant references
# allow: out of its quota of grant references
. ./lib.sh

counter() { report grants "$1"; }

equal "frames at first" "$(counter frames)" 1
self_test 1
equal "frames in the end" "$(counter frames)" "$(counter max_frames)"
equal "references in use" "$(counter in_use)" 0
kernel_log "out of grant references: " || fail "exhaustion without a line"
kernel_log "raise max_grant_frames" || fail "the line does not say what to do"
kernel_log "selftest: out of its quota of grant references: " || fail "a quota without a line"
# Half of the table, for everybody who has an account.
wanted=$(($(counter max_frames) * 512 / 2))
equal "gntalloc's quota" "$(account gntalloc quota)" $wanted
equal "a disk's quota" "$(account vbd-51776 quota)" $wanted
equal "an account that is over" "$(account selftest quota)" ""
equal "what is nobody's" "$(account - in_use) $(account - deferred) $(account - quota)" "0 0 none"

rmmod xen_platform_pci
insert xen-platform-pci grant_quota=100
equal "gntalloc's quota by parameter" "$(account gntalloc quota)" 100
equal "too many pages" "$(grant-file share 0 101 2>&1 | sed 's/.*(errno /errno /')" "errno 28)"
grant-file share 0 100 >/tmp/refs &
sharer=$!
wait_for 10 [ -s /tmp/refs ]
equal "gntalloc's references" "$(account gntalloc in_use)" 100
kill -9 $sharer
given_back() { [ "$(account gntalloc in_use)" = 0 ]; }
wait_for 10 given_back
kernel_log "gntalloc: out of its quota of grant references: 101 wanted, 100 of 100 left" || fail "gntalloc's quota without a line"

# A ring's page and 11 for each of its 32 requests are there, 32 more for large requests are not.
rmmod xen_platform_pci
insert xen-platform-pci grant_quota=360
insert xen-vbd
wait_for 60 [ -b /dev/xvde ]
equal "KiB in a request without references for large ones" "$(cat /sys/block/xvde/queue/max_hw_sectors_kb)" 44
equal "a small disk's references" "$(account vbd-51776 in_use)" 353
lines=$(dmesg | grep -c 'vbd-51776: no pages or grant references for large requests (ENOSPC)') || fail "a disk without large requests, without a line"
equal "lines about it" "$lines" 1
dd if=/dev/xvde of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null || fail "read"
equal "indirect requests" "$(cat /sys/block/xvde/xenpv/indirect_requests)" 0
equal "parts of requests" "$(cat /sys/block/xvde/xenpv/partial_requests)" 0

echo "all $(counter free) references of $(counter frames) frames had and given back"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: grant references: exhaustion, growth, bulk, and pages that a peer does not let go
# load: xen-platform-pci
# timeout: 60
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

echo "all $(counter free) references of $(counter frames) frames had and given back"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: grant references: exhaustion, growth, bulk, and pages that a peer does not let go
# load: xen-platform-pci
# timeout: 60
# allow: out of grant references
. ./lib.sh

counter() { report grants "$1"; }

equal "frames at first" "$(counter frames)" 1
self_test 1
equal "frames in the end" "$(counter frames)" "$(counter max_frames)"
equal "references in use" "$(counter in_use)" 0
kernel_log "out of grant references: " || fail "exhaustion without a line"
kernel_log "raise max_grant_frames" || fail "the line does not say what to do"
echo "all $(counter free) references of $(counter frames) frames had and given back"

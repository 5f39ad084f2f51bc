#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: xenstore from many threads: errors, replies, transactions, long directories, watches, floods
# timeout: 120
# vcpus: 2
# load: xen-platform-pci
. ./lib.sh

sync_wait long 200
watches=$(report store watches)
self_test 3
cases=$(dmesg | grep -c 'xen_selftest: store: .* ok$')
at_least "cases" "$cases" 9
dmesg | sed -n 's/.*xen_selftest: \(store: .*\)/\1/p'

equal "watches" "$(report store watches)" "$watches"
equal "requests left" "$(report store requests)" 0
equal "bad replies" "$(report store bad_replies)" 0
equal "bad events" "$(report store bad_events)" 0
at_least "folded events" "$(report store folded_events)" 1

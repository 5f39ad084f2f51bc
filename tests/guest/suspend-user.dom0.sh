#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of suspend-user.sh. The guest's interface sends nothing of its own accord.
. ./lib.sh
. ./lib-suspend.sh

# What the bridge has learned, 16 bytes an address; the eighth is 1 for its own. It forgets what was behind a port that goes.
learned() { hexdump -v -e '16/1 "%02x" "\n"' /sys/class/net/xenbr0/brforward; }
announced() { learned | grep -q '^00163e000002..00'; }

id=$(xl domid guest)
grant-file share "$id" 4 >/tmp/refs &
sharer=$!
wait_for 10 [ -s /tmp/refs ]
xenstore-write "/local/domain/$id/data/refs" "$(cat /tmp/refs)"
sync_send refs
memory=$(xl list guest | awk 'NR == 2 { print $3 }')
# same_time WHEN: what the guest's wall clock says is between what dom0's says before and after. Each may be a second off, for
# the RTC, where the guest's has the time from, counts seconds.
same_time() {
  before=$(date +%s)
  sync_send "$1"
  sync_wait "$1-told" 300
  after=$(date +%s)
  told=$(xenstore-read "/local/domain/$(xl domid guest)/data/time")
  at_least "the guest's time $1" "$told" $((before - 2))
  at_least "dom0's time $1" $((after + 2)) "$told"
}

sync_wait ready 600
same_time before
[ -n "$(learned)" ] || fail "the bridge tells nothing"
leave_guest
save_and_restore 20
meet_guest
same_time after
wait_for 30 announced
sync_send restored
sync_wait done 400
kill -9 $sharer
equal "the guest's memory" "$(xl list guest | awk 'NR == 2 { print $3 }')" "$memory"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of suspend-cancelled.sh: saves the guest and lets it go on.
. ./lib.sh
. ./lib-suspend.sh

base=/local/domain/0/backend
id=$(xl domid guest)
# What the backends see of the guest's devices. A reconnection would make other rings and ports of them.
seen() { xenstore-ls "/local/domain/$id/device" | grep -E 'ring-ref|event-channel|state'; }
# A state that is written anew fires a watch, whatever it says.
xenstore-watch "$base/vbd/$id/51776/state" "$base/vif/$id/0/state" "/local/domain/$id/device/vbd/51776/state" >/tmp/fired &
watcher=$!

sync_wait busy 600
before=$(seen)
fired=$(wc -l </tmp/fired)
stream &
stream=$!
sync_wait receiving 300
for round in 1 2 3; do
  logged xl save -c guest /dev/vdc
  equal "the domain" "$(xl domid guest)" "$id"
  sync_send "round$round"
  sync_wait "works$round" 600
done

# There is no room for what is to be saved: xl lets the guest go on.
mkdir -p /tmp/small
mount -t tmpfs -o size=4m tmpfs /tmp/small
must_fail xl save guest /tmp/small/state >/tmp/xl.log 2>&1
going_on() { xl list guest | grep -q ' [r-][b-]---- '; }
wait_for 30 going_on || { cat /tmp/xl.log; fail "the guest does not go on"; }
umount /tmp/small
sync_send round4
sync_wait works4 600

touch /tmp/over
wait $stream
kill $watcher
equal "what the backends see" "$(seen)" "$before"
equal "states written" "$(wc -l </tmp/fired)" "$fired"
sync_send over
sync_wait done 400

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-flush.sh: a backend that restarts while flushes are under way, and one that says nothing.
. ./lib.sh

id=$(xl domid guest)
sync_wait busy 400
for round in 1 2 3 4; do
  restart_backend 51776
  # Back to work before the next time: otherwise all restarts would hit the same requests.
  sync_wait "working$round" 400
done
sync_send restarted

# A backend of a few nodes.
front=/local/domain/$id/device/vbd/51808
back=/local/domain/0/slow/$id/51808
published() { [ "$(xenstore-read "$front/state")" = 3 ]; }
sync_wait slow 200
xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$id" "$back/online" 1 "$back/state" 2
xenstore-write "$back/sectors" 131072 "$back/sector-size" 512 "$back/info" 0
xenstore-chmod -r "$back" n0 "r$id"
xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/virtual-device" 51808 \
  "$front/device-type" disk "$front/state" 1
xenstore-chmod -r "$front" "n$id" r0
wait_for 30 published
xenstore-write "$back/state" 4

sync_wait over 600
xenstore-rm "$front"
xenstore-rm "$back"

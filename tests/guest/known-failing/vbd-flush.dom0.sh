#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-flush.sh: a backend that restarts while flushes are under way, and one that says nothing.
. ./lib.sh

DRIVER=/sys/bus/xen-backend/drivers/vbd
id=$(xl domid guest)

base=/local/domain/0/backend/vbd/$id/51776
connected() { [ "$(xenstore-read "$base/state")" = 4 ]; }
closed() { [ "$(xenstore-read "/local/domain/$id/device/vbd/51776/state")" != 4 ]; }
sync_wait busy 400
number=$(xenstore-read "$base/physical-device")
for round in 1 2 3 4; do
  echo "vbd-$id-51776" >$DRIVER/unbind || fail "unbind"
  # Else blkback would map a ring that is about to go, and never try again.
  wait_for 30 closed
  echo "vbd-$id-51776" >$DRIVER/bind || fail "bind"
  # blkback forgets the number of its device when it goes; the hotplug script would write it anew.
  xenstore-write "$base/physical-device" "$number"
  wait_for 60 connected
  sleep 3
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

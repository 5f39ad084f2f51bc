#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-recovery.sh: a backend that restarts, announces sizes, or falls silent.
. ./lib.sh

base=/local/domain/0/backend/vbd/$(xl domid guest)

sync_wait busy 400
for round in 1 2 3; do restart_backend 51776; done
sync_send restarted

sync_wait small 400
xl block-attach guest phy:/dev/ram0,xvdf,w
announce() { xenstore-write "$base/51792/sectors" "$1" "$base/51792/state" 4; }
sync_wait shrink 200
announce 65536
sync_wait grow 200
announce 131072
# Words of a backend that has lost its mind: the disk stays as it is.
sync_wait nonsense 200
for sectors in 18446744073709551615 99999999999999999999 many 0x10 ''; do announce "$sectors"; done
announce 131064
sync_wait resized 200
xl block-detach guest xvdf

# A backend of a few nodes that connects and then answers nothing, whatever the frontend asks.
id=$(xl domid guest)
front=/local/domain/$id/device/vbd/51808
back=/local/domain/0/silent/$id/51808
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
sync_wait over 400
xenstore-rm "$front"
xenstore-rm "$back"
sync_wait done 200

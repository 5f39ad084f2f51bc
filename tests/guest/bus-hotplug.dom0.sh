#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of bus-hotplug.sh.
. ./lib.sh

domid=$(xl domid guest)
home=/local/domain/$domid/device
sync_wait attach 400
xl block-attach guest phy:/dev/ram0,xvdf,w
xl network-attach guest type=vif
sync_wait detach 400
# No driver will let go of them; xl can only force disks.
xl block-detach --force guest xvdf
xenstore-rm "$home/vif/1"
xenstore-rm "/local/domain/0/backend/vif/$domid/1"
sync_send detached

sync_wait many 400
xenstore-write "$home/xtest" ""
set --
for id in $(seq 0 39); do
  set -- "$@" "$home/xtest/$id/backend" "/local/domain/0/backend/xtest/$domid/$id" "$home/xtest/$id/backend-id" 0 "$home/xtest/$id/state" 1
done
for name in a-name-that-is-too-long 0@; do
  set -- "$@" "$home/xtest/$name/state" 1
done
xenstore-write "$@"
xenstore-chmod -r "$home/xtest" n0 "r$domid"
sync_send made
sync_wait fewer 400
for id in $(seq 20 39); do xenstore-rm "$home/xtest/$id"; done
sync_wait none 400
xenstore-rm "$home/xtest"

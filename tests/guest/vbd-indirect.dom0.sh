#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-indirect.sh: xen-blkback behind nodes that say something else about indirect requests than it does.
. ./lib.sh

id=$(xl domid guest)
front=/local/domain/$id/device/vbd/51824
real=/local/domain/0/backend/vbd/$id/51824
shown=/local/domain/0/shown/$id/51824

# Shows what blkback's nodes say, with the number of segments that is in /tmp/offer.
show() {
  last=
  while [ ! -e /tmp/shown-enough ]; do
    state=$(xenstore-read "$real/state" 2>/dev/null || true)
    if [ -n "$state" ] && [ "$state" != "$last" ]; then
      if [ "$state" = 4 ]; then
        for node in sectors sector-size info feature-flush-cache feature-persistent; do
          xenstore-write "$shown/$node" "$(xenstore-read "$real/$node")"
        done
        case $(cat /tmp/offer) in
        none) xenstore-rm "$shown/feature-max-indirect-segments" 2>/dev/null || true ;;
        *) xenstore-write "$shown/feature-max-indirect-segments" "$(cat /tmp/offer)" ;;
        esac
      fi
      xenstore-write "$shown/state" "$state"
      last=$state
    fi
    sleep 0.1
  done
}

sync_wait ready 200
echo 256 >/tmp/offer
xenstore-write "$shown/frontend" "$front" "$shown/frontend-id" "$id" "$shown/online" 1 "$shown/state" 1
xenstore-chmod -r "$shown" n0 "r$id"
xenstore-write "$front/backend" "$shown" "$front/backend-id" 0 "$front/virtual-device" 51824 \
  "$front/device-type" disk "$front/state" 1
xenstore-chmod -r "$front" "n$id" r0
xenstore-write "$real/frontend" "$front" "$real/frontend-id" "$id" "$real/online" 1 "$real/removable" 0 \
  "$real/mode" w "$real/type" phy "$real/dev" xvdh "$real/params" /dev/ram2 "$real/physical-device" 1:2 "$real/state" 1
show &

connected() { [ "$(xenstore-read "$front/state")" = 4 ] && [ "$(xenstore-read "$shown/state")" = 4 ]; }
away() { [ "$(xenstore-read "$front/state")" != 4 ]; }
wait_for 60 connected
round=0
# The same as in vbd-indirect.sh.
for offer in none 20 0 99999999999 none 256; do
  round=$((round + 1))
  sync_wait "wanted-$round" 400
  echo "$offer" >/tmp/offer
  xenstore-write "$shown/state" 5
  wait_for 60 away
  wait_for 60 connected
  sync_send "connected-$round"
done
sync_wait over 400
xenstore-write "$shown/online" 0 "$real/online" 0 "$shown/state" 5
closed() { [ "$(xenstore-read "$front/state")" = 6 ] && [ "$(xenstore-read "$real/state")" = 6 ]; }
wait_for 60 closed
touch /tmp/shown-enough
wait
xenstore-rm "$front" "$shown" "$real"
sync_wait done 200

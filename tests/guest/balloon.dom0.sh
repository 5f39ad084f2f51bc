#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The toolstack's part of balloon.sh: moves the target by 64 MiB and looks at what Xen says. Xen's limit follows the
# target, so while the guest is to be small it cannot get its memory back.
. ./lib.sh
static=$(xenstore-read "/local/domain/$(xl domid "$DOMAIN")/memory/static-max")
pages() { xl list "$DOMAIN" | awk 'NR == 2 { print $3 }'; }
small() { [ "$(pages)" -le $((before - 64)) ]; }
before=$(pages)
for round in 1 2 3; do
  sync_wait "down$round" 600
  xl mem-set "$DOMAIN" $((static / 1024 - 64))
  wait_for 30 small
  sync_send "down-seen$round"
  sync_wait "up$round" 600
  xl mem-set "$DOMAIN" $((static / 1024))
done
sync_wait down-for-reload 600
xl mem-set "$DOMAIN" $((static / 1024 - 64))
wait_for 30 small
sync_send limited
sync_wait up-after-reload 600
xl mem-set "$DOMAIN" $((static / 1024))
sync_wait hide 600
node=/local/domain/$(xl domid "$DOMAIN")/memory/static-max
xenstore-chmod "$node" n0
xl mem-set "$DOMAIN" $((static / 1024 - 64))
sync_send hidden
sync_wait show 600
xenstore-chmod "$node" n0 "r$(xl domid "$DOMAIN")"
sync_wait up-at-last 600
xl mem-set "$DOMAIN" $((static / 1024))

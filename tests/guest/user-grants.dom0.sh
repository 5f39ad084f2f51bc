#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The dom0 half of user-grants, on Linux's own gntalloc and gntdev.
. ./lib.sh

id=$(xl domid guest)
data=/local/domain/$id/data
memory=$(xl list guest | awk 'NR == 2 { print $3 }')
grant-file share "$id" 40 >/tmp/refs &
sharer=$!
grant-file share-read "$id" >/tmp/readonly &
reader=$!
there() { [ -s /tmp/refs ] && [ -s /tmp/readonly ]; }
wait_for 10 there
xenstore-write "$data/refs" "$(cat /tmp/refs)" "$data/readonly" "$(cat /tmp/readonly)" "$data/guest-refs" ""
xenstore-chmod "$data/guest-refs" "n$id"
sync_send refs

sync_wait guest-refs 140
# shellcheck disable=SC2046 # many arguments
grant-file hold "$id" $(xenstore-read "$data/guest-refs") >/tmp/held &
holder=$!
held() { [ -s /tmp/held ]; }
wait_for 20 held
sync_send mapped
sync_wait gone 60
kill -9 $holder
sync_send unmapped

sync_wait end 140
kill -9 $sharer $reader
equal "the guest's memory" "$(xl list guest | awk 'NR == 2 { print $3 }')" "$memory"

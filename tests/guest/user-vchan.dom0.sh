#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The dom0 half of user-vchan.
. ./lib.sh

id=$(xl domid guest)
data=/local/domain/$id/data
length() { [ "$(stat -c %s /tmp/in)" = 300000 ]; }
ended() { ! kill -0 "$proxy" 2>/dev/null; }
head -c 300000 /dev/urandom >/tmp/out
# feed: puts the data into a pipe that never ends: at an end, the proxy waits for an event that may not come.
mkfifo /tmp/feed
exec 3<>/tmp/feed
feed() { cat /tmp/out >&3 & }
xenstore-write "$data/sum-dom0" "$(md5sum </tmp/out)"
xenstore-chmod "$data/sum-dom0" "n$id"

sync_wait offered 60
vchan-socket-proxy -m client "$id" "$data/vchan" - </tmp/feed >/tmp/in &
proxy=$!
feed
wait_for 30 length
equal "what the guest sent" "$(md5sum </tmp/in)" "$(xenstore-read "$data/sum-guest")"
sync_send received
wait_for 30 ended
sync_send ended

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-flush.sh: a backend that restarts while flushes are under way, and one that says nothing.
. ./lib.sh

sync_wait busy 400
for round in 1 2 3 4; do
  restart_backend 51776
  # Back to work before the next time: otherwise all restarts would hit the same requests.
  sync_wait "working$round" 400
done
sync_send restarted

sync_wait slow 200
mute_backend 51808 feature-barrier 1
sync_wait over 600
xenstore-rm "$front" "$back"

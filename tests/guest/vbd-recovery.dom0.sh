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

sync_wait slow 200
mute_backend 51808
sync_wait over 400
xenstore-rm "$front" "$back"
sync_wait done 200

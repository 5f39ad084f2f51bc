#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-hotplug.sh: attaches xvdf and takes it away again, whatever the guest does with it.
. ./lib.sh

for round in idle1 idle2 mounted busy last; do
  sync_wait "attach-$round" 600
  xl block-attach guest phy:/dev/ram0,xvdf,w
  sync_wait "detach-$round" 600
  xl block-detach guest xvdf || fail "detach ($round)"
  sync_send "detached-$round"
done

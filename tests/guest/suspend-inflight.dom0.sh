#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of suspend-inflight.sh: a disk that needs four seconds for each request; after five, null_blk fails it.
. ./lib.sh
. ./lib-suspend.sh

mount -t configfs configfs /sys/kernel/config 2>/dev/null || true
disk=/sys/kernel/config/nullb/slow
mkdir $disk
for setting in size=64 memory_backed=1 irqmode=2 completion_nsec=4000000000 power=1; do
  echo "${setting#*=}" >"$disk/${setting%=*}"
done
sync_wait ready 300
xl block-attach guest phy:/dev/slow,xvdf,w
sync_wait cancelled 300
logged xl save -c guest /dev/vdc
sync_wait resumed 300
leave_guest
save_and_restore
meet_guest
sync_wait done 400

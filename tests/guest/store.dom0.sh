#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of store.sh: a directory whose names do not fit a message, which only dom0 may make.
. ./lib.sh
home=/local/domain/$(xl domid guest)/data/long
xenstore-write "$home" ""
set --
n=0
while [ "$n" -lt 400 ]; do
  set -- "$@" "$home/a-node-with-a-long-name-$n" ""
  n=$((n + 1))
done
xenstore-write "$@"
xenstore-chmod -r "$home" n0 "r$(xl domid guest)"
sync_send long

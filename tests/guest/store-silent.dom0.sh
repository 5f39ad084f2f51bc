#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of store-silent.sh: stops xenstored and lets it go on.
. ./lib.sh

home=/local/domain/$(xl domid guest)/data/long
xenstore-write "$home" ""
set --
for n in $(seq 0 399); do set -- "$@" "$home/a-node-with-a-long-name-$n" ""; done
xenstore-write "$@"
xenstore-chmod -r "$home" n0 "r$(xl domid guest)"

store=$(pidof xenstored oxenstored)
trap 'kill -CONT $store' EXIT
sync_wait stop-1 400
kill -STOP $store
sync_send stopped-1
sync_wait continue-1 400
kill -CONT $store
sync_wait stop-2 400
kill -STOP $store
sync_send stopped-2
sync_wait continue-2 400
kill -CONT $store
sync_send continued-2
sync_wait stop-3 400
for round in 1 2 3; do
  usleep 300000
  kill -STOP $store
  sleep 3
  kill -CONT $store
done
sync_send continued-3

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of store-silent.sh: stops xenstored and lets it go on.
. ./lib.sh

# watch_quota NUMBER: about how many watches xenstored lets a guest have. It is XS_CONTROL, which dom0's own device takes.
watch_quota() {
  exec 3<>/dev/xen/xenbus
  length=$(printf '\\%03o' $((19 + ${#1})))
  printf "\0\0\0\0\1\0\0\0\0\0\0\0$length\0\0\0quota\0set\0watches\0%s\0" "$1" >&3
  equal "the reply to a quota of $1 watches" "$(head -c 18 <&3 | tail -c 2)" OK
  exec 3>&-
}

home=/local/domain/$(xl domid guest)/data/long
xenstore-write "$home" ""
set --
for n in $(seq 0 399); do set -- "$@" "$home/a-node-with-a-long-name-$n" ""; done
xenstore-write "$@"
xenstore-chmod -r "$home" n0 "r$(xl domid guest)"

store=$(pidof xenstored oxenstored)
trap 'kill -CONT $store' EXIT
sync_wait stop-1 400
watch_quota 1
kill -STOP $store
sync_send stopped-1
sync_wait continue-1 400
kill -CONT $store
sync_wait refused 400
xenstore-write "/local/domain/$(xl domid guest)/control/shutdown" hop
# Beyond a round that is refused like the first.
sleep 7
watch_quota 128
sync_send allowed
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

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-rtnl.sh: interfaces without bridge and a disk that come and go, and a disk's backend that restarts.
. ./lib.sh
dev() { echo "vif$(xl domid guest).1"; }
attach() { xl network-attach guest type=vif "mac=00:16:3e:00:00:$1"; }
detach() { xl network-detach guest "00:16:3e:00:00:$1" || fail "xl cannot detach interface $1"; }
# on WORD COMMAND...: does it when the guest asks, and says so.
on() {
  sync_wait "$1" 600
  shift
  "$@"
}
restart() {
  on "restart-$1" restart_backend 51776
  sync_send "restarted-$1"
}

on attach attach 11
on detach detach 11
sync_send detached
on attach-disk xl block-attach guest phy:/dev/ram0,xvdf,w
restart held
on replace attach 12
brctl delif xenbr0 "$(dev)"
ip addr add 10.9.1.1/24 dev "$(dev)"
ip link set "$(dev)" up
sync_send replaced
restart replaced
on remove detach 12
xl block-detach guest xvdf
on attach-late attach 13
sync_send attached-late
on detach-late detach 13
sync_send detached-late
restart late
restart unload
sync_wait done 400

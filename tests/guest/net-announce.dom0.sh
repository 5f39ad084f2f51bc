#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-announce.sh: restarts xen-netback, and counts what comes from the guest, which sends nothing else.
. ./lib.sh
id=$(xl domid guest)
dev=vif$id.0
nodes=/local/domain/0/backend/vif/$id/0
received() { cat "/sys/class/net/$dev/statistics/rx_packets" 2>/dev/null || echo 0; }
heard() { [ "$(received)" -ge 1 ]; }
connected() { [ "$(xenstore-read "$nodes/state")" = 4 ]; }
announce_carrier() { xenstore-write "$nodes/carrier" "$1" "$nodes/state" 4; }

for round in up down; do
  sync_wait "restart-$round" 400
  echo "vif-$id-0" >/sys/bus/xen-backend/drivers/vif/unbind || fail "unbind"
  wait_for 20 [ ! -e "/sys/class/net/$dev" ]
  echo "vif-$id-0" >/sys/bus/xen-backend/drivers/vif/bind || fail "bind"
  wait_for 20 [ -e "/sys/class/net/$dev" ]
  ip link set "$dev" up
  brctl addif xenbr0 "$dev"

  sync_wait "connect-$round" 400
  equal "packets before the backend connects ($round)" "$(received)" 0
  [ $round = up ] || xenstore-write "$nodes/carrier" 0
  # What the hotplug script says when the interface has its place.
  xenstore-write "$nodes/hotplug-status" connected
  wait_for 20 connected
  if [ $round = down ]; then
    sleep 3
    equal "packets while the link is down" "$(received)" 0
    announce_carrier 1
  fi
  wait_for 20 heard
  sync_send "announced-$round"
done
sync_wait done 400

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-hotplug.sh: attaches interfaces without bridge, gives itself an address on them, and takes them
# away whatever the guest does with them.
. ./lib.sh
dev() { echo "vif$(xl domid "$DOMAIN").$1"; }
attach() { xl network-attach "$DOMAIN" type=vif "mac=00:16:3e:00:00:1$1"; }
address() {
  brctl delif xenbr0 "$(dev "$1")" 2>/dev/null || true
  ip addr add "10.9.$1.1/24" dev "$(dev "$1")"
  ip link set "$(dev "$1")" up
}
detach() { xl network-detach "$DOMAIN" "00:16:3e:00:00:1$1" || fail "xl cannot detach interface $1"; }
sync_wait attach-two 600
attach 1
attach 2
sync_wait addresses 600
address 1
address 2
nc -l -p 9 >/dev/null </dev/null &
sync_send addresses-set
sync_wait detach-idle 600
detach 1
sync_wait detach-busy 600
detach 2
sync_send detached
for round in 1 2 3 4 5; do
  sync_wait "attach$round" 600
  attach 1
  address 1
  sync_send "attached$round"
  sync_wait "detach$round" 600
  detach 1
  sync_send "detached$round"
done

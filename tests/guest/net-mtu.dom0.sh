#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-mtu.sh.
. ./lib.sh
sync_wait attach 400
xl network-attach "$DOMAIN" type=vif mac=00:16:3e:00:00:11 mtu=9000
dev=vif$(xl domid "$DOMAIN").1
brctl delif xenbr0 "$dev" 2>/dev/null || true
ip link set "$dev" mtu 9000
ip addr add 10.9.1.1/24 dev "$dev"
ip link set "$dev" up
sync_send attached
sync_wait serving 400
mkdir -p /tmp/www
wget -q -O /tmp/www/data http://10.9.1.2/data || fail "cannot fetch from the guest"
equal "4 MiB from the guest" "$(md5sum </tmp/www/data)" "$(wget -q -O - http://10.9.1.2/sum)"
httpd -p 10.9.1.1:80 -h /tmp/www
sync_send fetched
sync_wait done 400

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-full.sh: an interface that is down in dom0 takes nothing out of the ring.
. ./lib.sh
dev=vif$(xl domid "$DOMAIN").0
[ -d /sys/kernel/debug/xen-netback ] || mount -t debugfs none /sys/kernel/debug
# The first line of this form is the transmit ring's: all that was asked for has been taken out.
empty() { awk '/^req prod/ { exit $3 != $6 }' "/sys/kernel/debug/xen-netback/$dev/io_ring_q0"; }
for n in 1 2 3; do
  sync_wait "silence$n" 400
  ip link set "$dev" down
  sync_send "silent$n"
  sync_wait "speak$n" 400
  must_fail empty
  ip link set "$dev" up
  wait_for 20 empty
  sync_send "spoken$n"
done
sync_wait done 400
if kernel_log "disabling device"; then fail "netback gives the guest up: $(dmesg | grep "$dev")"; fi

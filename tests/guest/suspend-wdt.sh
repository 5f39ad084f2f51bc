#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A watchdog runs on over a save and restore: a guest that pings lives, one that never pings again is ended
# load: xen-platform-pci
# timeout: 120
# memory: 192
# ends: guest
. ./lib.sh

LIMIT=20
left() { cat /sys/class/watchdog/watchdog0/timeleft; }
resumed() { [ "$(report suspends resumed)" = 1 ]; }

modprobe watchdog
insert xen-wdt timeout=$LIMIT nowayout=1
exec 9>/dev/watchdog0
sync_send running
# Pinged as long as the suspend takes, and for longer than the watchdog's time after it.
until resumed; do
  printf . >&9
  sleep 0.5
done
for second in $(seq $((LIMIT + 5))); do
  sleep 1
  [ "$(left)" -le $LIMIT ] || fail "$(left) s are left of $LIMIT"
  printf . >&9
done
at_least "seconds left after a ping" "$(left)" $((LIMIT - 5))
equal "suspends that failed" "$(report suspends failed)" 0
echo "pinged for $((LIMIT + 5)) s in the new domain"
# The last ping is in this domain, and the next one's timer is to run without any.
sync_send last

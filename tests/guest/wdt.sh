#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a watchdog that is pinged or closed in order lets the guest live, one that runs keeps its module; modprobe brings it
# load: none
# timeout: 150
. ./lib.sh

D=/sys/class/watchdog/watchdog0
LIMIT=15
state() { cat $D/state; }
# survive: longer than the watchdog would let it, if it ran.
survive() { sleep $((LIMIT + 5)); }

modprobe xen-wdt timeout=$LIMIT || fail "modprobe xen-wdt"
grep -q '^watchdog ' /proc/modules || fail "modprobe has not brought Linux's watchdog core"
grep -q '^xen_platform_pci ' /proc/modules || fail "modprobe has not brought xen-platform-pci"
equal "identity" "$(cat $D/identity)" "Xen watchdog"
equal "timeout" "$(cat $D/timeout)" $LIMIT
equal "nowayout" "$(cat $D/nowayout)" 0
equal "state at first" "$(state)" inactive

# Pinged, for longer than the limit.
exec 9>/dev/watchdog0
equal "state when open" "$(state)" active
must_fail sh -c 'exec 8>/dev/watchdog0' 2>/dev/null
must_fail rmmod xen_wdt 2>/dev/null
for second in $(seq $((LIMIT + 5))); do
  sleep 1
  left=$(cat $D/timeleft)
  [ "$left" -le $LIMIT ] || fail "$left s are left of $LIMIT"
  printf . >&9
done
at_least "seconds left after a ping" "$(cat $D/timeleft)" $((LIMIT - 5))
# In order: the magic letter, and the end.
printf V >&9
exec 9>&-
equal "state after an orderly close" "$(state)" inactive
equal "seconds left" "$(cat $D/timeleft)" 0
survive
echo "pinged for $((LIMIT + 5)) s, closed in order"

# Closed without a word it runs on, and keeps its module until somebody closes it in order. Nothing is left with Xen, which
# has two timers for a domain.
for round in 1 2 3 4 5; do
  exec 9>/dev/watchdog0
  exec 9>&-
  equal "state after a close without a word ($round)" "$(state)" active
  must_fail rmmod xen_wdt 2>/dev/null
  exec 9>/dev/watchdog0
  printf V >&9
  exec 9>&-
  rmmod xen_wdt || fail "rmmod $round"
  insert xen-wdt timeout=$LIMIT
  equal "state after a reload ($round)" "$(state)" inactive
done
survive
echo "closed without a word, then in order and unloaded, five times"

# A number of seconds that is none.
rmmod xen_wdt
insert xen-wdt timeout=0
equal "timeout instead of 0" "$(cat $D/timeout)" 60
rmmod xen_wdt

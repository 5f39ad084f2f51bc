#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of wdt-barks.sh: the domain goes when its time is over, and not before.
. ./lib.sh

sync_wait pinged 120
before=$(cut -d . -f 1 /proc/uptime)
wait_for 60 grep -q "has shut down, reason code 4 " /var/log/xen/xl-guest.log
took=$(($(cut -d . -f 1 /proc/uptime) - before))
at_least "seconds until the end" $took 15
# What xl does without on_watchdog= in the configuration.
gone() { ! xl domid guest >/dev/null 2>&1; }
wait_for 30 gone
cat /var/log/xen/xl-guest.log
echo "the domain was gone $took s after the last ping"

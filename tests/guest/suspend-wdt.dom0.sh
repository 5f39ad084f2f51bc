#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of suspend-wdt.sh: the domain lives as long as it is pinged, and goes when its time is over.
. ./lib.sh
. ./lib-suspend.sh

sync_wait running 120
leave_guest
save_and_restore
meet_guest
sync_wait last 600
leave_guest
save_and_restore
before=$(cut -d . -f 1 /proc/uptime)
meet_guest
wait_for 60 grep -q "has shut down, reason code 4 " /var/log/xen/xl-guest.log
at_least "seconds until the end" $(($(cut -d . -f 1 /proc/uptime) - before)) 5
# What xl does without on_watchdog= in the configuration.
gone() { ! xl domid guest >/dev/null 2>&1; }
wait_for 30 gone
echo "the domain was gone $(($(cut -d . -f 1 /proc/uptime) - before)) s after it was restored"

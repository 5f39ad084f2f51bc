#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a watchdog without way out that is pinged no more: neither a close nor rmmod stops it, Xen ends the domain
# load: xen-platform-pci
# timeout: 60
# ends: guest
. ./lib.sh

modprobe watchdog
insert xen-wdt timeout=20 nowayout=1
exec 9>/dev/watchdog0
printf V >&9
exec 9>&-
equal "state" "$(cat /sys/class/watchdog/watchdog0/state)" active
must_fail rmmod xen_wdt 2>/dev/null
exec 9>/dev/watchdog0
printf . >&9
sync_send pinged

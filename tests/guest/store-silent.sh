#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: xenstored stops, goes on and takes no watch: it is waited for and asked again, and keeps neither insmod nor rmmod
# timeout: 170
# load: none
# allow: xenstored does not answer
# allow: in xenstore (E2BIG), and perhaps others
# allow: the toolstack asks for "hop"
. ./lib.sh

DEVICES=/sys/bus/xenpv/devices
uptime() { cut -d . -f 1 /proc/uptime; }
within() { # within SECONDS COMMAND...: the command succeeds in time.
  limit=$1
  shift
  start=$(uptime)
  "$@" || fail "$*"
  took=$(($(uptime) - start))
  [ "$took" -le "$limit" ] || fail "$* took $took s"
  echo "$*: $took s"
}
no_devices() { [ -z "$(ls $DEVICES)" ]; }

# Late: it is not there when the module is inserted.
sync_send stop-1
sync_wait stopped-1 200
within 10 insert xen-platform-pci
wait_for 20 kernel_log "xenstored does not answer"
no_devices || fail "devices without xenstored: $(ls $DEVICES)"
sync_send continue-1

# It is there now, but does not take all watches: those of the devices and of the two control nodes.
wait_for 60 kernel_log "in xenstore (E2BIG), and perhaps others"
at_least "watches that are refused" "$(report store unregistered_watches)" 1
sync_send refused
sync_wait allowed 200
wait_for 10 kernel_log "all is watched in xenstore again"
equal "lines about refused watches" "$(dmesg | grep -cF 'in xenstore (E2BIG)')" 1
equal "watches that are refused still" "$(report store unregistered_watches)" 0
wait_for 10 kernel_log 'the toolstack asks for "hop"'
echo "what it refused to watch was watched later"
wait_for 60 [ -d $DEVICES/vbd-51776 ]
wait_for 10 [ -d $DEVICES/vif-0 ]
kernel_log "connected to xenstored" || fail "no line says that xenstored is there"
echo "a late xenstored was waited for"

# Stuck: it stops while the module is at work, and the module goes.
sync_send stop-2
sync_wait stopped-2 200
within 30 rmmod xen_platform_pci
sync_send continue-2
sync_wait continued-2 200
insert xen-platform-pci
wait_for 60 [ -d $DEVICES/vbd-51776 ]
self_test 3
echo "a stuck one did not keep rmmod, and works again"

# Stuck under many requests, which end by themselves or go on when it does.
insert xen-selftest room=3 &
sync_send stop-3
sync_wait continued-3 200
# What was cut off may have failed: it must only have ended.
wait $! || true
rmmod xen_selftest 2>/dev/null || true
self_test 3
equal "requests left" "$(report store requests)" 0
rmmod xen_platform_pci

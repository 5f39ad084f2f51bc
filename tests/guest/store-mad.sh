#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a xenstored that has lost its mind is left alone: every request ends, and the module goes whenever it is told to
# load: xen-platform-pci
# allow: the connection to xenstored is lost
# allow: this xenstored cannot begin a connection anew
# allow: xenstored does not answer
. ./lib.sh

unload() {
  start=$(cut -d . -f 1 /proc/uptime)
  rmmod xen_platform_pci || fail "rmmod"
  took=$(($(cut -d . -f 1 /proc/uptime) - start))
  [ "$took" -le 30 ] || fail "rmmod took $took s"
}

wait_for 10 [ -d /sys/bus/xenpv/devices/vbd-51776 ]
self_test 5
kernel_log "the connection to xenstored is lost: its ring indices cannot be" || fail "nothing is said"
equal "connections lost" "$(report store losses)" 1
equal "requests left" "$(report store requests)" 0
unload

# This xenstored has seen the index, too, and ignores the guest from now on.
insert xen-platform-pci
wait_for 20 kernel_log "xenstored does not answer"
unload

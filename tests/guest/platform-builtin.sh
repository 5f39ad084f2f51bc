#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: xen-platform-pci refuses to run beside the kernel's own Xen drivers and says to boot with xen_nopv
# driver: mainline
# load: none
# timeout: 30
. ./lib.sh

if said=$(busybox insmod "/lib/modules/$(uname -r)/extra/xen-platform-pci.ko" 2>&1); then fail "loaded"; fi
case $said in *"resource busy"*) ;; *) fail "insmod said \"$said\"" ;; esac
kernel_log "xen-platform-pci: the kernel's own Xen drivers are active: boot with xen_nopv" || fail "no line"
[ -e /sys/bus/pci/drivers/xen-platform-pci/0000:00:02.0 ] || fail "the built-in driver lost its device"
echo "the built-in drivers are untouched"

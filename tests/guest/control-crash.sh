#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a panic, by xl sysrq's key c, is told to Xen as a crash
# load: xen-platform-pci
# timeout: 40
# ends: guest
# allow: Kernel panic - not syncing: sysrq triggered crash
. ./lib.sh

# Debian's setting leaves the key c out.
echo 1 >/proc/sys/kernel/sysrq
sync_send ready

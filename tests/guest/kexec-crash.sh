#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A crash kernel finds the devices as the dead kernel left them, and has disk and network all the same
# cmdline: crashkernel=224M
# memory: 640
# timeout: 240
# ends: guest
# allow: Kernel panic - not syncing: sysrq triggered crash
. ./lib.sh
. ./lib-kexec.sh

use_devices
load_next crash nr_cpus=1
equal "a crash kernel is ready" "$(cat /sys/kernel/kexec/crash_loaded 2>/dev/null || cat /sys/kernel/kexec_crash_loaded)" 1
echo 1 >/proc/sys/kernel/sysrq
# With requests under way.
dd if=/dev/urandom of=/mnt/more bs=64k count=400 conv=fsync >/dev/null 2>&1 &
sync_send ready

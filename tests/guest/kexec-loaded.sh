#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: kexec with the modules at work closes the devices, and the next kernel has them
# cmdline: crashkernel=224M
# memory: 640
# timeout: 240
# ends: guest
. ./lib.sh
. ./lib-kexec.sh

use_devices
load_next load
# The script ends before the kernel does; with requests under way.
(
  sync_wait go 300
  dd if=/dev/urandom of=/mnt/more bs=64k count=400 conv=fsync 2>/dev/null &
  sleep 0.3
  kexec run
) >/dev/null 2>&1 &
sync_send ready

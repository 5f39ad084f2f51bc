#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Before the guest goes on, in dom0: its disks, and what answers to its load generators.
#
# xvdf forgets what is written to it and completes at once: what is measured is the way there. xvdg keeps it in memory
# behind a volatile cache, because only a disk with such a cache is asked to flush.
set -e
mount -t configfs configfs /sys/kernel/config
disk() {
  node=$1 name=$2
  shift 2
  made=/sys/kernel/config/nullb/$node
  mkdir "$made"
  for setting; do
    echo "${setting#*=}" >"$made/${setting%%=*}"
  done
  xl block-attach "$DOMAIN" "phy:/dev/$node,$name,w"
}
disk fast xvdf size=1024 queue_mode=2 irqmode=0 blocksize=512 power=1
disk cached xvdg size=64 queue_mode=2 irqmode=0 blocksize=512 memory_backed=1 cache_size=32 power=1
iperf3 --server --daemon
netserver >/dev/null
cd /sys/hypervisor/version
echo "xen $(cat major).$(cat minor)$(cat extra)"

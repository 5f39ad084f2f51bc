#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Partitions of a disk are made, scanned, used, and found again after a reload of the module
# timeout: 90
# load: xen-platform-pci,xen-vbd
. ./lib.sh

# The partition scan of a disk that has just come keeps the module in use.
unloaded() { rmmod xen-vbd 2>/dev/null; }

wait_for 20 [ -b /dev/xvde ]
printf 'label: dos\nsize=32MiB, type=83\nsize=64MiB, type=83\nsize=16MiB, type=82\n' | sfdisk -q /dev/xvde || fail "sfdisk"
for number in 1 2 3; do
  wait_for 10 [ -b "/dev/xvde$number" ]
  equal "device number" "$(cat "/sys/class/block/xvde$number/dev")" 202:$((64 + number))
done
mkdir -p /mnt/1 /mnt/2
for number in 1 2; do
  /usr/sbin/mkfs.ext4 -q -F "/dev/xvde$number" || fail "mkfs on xvde$number"
  mount -t ext4 "/dev/xvde$number" "/mnt/$number" || fail "mount of xvde$number"
  head -c 3000000 /dev/urandom >"/mnt/$number/data"
  md5sum <"/mnt/$number/data" >"/tmp/sum$number"
done
umount /mnt/1 /mnt/2 || fail "umount"

wait_for 20 unloaded
must_fail [ -e /dev/xvde ]
must_fail [ -e /dev/xvde1 ]
insert xen-vbd
for number in 1 2; do
  wait_for 20 [ -b "/dev/xvde$number" ]
  mount -t ext4 "/dev/xvde$number" "/mnt/$number" || fail "second mount of xvde$number"
  equal "data on xvde$number" "$(md5sum <"/mnt/$number/data")" "$(cat "/tmp/sum$number")"
  umount "/mnt/$number"
done
wait_for 10 [ -b /dev/xvde3 ]
echo "three partitions, two file systems, found again after a reload"

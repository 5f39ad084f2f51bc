#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A disk comes and goes idle, mounted and under I/O, which ends with an error; nothing hangs or leaks
# timeout: 180
# load: xen-platform-pci,xen-vbd
. ./lib.sh

no_leak() { [ "$(report grants deferred)" = 0 ] && [ "$(report grants in_use)" = "$before" ]; }
came() {
  sync_send "attach-$1"
  wait_for 30 [ -b /dev/xvdf ]
}
gone() {
  wait_for 30 [ ! -e /dev/xvdf ]
  sync_wait "detached-$1" 200
}
ended() { ! kill -0 "$1" 2>/dev/null; }

wait_for 20 [ -b /dev/xvde ]
before=$(report grants in_use)
mkdir -p /mnt

for round in idle1 idle2; do
  came "$round"
  dd if=/dev/xvdf of=/dev/null bs=1M count=4 2>/dev/null || fail "read ($round)"
  at_least "grants of two disks" "$(report grants in_use)" $((before + 1))
  sync_send "detach-$round"
  gone "$round"
done
wait_for 30 no_leak
echo "attached and detached twice, no grant left"

came mounted
/usr/sbin/mkfs.ext4 -q -F /dev/xvdf || fail "mkfs"
mount -t ext4 /dev/xvdf /mnt || fail "mount"
head -c 4194304 /dev/urandom >/mnt/data
sync
head -c 4194304 /dev/urandom >/mnt/dirty
sync_send detach-mounted
gone mounted
must_fail dd if=/dev/zero of=/mnt/more bs=4096 count=1000 conv=fsync 2>/dev/null
umount /mnt || fail "umount without disk"
wait_for 30 no_leak
echo "detached while mounted"

came busy
writers=
for job in 1 2 3; do
  (while dd if=/dev/zero of=/dev/xvdf bs=64k seek=$((job * 300)) count=100 conv=notrunc,fsync 2>/dev/null; do :; done) &
  writers="$writers $!"
done
(while dd if=/dev/xvdf of=/dev/null bs=1M count=60 iflag=direct 2>/dev/null; do :; done) &
reader=$!
busy() { [ "$(cat /sys/block/xvdf/xenpv/requests)" -gt 500 ]; }
wait_for 60 busy
sync_send detach-busy
gone busy
for job in $writers $reader; do wait_for 60 ended "$job"; done
wait_for 30 no_leak
echo "detached under I/O of four processes"

came last
head -c 1048576 /dev/urandom >/tmp/data
dd if=/tmp/data of=/dev/xvdf bs=1M conv=fsync 2>/dev/null || fail "write to the last disk"
equal "data of the last disk" "$(dd if=/dev/xvdf bs=1M count=1 iflag=direct 2>/dev/null | md5sum)" "$(md5sum </tmp/data)"
sync_send detach-last
gone last
wait_for 30 no_leak
dd if=/dev/xvde of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null || fail "the other disk"
echo "and a new disk of the same name works"

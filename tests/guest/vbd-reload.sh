#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: The module goes and comes again, is refused while mounted, is unbound under I/O, and every grant comes back
# timeout: 120
# load: xen-platform-pci,xen-vbd
. ./lib.sh

unloaded() { rmmod xen-vbd 2>/dev/null; }
none_deferred() { [ "$(report grants deferred)" = 0 ]; }
all_back() { none_deferred && [ "$(report grants in_use)" = "$empty" ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

wait_for 20 [ -b /dev/xvde ]
head -c 4194304 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)
dd if=/tmp/data of=/dev/xvde bs=1M conv=fsync 2>/dev/null || fail "write"
wait_for 20 unloaded
must_fail [ -e /dev/xvde ]
# What the backend still mapped when the module went comes back when it lets go.
wait_for 30 none_deferred
empty=$(report grants in_use)

for parameters in "" feature_persistent=0 timeout=30 reconnect_timeout=0; do
  # Words of their own, or none.
  insert xen-vbd $parameters
  wait_for 20 [ -b /dev/xvde ]
  equal "data with ${parameters:-defaults}" "$(dd if=/dev/xvde bs=1M count=4 iflag=direct 2>/dev/null | md5sum)" "$want"
  dd if=/tmp/data of=/dev/xvde bs=1M seek=8 conv=fsync 2>/dev/null || fail "write with ${parameters:-defaults}"
  equal "violations with ${parameters:-defaults}" "$(cat /sys/block/xvde/xenpv/violations)" 0
  # One for the ring, one for the segments of each of its 32 requests, and 11 to 32 for their data.
  used=$(($(report grants in_use) - empty))
  at_least "references in use" $used $((33 + 32 * 11))
  at_least "the most references" $((33 + 32 * 32)) $used
  wait_for 20 unloaded
  wait_for 30 all_back
done
echo "four reloads, with and without persistent grants; every reference came back"

insert xen-vbd
wait_for 20 [ -b /dev/xvde ]
/usr/sbin/mkfs.ext4 -q -F /dev/xvde || fail "mkfs"
mkdir -p /mnt
mount -t ext4 /dev/xvde /mnt || fail "mount"
must_fail unloaded
cp /tmp/data /mnt/data
umount /mnt
echo "refused while mounted"

for round in 1 2 3; do
  # The reader that is at work when the device is taken from the driver ends with an error, and does not hang.
  (while dd if=/dev/xvde of=/dev/null bs=1M count=64 iflag=direct 2>/dev/null; do :; done) &
  reader=$!
  requests=$(cat /sys/block/xvde/xenpv/requests)
  at_work() { [ "$(cat /sys/block/xvde/xenpv/requests)" -gt $((requests + 100)) ]; }
  wait_for 30 at_work
  echo vbd-51776 >/sys/bus/xenpv/drivers/vbd/unbind || fail "unbind"
  wait_for 30 ended "$reader"
  must_fail [ -e /dev/xvde ]
  echo vbd-51776 >/sys/bus/xenpv/drivers/vbd/bind || fail "bind"
  wait_for 30 [ -b /dev/xvde ]
  mount -t ext4 /dev/xvde /mnt || fail "mount after bind"
  equal "data after bind (round $round)" "$(md5sum </mnt/data)" "$want"
  umount /mnt
done
wait_for 20 unloaded
wait_for 30 all_back
echo "unbound under I/O and bound again three times"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A backend that restarts under I/O loses nothing; other sizes are followed; a silent one is given up in time
# timeout: 240
# load: xen-platform-pci,xen-vbd
# allow: no working backend
. ./lib.sh

count() { cat "/sys/block/xvde/xenpv/$1"; }
has_sectors() { [ "$(cat "/sys/block/$1/size")" = "$2" ]; }
unloaded() { rmmod xen-vbd 2>/dev/null; }
none_deferred() { [ "$(report grants deferred)" = 0 ]; }

wait_for 20 [ -b /dev/xvde ]
wait_for 20 unloaded
insert xen-vbd timeout=3 reconnect_timeout=20
wait_for 20 [ -b /dev/xvde ]

# A writer and a reader that never see an error while the backend goes and comes three times.
head -c 8388608 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)
dd if=/tmp/data of=/dev/xvde bs=1M conv=fsync 2>/dev/null || fail "write"
rm -f /tmp/stop /tmp/bad
(
  while [ ! -e /tmp/stop ]; do
    dd if=/tmp/data of=/dev/xvde bs=64k seek=512 oflag=direct conv=notrunc 2>/tmp/dd.err || { echo "write: $(cat /tmp/dd.err)" >/tmp/bad; exit; }
    got=$(dd if=/dev/xvde bs=64k skip=512 count=128 iflag=direct 2>/dev/null | md5sum)
    [ "$got" = "$want" ] || { echo "what was written came back as $got" >/tmp/bad; exit; }
  done
) &
writer=$!
(
  while [ ! -e /tmp/stop ]; do
    got=$(dd if=/dev/xvde bs=64k count=128 iflag=direct 2>/dev/null | md5sum)
    [ "$got" = "$want" ] || { echo "what is there was read as $got" >/tmp/bad; exit; }
  done
) &
reader=$!
at_work() { [ "$(count requests)" -gt 1000 ]; }
wait_for 60 at_work
sync_send busy
sync_wait restarted 600
requests=$(count requests)
goes_on() { [ "$(count requests)" -gt $((requests + 500)) ] || [ -e /tmp/bad ]; }
wait_for 60 goes_on
touch /tmp/stop
wait "$writer" "$reader"
[ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
equal "errors" "$(count errors)" 0
equal "violations" "$(count violations)" 0
at_least "requests" "$(count requests)" "$(count responses)"
echo "the backend restarted three times under I/O, no data lost; $(($(count requests) - $(count responses))) requests issued again"

sync_send small
wait_for 60 [ -b /dev/xvdf ]
wait_for 10 has_sectors xvdf 131072
sync_send shrink
wait_for 30 has_sectors xvdf 65536
sync_send grow
wait_for 30 has_sectors xvdf 131072
dd if=/dev/xvdf of=/dev/null bs=1M count=64 iflag=direct 2>/dev/null || fail "read of the disk that grew"
sync_send nonsense
wait_for 30 has_sectors xvdf 131064
sync_send resized
wait_for 60 [ ! -e /dev/xvdf ]
echo "the size follows the backend, but not its nonsense"

sync_send slow
wait_for 60 [ -e /dev/xvdg ]
start=$(cut -d. -f1 /proc/uptime)
# An error, or the end of a disk that is dead by then: the partition scan has it open first.
bytes=$(dd if=/dev/xvdg bs=4096 count=1 iflag=direct 2>/dev/null | wc -c)
equal "bytes of a silent disk" "$bytes" 0
took=$(($(cut -d. -f1 /proc/uptime) - start))
# 3 s for the first request to be late and 20 s for another backend, and what a loaded machine adds.
at_least "60 s" 60 "$took"
dd if=/dev/xvde of=/dev/null bs=1M count=8 iflag=direct 2>/dev/null || fail "the other disk suffers"
kernel_log 'xvdg: no working backend' || fail "nothing is said about xvdg"
sync_send over
wait_for 30 [ ! -e /dev/xvdg ]
wait_for 30 none_deferred
wait_for 30 unloaded
sync_send done
echo "a silent backend was given up after $took s"

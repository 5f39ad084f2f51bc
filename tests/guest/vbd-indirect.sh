#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Large requests under way go on with a backend that takes only small ones, or says nonsense about it
# timeout: 240
# load: xen-platform-pci,xen-vbd
. ./lib.sh

count() { cat "/sys/block/xvdh/xenpv/$1"; }

sync_send ready
wait_for 60 [ -b /dev/xvdh ]
equal "KiB in a request" "$(cat /sys/block/xvdh/queue/max_hw_sectors_kb)" 128
head -c 8388608 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)
dd if=/tmp/data of=/dev/xvdh bs=1M oflag=direct 2>/dev/null || fail "write"
at_least "indirect requests" "$(count indirect_requests)" 64
equal "parts of requests" "$(count partial_requests)" 0

# A writer and a reader that never see an error, whatever the backend takes.
rm -f /tmp/stop /tmp/bad
(
  while [ ! -e /tmp/stop ]; do
    dd if=/tmp/data of=/dev/xvdh bs=1M seek=16 oflag=direct conv=notrunc 2>/tmp/dd.err || { echo "write: $(cat /tmp/dd.err)" >/tmp/bad; exit; }
    got=$(dd if=/dev/xvdh bs=1M skip=16 count=8 iflag=direct 2>/dev/null | md5sum)
    [ "$got" = "$want" ] || { echo "what was written came back as $got" >/tmp/bad; exit; }
  done
) &
writer=$!
(
  while [ ! -e /tmp/stop ]; do
    got=$(dd if=/dev/xvdh bs=1M count=8 iflag=direct 2>/dev/null | md5sum)
    [ "$got" = "$want" ] || { echo "what is there was read as $got" >/tmp/bad; exit; }
  done
) &
reader=$!

# grow NAME BY: the I/O makes the counter grow by at least that.
grow() {
  from=$(count "$1") by=$2 counter=$1
  has_grown() { [ -e /tmp/bad ] || [ "$(count "$counter")" -ge $((from + by)) ]; }
  wait_for 60 has_grown
  [ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
}
grow indirect_requests 100
round=0
for offer in none 20 0 99999999999 none 256; do
  round=$((round + 1))
  sync_send "wanted-$round"
  sync_wait "connected-$round" 200
  case $offer in
  none | 0)
    indirect=$(count indirect_requests)
    grow partial_requests 100
    equal "indirect requests with $offer" "$(count indirect_requests)" "$indirect"
    ;;
  20)
    # 128 KiB are 20 pages and 12.
    grow partial_requests 50
    grow indirect_requests 100
    ;;
  *)
    partial=$(count partial_requests)
    grow indirect_requests 100
    equal "parts of requests with $offer" "$(count partial_requests)" "$partial"
    ;;
  esac
  echo "with $offer segments: $(count requests) requests, $(count indirect_requests) indirect, $(count partial_requests) in part"
done
touch /tmp/stop
wait "$writer" "$reader"
[ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
equal "errors" "$(count errors)" 0
equal "violations" "$(count violations)" 0
sync_send over
wait_for 60 [ ! -e /dev/xvdh ]
none_deferred() { [ "$(report grants deferred)" = 0 ]; }
wait_for 30 none_deferred
sync_send done

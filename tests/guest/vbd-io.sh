#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A disk's data of all sizes and alignments both ways, flush, a file system, the counters
# timeout: 120
# load: xen-platform-pci,xen-vbd
. ./lib.sh

counter() { cat "/sys/block/xvde/xenpv/$1"; }
unloaded() { rmmod xen-vbd 2>/dev/null; }
sum() { md5sum | cut -d ' ' -f 1; }

wait_for 20 [ -b /dev/xvde ]
equal "device number" "$(cat /sys/block/xvde/dev)" 202:64
equal "size" "$(cat /sys/block/xvde/size)" 524288
equal "read-only" "$(cat /sys/block/xvde/ro)" 0
equal "write cache" "$(cat /sys/block/xvde/queue/write_cache)" "write back"
equal "KiB in a request" "$(cat /sys/block/xvde/queue/max_hw_sectors_kb)" 128

# grows NAME BY COMMAND...: the command makes the counter grow by that, no more and no less.
grows() {
  name=$1 by=$2 before=$(counter "$1")
  shift 2
  "$@" 2>/dev/null || fail "$*"
  equal "growth of $name by $*" $(($(counter "$name") - before)) "$by"
}
# The pages of some known traffic, in the counter NAME.
pages_in() {
  grows "$1" 100 dd if=/dev/xvde of=/dev/null bs=4096 count=100 iflag=direct
  grows "$1" 1024 dd if=/dev/xvde of=/dev/null bs=1M count=4 iflag=direct
  grows "$1" 90 dd if=/dev/zero of=/dev/xvde bs=12288 count=30 oflag=direct
}

# 45056 bytes fill a direct request, 131072 an indirect one, 512 are the least; odd numbers of sectors at odd places.
for bytes in 512 1024 3584 4096 4608 44544 45056 45568 90112 131072 131584 1048576; do
  head -c "$bytes" /dev/urandom >/tmp/data
  want=$(sum </tmp/data)
  for at in 1 7; do
    dd if=/tmp/data of=/dev/xvde bs=512 seek="$at" oflag=direct conv=notrunc 2>/dev/null || fail "write of $bytes bytes at $at"
    dd if=/dev/xvde of=/tmp/back bs=512 skip="$at" count=$((bytes / 512)) iflag=direct 2>/dev/null || fail "read of $bytes bytes at $at"
    equal "$bytes bytes at sector $at" "$(sum </tmp/back)" "$want"
  done
  dd if=/tmp/data of=/dev/xvde bs="$bytes" seek=3 oflag=direct conv=notrunc 2>/dev/null || fail "write of one block of $bytes"
  equal "a block of $bytes" "$(dd if=/dev/xvde bs="$bytes" skip=3 count=1 iflag=direct 2>/dev/null | sum)" "$want"
done
echo "512 bytes to 1 MiB at any sector"

dd if=/dev/urandom of=/tmp/data bs=1M count=32 2>/dev/null
want=$(sum </tmp/data)
dd if=/tmp/data of=/dev/xvde bs=1M seek=224 conv=fsync 2>/dev/null || fail "write to the end"
echo 3 >/proc/sys/vm/drop_caches
equal "the last 32 MiB" "$(dd if=/dev/xvde bs=1M skip=224 2>/dev/null | sum)" "$want"
must_fail dd if=/tmp/data of=/dev/xvde bs=512 seek=524288 count=1 2>/dev/null
echo "32 MiB through the page cache"

before=$(counter requests)
dd if=/tmp/data of=/dev/xvde bs=4096 count=8 conv=fsync 2>/dev/null || fail "fsync"
# One request for the data and one for the flush that fsync asks for.
at_least "requests for fsync" $(($(counter requests) - before)) 2

/usr/sbin/mkfs.ext4 -q -F /dev/xvde || fail "mkfs"
mkdir -p /mnt
mount -t ext4 /dev/xvde /mnt || fail "mount"
mkdir /mnt/tree
number=0
while [ $number -lt 60 ]; do
  mkdir -p "/mnt/tree/$((number % 7))"
  head -c $((number * number * 37)) /dev/urandom >"/mnt/tree/$((number % 7))/$number"
  number=$((number + 1))
done
head -c 8388608 /tmp/data >/mnt/tree/data
(cd /mnt/tree && find . -type f -exec md5sum {} + | sort) >/tmp/sums
equal "files" "$(wc -l </tmp/sums)" 61
umount /mnt || fail "umount"
echo 3 >/proc/sys/vm/drop_caches
mount -t ext4 /dev/xvde /mnt || fail "second mount"
(cd /mnt/tree && md5sum -c /tmp/sums >/dev/null) || fail "the file tree changed"
umount /mnt || fail "second umount"
echo "a file tree, the same after a remount"

settled() { [ "$(counter responses)" = "$(counter requests)" ]; }
wait_for 20 settled
equal "errors" "$(counter errors)" 0
equal "violations" "$(counter violations)" 0
at_least "batched requests" "$(counter notifies_saved)" 100
equal "notifications" $(($(counter notifies_saved) + $(counter notifies_sent))) "$(counter requests)"
# An event may be late for a response that was seen already, but not as a rule.
at_least "events that found something: half of $(counter responses)" "$(counter responses)" $((2 * $(counter spurious_events)))
echo "$(counter requests) requests, $(counter notifies_sent) notifications, $(counter spurious_events) spurious events"

# The requests of known traffic: COUNT blocks of so many bytes are so many direct and so many indirect ones.
requests_in() {
  grows requests $(($3 + $4)) dd if=/dev/xvde of=/dev/null bs="$1" count="$2" iflag=direct
  grows indirect_requests "$4" dd if=/dev/zero of=/dev/xvde bs="$1" count="$2" oflag=direct
}
requests_in 45056 10 10 0
requests_in 45568 10 0 10
requests_in 131072 10 0 10
requests_in 135168 10 10 10
requests_in 1048576 4 0 32
echo "requests of more than 44 KiB are indirect"

# 33 pages beside the data, and for each of 32 tags at least those of a direct request, at most those of an indirect one.
at_least "grants in use" "$(counter grants_in_use)" $((33 + 32 * 11 + 21))
at_least $((33 + 32 * 32)) $((33 + 32 * 32)) "$(counter grants_in_use)"
pages_in persistent_hits
equal "pages granted for a request" "$(counter pages_granted)" 0
equal "pages kept by the backend" "$(counter deferred_frees)" 0
wait_for 20 unloaded
insert xen-vbd feature_persistent=0
wait_for 20 [ -b /dev/xvde ]
pages_in pages_granted
equal "pages granted before" "$(counter persistent_hits)" 0
requests_in 1048576 4 0 32
equal "grants in use when idle" "$(counter grants_in_use)" 33
equal "pages kept by the backend" "$(counter deferred_frees)" 0
echo "the counters follow the pages, with and without persistent grants"

# 32 MiB there and back, with so many segments at most and requests of so many KiB.
same_data_by() {
  wait_for 20 unloaded
  insert xen-vbd max_indirect_segments="$1"
  wait_for 20 [ -b /dev/xvde ]
  equal "KiB in a request" "$(cat /sys/block/xvde/queue/max_hw_sectors_kb)" "$2"
  dd if=/tmp/data of=/dev/xvde bs=1M seek=64 oflag=direct conv=notrunc 2>/dev/null || fail "write"
  equal "32 MiB by $2 KiB" "$(dd if=/dev/xvde bs=1M skip=64 count=32 iflag=direct 2>/dev/null | sum)" "$want"
  equal "errors" "$(counter errors)" 0
}
same_data_by 0 44
equal "indirect requests" "$(counter indirect_requests)" 0
same_data_by 4294967295 1024
at_least "indirect requests" "$(counter indirect_requests)" 64
echo "requests are as large as the parameter says, or as xen-blkback allows"

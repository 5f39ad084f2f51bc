#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A backend that restarts between a write and its flush loses nothing; one that is slow is waited for
# timeout: 300
# load: xen-platform-pci,xen-vbd
. ./lib.sh

PARTS="1 2 3 4"

count() { cat "/sys/block/$1/xenpv/$2"; }

# Four journals on one disk: their commits (REQ_FUA, which is a write and then a flush) overlap at any moment.
wait_for 20 [ -b /dev/xvde ]
printf ',32M\n,32M\n,32M\n,32M\n' | sfdisk -q /dev/xvde
for part in $PARTS; do
  wait_for 20 [ -b "/dev/xvde$part" ]
  mke2fs -q -F -t ext4 "/dev/xvde$part" >/dev/null
  mkdir -p "/tmp/$part"
  mount -t ext4 "/dev/xvde$part" "/tmp/$part"
done
rm -f /tmp/stop /tmp/bad
writers=
for part in $PARTS; do
  (
    round=0
    while [ ! -e /tmp/stop ]; do
      round=$((round + 1))
      echo "$round" | dd of="/tmp/$part/file" conv=fsync 2>/tmp/dd.err || { echo "write: $(cat /tmp/dd.err)" >/tmp/bad; exit; }
      echo "$round" >"/tmp/new$part"
      mv "/tmp/new$part" "/tmp/round$part"
    done
  ) &
  writers="$writers $!"
done
written() { for part in $PARTS; do [ "$(cat "/tmp/round$part" 2>/dev/null || echo 0)" -gt "$1" ] || return 1; done; }
wait_for 60 written 5
sync_send busy
goes_on() { written "$last" || [ -e /tmp/bad ]; }
for round in 1 2 3 4; do
  connects=$((round + 1))
  reconnected() { [ "$(dmesg | grep -c 'xvde: 524288 sectors')" -ge $connects ]; }
  wait_for 60 reconnected
  last=$(cat /tmp/round? | sort -n | tail -n 1)
  wait_for 60 goes_on
  sync_send "working$round"
done
sync_wait restarted 600
touch /tmp/stop
# shellcheck disable=SC2086
wait $writers
[ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
for part in $PARTS; do
  umount "/tmp/$part"
  mount -t ext4 "/dev/xvde$part" "/tmp/$part"
  equal "what was written last" "$(cat "/tmp/$part/file")" "$(cat "/tmp/round$part")"
  umount "/tmp/$part"
done
equal "errors" "$(count xvde errors)" 0
equal "violations" "$(count xvde violations)" 0
echo "the backend restarted four times under overlapping flushes, nothing lost"

# A disk whose backend takes its time. With no time-out set it is not given up, also not after the block layer's 30 s.
# At last, since whoever syncs waits for it too.
sync_send slow
wait_for 60 kernel_log "xvdg: 131072 sectors"
# It offers barriers and no flushes, which is a cache all the same.
equal "its write cache" "$(cat /sys/block/xvdg/queue/write_cache)" "write back"
since=$(cut -d. -f1 /proc/uptime)
over() { [ "$(cut -d. -f1 /proc/uptime)" -gt $((since + 45)) ]; }
wait_for 60 over
! kernel_log "no answer" || fail "a slow backend was given up"
equal "violations" "$(count xvdg violations)" 0
at_least "requests" "$(count xvdg requests)" 1
equal "responses" "$(count xvdg responses)" 0
sync_send over
echo "a backend that says nothing for 45 s is waited for"

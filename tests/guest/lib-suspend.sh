# SPDX-License-Identifier: GPL-2.0-only
# For the tests of suspends: `. ./lib-suspend.sh` after `. ./lib.sh`.

# How many rounds a test makes unless there is a file `rounds` beside it that says something else, as
# `xenbed test --rounds 20 suspend-save` puts it there.
rounds() {
  cat rounds 2>/dev/null || echo "$1"
}

# ---- in dom0; the guest has 192 MiB, so that /dev/vdc has room for it.

# Nothing is heard of the guest from the time it is left to the time it is met again: dom0's agent has its memory mapped,
# which would keep a domain that has ended.
leave_guest() {
  guest-detach
}
meet_guest() {
  guest-attach "$(xl domid guest)"
}

# logged COMMAND...: its output is shown when it fails.
logged() {
  "$@" >/tmp/xl.log 2>&1 || {
    cat /tmp/xl.log
    tail -n 20 /var/log/xen/*.log
    fail "$*"
  }
}

# save_and_restore [SECONDS]: makes a new domain of the guest, after so many seconds. Its device model wants to see the
# guest's kernel once more.
save_and_restore() {
  logged xl save guest /dev/vdc
  sleep "${1:-0}"
  guest-files
  logged xl restore /dev/vdc
  rm -f /tmp/guest/vmlinuz /tmp/guest/initramfs
}

# migrate: the same, by way of a live migration to this very host.
migrate() {
  printf '#!/bin/sh\nshift\nexec "$@"\n' >/tmp/here
  chmod +x /tmp/here
  guest-files
  logged xl migrate -s /tmp/here guest localhost
  rm -f /tmp/guest/vmlinuz /tmp/guest/initramfs
}

# stream: sends numbered lines to the guest, until there is a file /tmp/over.
stream() {
  {
    line=0
    while [ ! -e /tmp/over ]; do
      line=$((line + 1))
      echo $line
      sleep 0.1
    done
    echo over
  } | nc 10.0.0.2 7000
}

# move_busy_guest HOW ROUNDS: the other side of live_through.
move_busy_guest() {
  sync_wait busy 600
  stream &
  stream=$!
  sync_wait receiving 300
  round=0
  while [ $round -lt "$2" ]; do
    round=$((round + 1))
    leave_guest
    "$1"
    meet_guest
    sync_send "round$round"
    sync_wait "works$round" 600
  done
  touch /tmp/over
  wait $stream
  id=$(xl domid guest)
  for back in "vbd/$id/51776" "vif/$id/0"; do
    equal "the state of $back" "$(xenstore-read "/local/domain/0/backend/$back/state")" 4
  done
  sync_send over
  sync_wait done 400
}

# ---- in the guest

carrier() { [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]; }
count() { cat "/sys/block/xvde/xenpv/$1"; }
none_deferred() { [ "$(report grants deferred)" = 0 ]; }
lines() { wc -l </tmp/lines; }

# owned: what is owned now, once nothing changes any more.
owned() {
  wait_for 20 [ "$(report store requests)" = 0 ]
  echo "references $(references) deferred $(report grants deferred)"
  echo "channels $(report events channels) watches $(report store watches) devices $(report store devices)"
  echo "interrupts $(ls /proc/irq | wc -l)"
}

network() {
  ip addr add 10.0.0.2/24 dev eth0
  ip link set eth0 up
  wait_for 20 carrier
}

# receive: takes dom0's stream. nc would close its side at the end of its input.
receive() {
  mkfifo /tmp/never
  nc -l -p 7000 0<>/tmp/never >/tmp/lines
}

# write_files: files with their checksums, until there is a file /tmp/stop.
write_files() {
  file=0
  while [ ! -e /tmp/stop ]; do
    file=$((file + 1))
    head -c 262144 /dev/urandom >/tmp/piece
    dd if=/tmp/piece of="/tmp/mnt/file$((file % 64))" bs=64k conv=fsync 2>/tmp/dd.err || {
      echo "write: $(cat /tmp/dd.err)" >/tmp/bad
      return
    }
    md5sum </tmp/piece >"/tmp/sum$((file % 64))"
    # Never to be seen empty.
    echo "$file" >/tmp/files.new
    mv /tmp/files.new /tmp/files
  done
}

# read_file SUM: reads what does not change, past the page cache.
read_file() {
  while [ ! -e /tmp/stop ]; do
    got=$(dd if=/tmp/mnt/fixed bs=1M iflag=direct 2>/dev/null | md5sum)
    [ "$got" = "$1" ] || {
      echo "what is there was read as $got" >/tmp/bad
      return
    }
    echo "$got" >>/tmp/reads
  done
}

# goes_on FILES READS LINES: more was written, read and received since.
goes_on() {
  [ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
  [ "$(cat /tmp/files)" -gt $(($1 + 2)) ] && [ "$(wc -l </tmp/reads)" -gt $(($2 + 1)) ] && [ "$(lines)" -gt "$3" ]
}

# whole_stream: everything that dom0's stream has sent is here, in order.
whole_stream() {
  equal "the last line" "$(tail -n 1 /tmp/lines)" over
  { seq $(($(lines) - 1)); echo over; } >/tmp/wanted
  cmp /tmp/lines /tmp/wanted || fail "lines are missing or doubled"
  echo "the connection is the same, all $(lines) lines came in order"
}

# live_through ROUNDS: is suspended so many times, with a file system that is written and read and a connection open.
live_through() {
  wait_for 20 [ -b /dev/xvde ]
  network
  before=$(owned)
  mke2fs -q -F -t ext4 /dev/xvde
  mkdir -p /tmp/mnt
  mount -t ext4 /dev/xvde /tmp/mnt
  head -c 4194304 /dev/urandom >/tmp/mnt/fixed
  sync
  want=$(md5sum </tmp/mnt/fixed)
  write_files &
  writer=$!
  read_file "$want" &
  reader=$!
  receive &
  connection=$!
  at_work() { [ -s /tmp/reads ] && [ "$(cat /tmp/files 2>/dev/null || echo 0)" -ge 3 ]; }
  wait_for 60 at_work
  sync_send busy
  wait_for 60 [ -s /tmp/lines ]
  sync_send receiving

  round=0
  while [ $round -lt "$1" ]; do
    round=$((round + 1))
    sync_wait "round$round" 900
    # That the domain goes on is seen in dom0 before it is counted here.
    resumed() { [ "$(report suspends resumed)" = $round ]; }
    wait_for 20 resumed
    wait_for 60 goes_on "$(cat /tmp/files)" "$(wc -l </tmp/reads)" "$(lines)"
    wait_for 20 carrier
    wait_for 20 none_deferred
    echo "round $round: $(cat /tmp/files) files written, $(wc -l </tmp/reads) reads, $(lines) lines received so far"
    sync_send "works$round"
  done
  sync_wait over 600
  touch /tmp/stop
  wait $writer $reader $connection
  [ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
  whole_stream

  umount /tmp/mnt
  mount -t ext4 -o ro /dev/xvde /tmp/mnt
  for sum in /tmp/sum*; do
    equal "the checksum of file ${sum#/tmp/sum}" "$(md5sum <"/tmp/mnt/file${sum#/tmp/sum}")" "$(cat "$sum")"
  done
  equal "the checksum of what did not change" "$(md5sum </tmp/mnt/fixed)" "$want"
  umount /tmp/mnt
  equal "errors" "$(count errors)" 0
  equal "violations" "$(count violations)" 0
  equal "suspends that failed" "$(report suspends failed)" 0
  echo "$(cat /tmp/files) files written, all checksums are equal; $(($(count requests) - $(count responses))) requests issued once more"
  equal "what is owned" "$(owned)" "$before"
  sync_send done
}

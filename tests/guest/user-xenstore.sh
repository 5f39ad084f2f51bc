#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: /dev/xen/xenbus: xenstore's own tools, requests of every shape, processes killed at any point, nothing left over
# load: none
# timeout: 120
# vcpus: 2
. ./lib.sh

cleared() {
  [ "$(report store user_files) $(report store user_watches) $(report store user_transactions)" = "0 0 0" ]
}
# hold CASE...: starts a process that holds something, and waits until it does; its number is in $holder.
hold() {
  mkfifo /tmp/ready
  store-file "$@" >/tmp/ready &
  holder=$!
  read -r said </tmp/ready || fail "store-file $* ended"
  equal "store-file $*" "$said" ready
  rm /tmp/ready
}

[ ! -e /dev/xen/xenbus ] || fail "the kernel has a /dev/xen/xenbus of its own"
insert xen-platform-pci
equal "mode" "$(stat -c %a /dev/xen/xenbus)" 600
wait_for 20 [ -d /sys/bus/xenpv/devices/vbd-51776 ]
watches=$(report store watches)

# The tools, unchanged.
equal "name" "$(xenstore-read name)" guest
xenstore-ls device | grep -q "^ *vbd = " || fail "xenstore-ls: $(xenstore-ls device)"
xenstore-write data/one 1 data/two 2
equal "two nodes" "$(xenstore-read data/one data/two | tr '\n' ' ')" "1 2 "
xenstore-exists data/one
must_fail xenstore-exists data/three
must_fail xenstore-read data/three 2>/dev/null
xenstore-rm data/one
must_fail xenstore-exists data/one
must_fail xenstore-write /local/domain/0/name x 2>/dev/null

# A watch sees what dom0 writes.
sync_wait ready
xenstore-watch -n 2 data/greeting >/tmp/seen &
watcher=$!
seen() { grep -q '^data/greeting' /tmp/seen; }
wait_for 10 seen
sync_send watching
wait "$watcher" || fail "xenstore-watch"
equal "events" "$(sort -u /tmp/seen)" data/greeting
greeted() { [ "$(xenstore-read data/greeting)" = hello-2 ]; }
wait_for 10 greeted
wait_for 10 cleared

# What the tools never do.
for case in pieces junk bounds transactions events; do
  store-file $case || fail "store-file $case"
  wait_for 10 cleared
  equal "watches after $case" "$(report store watches)" "$watches"
  echo "$case: ok"
done

# The store allows a guest 10 transactions and 128 watches: what a killed process left would be missed soon.
for round in $(seq 12); do
  hold transaction-and-wait
  equal "transactions held" "$(report store user_transactions)" 1
  kill -9 "$holder"
  wait_for 10 cleared
done
must_fail xenstore-exists data/open
for round in 1 2; do
  hold watches-and-wait 100
  equal "watches held" "$(report store user_watches)" 100
  kill -9 "$holder"
  wait_for 20 cleared
done
for round in $(seq 10); do
  (while :; do xenstore-ls device >/dev/null; store-file transactions; done) 2>/dev/null &
  loop=$!
  sleep "0.$((round % 10))"
  kill -9 "$loop"
  killall -q -9 xenstore-ls store-file || true
done
wait_for 10 cleared
equal "watches in the end" "$(report store watches)" "$watches"
equal "requests in the end" "$(report store requests)" 0
equal "bad replies" "$(report store bad_replies)" 0

# An open file keeps the module; the end of one does not.
hold watches-and-wait 3
if rmmod xen_platform_pci 2>/dev/null; then fail "unloaded with a file open"; fi
kill -9 "$holder"
wait "$holder" || true
rmmod xen_platform_pci
[ ! -e /dev/xen/xenbus ] || fail "the device is left"
insert xen-platform-pci
equal "name after a reload" "$(xenstore-read name)" guest

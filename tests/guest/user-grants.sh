#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: /dev/xen/gntalloc and gntdev: pages shared with dom0 both ways, every refusal, processes killed, nothing left over
# load: none
# timeout: 150
# vcpus: 2
# allow: out of grant references
. ./lib.sh

for device in gntalloc gntdev; do
  [ ! -e /dev/xen/$device ] || fail "the kernel has a /dev/xen/$device of its own"
done
insert xen-platform-pci gntalloc_limit=1000
for device in gntalloc gntdev; do
  equal "mode of $device" "$(stat -c %a /dev/xen/$device)" 600
done
wait_for 20 [ -d /sys/bus/xenpv/devices/vbd-51776 ]

# All that a process could leave behind.
owned() {
  for name in in_use deferred foreign_pages foreign_waiting foreign_lost user_granted user_named; do
    echo "$name=$(report grants $name)"
  done
  echo "pages=$(report pages live) ports=$(report events user_ports)"
}
before=$(owned)
cleared() { [ "$(owned)" = "$before" ]; }
# holds COMMAND...: starts a process that holds something, and waits until it says so; its number is in $holder.
holds() {
  mkfifo /tmp/ready
  "$@" >/tmp/ready &
  holder=$!
  read -r said </tmp/ready || fail "$* ended"
  rm /tmp/ready
}
killed() {
  kill -9 "$1"
  wait "$1" || true
}

for case in alloc "alloc-limit 1000" refusals; do
  # shellcheck disable=SC2086 # a case and its argument
  grant-file $case || fail "grant-file $case"
  wait_for 10 cleared
  echo "$case: ok"
done

# Dom0's pages.
sync_wait refs
refs=$(xenstore-read data/refs)
readonly=$(xenstore-read data/readonly)
few=$(echo "$refs" | cut -d' ' -f1-4)
first=${refs%% *}
# shellcheck disable=SC2086 # many arguments
{
  grant-file map 0 $refs || fail "grant-file map"
  wait_for 10 cleared
  grant-file readonly 0 $readonly || fail "grant-file readonly"
  wait_for 10 cleared
  grant-file copy 0 $(echo "$refs" | cut -d' ' -f5-6) || fail "grant-file copy"
  wait_for 10 cleared
  grant-file see 0 "$first" 0 1
  echo "map, readonly, copy: ok"

  # Processes that are killed, at rest and on the way there.
  for round in $(seq 5); do
    holds grant-file hold 0 $refs
    equal "pages mapped" "$(report grants foreign_pages) $(report grants user_named)" "40 40"
    killed "$holder"
    wait_for 10 cleared
    grant-file see 0 "$first" 9 0 || fail "the byte was not cleared"
  done
  for round in $(seq 30); do
    grant-file hold 0 $refs >/dev/null &
    holder=$!
    sleep "0.0$((round % 10))"
    killed "$holder"
  done
  wait_for 10 cleared
}
echo "killed: ok"

# The guest's pages, in dom0. One that dom0 maps stays granted when the process is gone.
holds grant-file share 0 8
equal "pages granted" "$(report grants user_granted)" 8
xenstore-write data/guest-refs "$said"
sync_send guest-refs
sync_wait mapped 60
killed "$holder"
equal "pages granted" "$(report grants user_granted)" 0
waits() { [ "$(report grants deferred)" = "$1" ]; }
wait_for 10 waits 8
must_fail cleared
sync_send gone
sync_wait unmapped 60
wait_for 20 cleared
for round in $(seq 20); do
  grant-file share 0 500 >/dev/null &
  holder=$!
  sleep "0.0$((round % 10))"
  killed "$holder"
done
wait_for 10 cleared
echo "shared: ok"

# An open file keeps the module, and so does a mapping.
# shellcheck disable=SC2086
holds grant-file hold 0 $few
if rmmod xen_platform_pci 2>/dev/null; then fail "unloaded with pages mapped"; fi
killed "$holder"
wait_for 10 cleared
rmmod xen_platform_pci
[ ! -e /dev/xen/gntdev ] && [ ! -e /dev/xen/gntalloc ] || fail "a device is left"
insert xen-platform-pci
grant-file see 0 "$first" 0 1
sync_send end

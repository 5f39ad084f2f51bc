#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Over a save and restore processes keep watches and lose ports and grants, the clocks are right, what was unplugged is unplugged again, the interface announces itself
# load: none
# timeout: 150
# memory: 192
# emulated: yes
. ./lib.sh
. ./lib-suspend.sh

cards() { cat /sys/bus/pci/devices/*/class | grep -c 0x020000 || true; }
# hold PROGRAM ARGUMENT...: starts a process, and waits until it says that it is ready; its number is in $holder.
hold() {
  mkfifo /tmp/ready
  "$@" >/tmp/ready &
  holder=$!
  read -r said </tmp/ready || fail "$* ended"
  equal "$*" "$said" ready
  rm /tmp/ready
}

modprobe ata_piix
modprobe e1000
insert xen-platform-pci unplug=all
insert xen-vbd
insert xen-vnif
network
equal "cards after unplug=all" "$(cards)" 0

# Pages shared with dom0, and pages of dom0's: nothing of either is left in another domain.
pages() { for name in in_use deferred foreign_pages foreign_waiting foreign_lost user_granted user_named user_expired; do printf '%s ' "$(report grants $name)"; done; }
pages_are() { [ "$(pages)" = "$1 " ]; }
connected() { [ -z "$(cat /sys/bus/xenpv/devices/v[bi]*/state | grep -v Connected)" ]; }
wait_for 20 connected
sync_wait refs 60
before=$(report pages live)
grants=$(pages)
in_use=${grants%% *}
grant-file share 0 4 >/tmp/shared &
sharer=$!
wait_for 10 [ -s /tmp/shared ]
# shellcheck disable=SC2046 # many arguments
hold grant-file hold 0 $(xenstore-read data/refs)
mapper=$holder
wait_for 10 pages_are "$((in_use + 4)) 0 4 0 0 4 4 0"

hold event-file suspend
events=$holder
hold store-file transaction-and-wait
transaction=$holder
xenstore-watch data/greeting >/tmp/seen &
watcher=$!
# tell_time WHEN: for dom0 to compare.
tell_time() {
  sync_wait "$1" 900
  xenstore-write data/time "$(date +%s)"
  sync_send "$1-told"
}
hold clocks
clocks=$holder
seen() { [ "$(wc -l </tmp/seen)" -ge "$1" ]; }
wait_for 10 seen 1
sync_send ready
tell_time before
tell_time after
sync_wait restored 900
resumed() { [ "$(report suspends resumed)" = 1 ]; }
wait_for 20 resumed

wait $events || fail "event-file suspend"
equal "ports of processes" "$(report events user_ports)" 0
echo "ports of processes were lost, and the process was told"

# The watch is registered anew, of which the process is told by an event, and then sees what is written.
wait_for 20 seen 2
seen=$(wc -l </tmp/seen)
xenstore-write data/greeting hello
wait_for 20 seen $((seen + 1))
kill $watcher $transaction
cleared() { [ "$(report store user_files) $(report store user_watches) $(report store user_transactions)" = "0 0 0" ]; }
wait_for 20 cleared
echo "watches were registered anew"

wait_for 20 pages_are "$((in_use + 4)) 0 4 0 0 4 4 8"
equal "gntalloc's account" "$(account gntalloc in_use) $(account gntalloc deferred)" "4 0"
kill -9 $sharer $mapper
wait_for 20 pages_are "$in_use 0 0 0 0 0 0 0"
as_before() { [ "$(report pages live)" = "$before" ]; }
wait_for 20 as_before
kernel_log "Xen does not unmap pages" && fail "pages of the old domain's peers are lost"
# It works for those who come now.
grant-file alloc || fail "grant-file alloc"
echo "pages of processes were of no use any more, and all came back"
kill $clocks
wait $clocks || fail "a clock went back"
echo "the clocks that go forward did, and the wall clock is dom0's"

echo 1 >/sys/bus/pci/rescan
equal "cards after a look at the bus" "$(cards)" 0
[ ! -e /dev/sda ] || fail "the emulated disk is there"
wait_for 20 [ -b /dev/xvda ]
dd if=/dev/xvda of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null || fail "the paravirtual twin does not work"
echo "emulated devices were unplugged again"
sync_send done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a vchan between guest and dom0 by Debian's libxenvchan: 300 KB each way at once, and dom0 sees the guest's end die
# load: xen-platform-pci
# timeout: 120
# vcpus: 2
. ./lib.sh

wait_for 20 [ -d /sys/bus/xenpv/devices/vbd-51776 ]
owned() {
  for name in in_use deferred foreign_pages user_granted user_named; do
    echo "$name=$(report grants $name)"
  done
  echo "pages=$(report pages live) ports=$(report events user_ports) files=$(report store user_files)"
}
before=$(owned)
cleared() { [ "$(owned)" = "$before" ]; }
length() { [ "$(stat -c %s /tmp/in)" = 300000 ]; }
head -c 300000 /dev/urandom >/tmp/out
# feed: puts the data into a pipe that never ends: at an end, the proxy waits for an event that may not come.
mkfifo /tmp/feed
exec 3<>/tmp/feed
feed() { cat /tmp/out >&3 & }
xenstore-write data/sum-guest "$(md5sum </tmp/out)"

# The guest shares the pages; its process is killed, and dom0's end says so. (The other way round Debian's proxy asks for
# /dev/xen/privcmd, which only a control domain has a use for; user-grants has the guest map dom0's pages.)
vchan-socket-proxy -m server 0 data/vchan - </tmp/feed >/tmp/in &
proxy=$!
feed
offered() { xenstore-exists data/vchan/event-channel; }
wait_for 20 offered
at_least "pages shared" "$(report grants user_granted)" 1
sync_send offered
sync_wait received 60
wait_for 30 length
equal "what dom0 sent" "$(md5sum </tmp/in)" "$(xenstore-read data/sum-dom0)"
kill -9 $proxy
wait $proxy || true
wait_for 20 cleared
sync_wait ended 60

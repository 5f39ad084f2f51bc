#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: vchans between guest and dom0 by Debian's libxenvchan, the guest as server and as client; each end sees the other die
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
ended() { ! kill -0 "$proxy" 2>/dev/null; }
head -c 300000 /dev/urandom >/tmp/out
xenstore-write data/sum-guest "$(md5sum </tmp/out)"

# The guest shares the pages; it is killed, and dom0's end says so.
vchan-socket-proxy -m server 0 data/vchan - </tmp/out >/tmp/in &
proxy=$!
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
echo "server: ok"

# Dom0 shares them; it is killed, and our end says so.
sync_wait offered-by-dom0 60
vchan-socket-proxy -m client 0 /local/domain/0/data/vchan - </tmp/out >/tmp/in &
proxy=$!
wait_for 30 length
equal "what dom0 sent" "$(md5sum </tmp/in)" "$(xenstore-read data/sum-dom0)"
at_least "pages mapped" "$(report grants foreign_pages)" 1
sync_send received-by-guest
wait_for 30 ended
wait_for 20 cleared
echo "client: ok"

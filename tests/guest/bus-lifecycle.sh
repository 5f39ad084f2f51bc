#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: a device's whole life, its backend played by dom0: up, down, back, faults, surprise removal
# timeout: 150
# load: xen-platform-pci
# allow: xtest-0:
. ./lib.sh

DEVICE=/sys/bus/xenpv/devices/xtest-0
calls() { dmesg | grep -c "xtest-0: $1\$" || true; }
shows() { [ "$(cat "$DEVICE/state" 2>/dev/null)" = "$1" ]; }
gone() { [ ! -d "$DEVICE" ]; }
removed() { [ "$(calls removed)" = "$1" ]; }

# The device is there before its driver.
sync_wait made 200
wait_for 10 [ -d $DEVICE ]
shows Initialising || fail "the state is $(cat $DEVICE/state)"
[ ! -e $DEVICE/driver ] || fail "it has a driver already"
sync_send inserting
insert xen-selftest driver=1
equal "driver" "$(basename "$(readlink $DEVICE/driver)")" xtest

# dom0 takes it through its states and looks at what the driver is called for.
sync_wait connected 200
wait_for 5 shows Connected
sync_send seen
sync_wait violated 200
equal "lines about one violation" "$(dmesg | grep -c 'xtest-0: the backend breaks the protocol')" 1
echo "closed and reconnected, backend gone and back, restarted, nonsense ignored, violation survived"

sync_wait detached 400
wait_for 10 gone
equal "removals" "$(calls removed)" 1
sync_send gone
sync_wait again 200
wait_for 5 shows Connected
sync_send vanish
sync_wait vanished 200
wait_for 10 gone
equal "removals" "$(calls removed)" 2
sync_send gone-again
echo "detached, and gone without a word"

sync_wait replaced 200
wait_for 10 removed 3
wait_for 10 shows Connected
echo "replaced by another of its name"

for round in $(seq 10); do
  rmmod xen_selftest || fail "rmmod $round"
  shows Initialising || fail "round $round: the state after rmmod is $(cat $DEVICE/state)"
  insert xen-selftest driver=1
  # The insertion waits for the devices that are there.
  shows Connected || fail "round $round: the state after insertion is $(cat $DEVICE/state)"
done
echo xtest-0 >/sys/bus/xenpv/drivers/xtest/unbind
[ ! -e $DEVICE/driver ] || fail "unbind does not take the driver off"
echo xtest-0 >/sys/bus/xenpv/drivers/xtest/bind
wait_for 10 shows Connected
echo "the driver went and came ten times, and by sysfs"

# A backend that does not answer any more does not keep the driver for ever.
sync_send silence
sync_wait silent 200
before=$(cut -d . -f 1 /proc/uptime)
rmmod xen_selftest || fail "rmmod with a silent backend"
took=$(($(cut -d . -f 1 /proc/uptime) - before))
at_least "seconds that the backend is given" "$took" 9
[ "$took" -le 60 ] || fail "rmmod with a silent backend took $took s"
shows Closed || fail "the state is $(cat $DEVICE/state), but the backend holds on to it"
sync_send finished
sync_wait cleaned 200
wait_for 10 gone
echo "a silent backend was given up after $took s"

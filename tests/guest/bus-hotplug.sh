#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: devices come and go without any driver: names, sysfs, uevents, many at once
# timeout: 120
# load: xen-platform-pci
. ./lib.sh

DEVICES=/sys/bus/xenpv/devices
attribute() { cat "$DEVICES/$1/$2"; }
count() { ls $DEVICES | wc -l; }
has_devices() { [ "$(count)" = "$1" ]; }
device() { # device TYPE ID
  wait_for 10 [ -d "$DEVICES/$1-$2" ]
  equal "devtype" "$(attribute "$1-$2" devtype)" "$1"
  equal "nodename" "$(attribute "$1-$2" nodename)" "device/$1/$2"
  equal "state" "$(attribute "$1-$2" state)" Initialising
  equal "modalias" "$(attribute "$1-$2" modalias)" "xenpv:$1"
  grep -qx "MODALIAS=xenpv:$1" "$DEVICES/$1-$2/uevent" || fail "uevent: $(attribute "$1-$2" uevent)"
}

device vbd 51776
device vif 0
before=$(count)
equal "devices in the report" "$(report store devices)" "$before"
watches=$(report store watches)

# Real ones, by xl.
sync_send attach
device vbd 51792
device vif 1
sync_send detach
sync_wait detached 400
wait_for 10 has_devices "$before"
echo "a disk and an interface came and went"

# Made up ones: forty at once; names that Linux or the bus cannot take are left alone.
sync_send many
sync_wait made 400
wait_for 30 has_devices $((before + 40))
for id in 0 17 39; do device xtest $id; done
for name in "xtest-a-name-that-is-too-long" "xtest-" "xtest-0@"; do
  [ ! -e "$DEVICES/$name" ] || fail "$name is a device"
done
sync_send fewer
wait_for 30 has_devices $((before + 20))
[ ! -e $DEVICES/xtest-39 ] && [ -e $DEVICES/xtest-19 ] || fail "the wrong half has gone"
sync_send none
wait_for 30 has_devices "$before"
equal "watches" "$(report store watches)" "$watches"
equal "requests left" "$(report store requests)" 0
echo "forty came at once, and went in halves"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Xen's clock is one clock on several CPUs, which come and go
# vcpus: 2
# load: none
# timeout: 150
. ./lib.sh

CLOCK=/sys/devices/system/clocksource/clocksource0/current_clocksource
before=$(cat $CLOCK)
insert xen-platform-pci
echo "$before" >$CLOCK
self_test 6
dmesg | grep xen_selftest
kernel_log "readings on 2 CPUs" || fail "not all CPUs took part"

echo xen >$CLOCK
for cpu in 1; do
  echo 0 >/sys/devices/system/cpu/cpu$cpu/online
done
for cpu in 1; do
  echo 1 >/sys/devices/system/cpu/cpu$cpu/online
done
equal "clocksource" "$(cat $CLOCK)" xen
echo "$before" >$CLOCK
self_test 6
echo xen >$CLOCK
# A CPU that comes for the first time in the module's life reads the clock before the module hears of it.
rmmod xen_platform_pci
echo 0 >/sys/devices/system/cpu/cpu1/online
insert xen-platform-pci
equal "clocksource" "$(cat $CLOCK)" xen
echo 1 >/sys/devices/system/cpu/cpu1/online
echo "$before" >$CLOCK
self_test 6
rmmod xen_platform_pci
must_fail kernel_log "clocksource: timekeeping watchdog"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Xen's clock is one clock on 4 CPUs, which come and go
# vcpus: 4
# load: none
# timeout: 150
. ./lib.sh

CLOCK=/sys/devices/system/clocksource/clocksource0/current_clocksource
before=$(cat $CLOCK)

# set_cpus 0|1 CPU...: takes the CPUs offline or online.
set_cpus() {
  to=$1
  shift
  for cpu; do
    echo "$to" >"/sys/devices/system/cpu/cpu$cpu/online"
  done
}

# check: measures Xen's clock against the other one, and uses it again.
check() {
  echo "$before" >$CLOCK
  self_test 6
  echo xen >$CLOCK
  equal "clocksource" "$(cat $CLOCK)" xen
}

insert xen-platform-pci
check
kernel_log "readings on 4 CPUs" || fail "not all CPUs took part"
set_cpus 0 1 2 3
set_cpus 1 3 2 1
check

# A CPU that comes for the first time in the module's life reads the clock before the module hears of it.
rmmod xen_platform_pci
set_cpus 0 2
insert xen-platform-pci
equal "clocksource" "$(cat $CLOCK)" xen
set_cpus 1 2
check
dmesg | grep xen_selftest
rmmod xen_platform_pci
equal "clocksource in the end" "$(cat $CLOCK)" "$before"
must_fail kernel_log "timekeeping watchdog"

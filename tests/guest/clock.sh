#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Xen's clock keeps the time, and hands it over when the module goes
# load: none
# cmdline: tsc=unstable
# timeout: 120
. ./lib.sh

CLOCKS=/sys/devices/system/clocksource/clocksource0
current() { cat $CLOCKS/current_clocksource; }
available() { grep -qw xen $CLOCKS/available_clocksource; }
# hundredths: the time since the start.
hundredths() { cut -d' ' -f1 /proc/uptime | tr -d .; }

before=$(current)
[ "$before" = hpet ] || fail "this kernel does not keep its time by hpet"
insert xen-platform-pci
equal "clocksource" "$(current)" xen

# Against another clock, which then keeps Linux's time. xen-selftest says what it found.
echo "$before" >$CLOCKS/current_clocksource
equal "clocksource" "$(current)" "$before"
self_test 6
dmesg | grep xen_selftest

# Ten times out and in under it: the time goes on, and no faster than it should.
start=$(hundredths)
last=$start
began=$(date +%s)
for round in $(seq 10); do
  echo xen >$CLOCKS/current_clocksource
  equal "clocksource of round $round" "$(current)" xen
  now=$(hundredths)
  at_least "time since the start" "$now" "$last"
  rmmod xen_platform_pci
  equal "clocksource without the module" "$(current)" "$before"
  must_fail available
  last=$(hundredths)
  at_least "time since the start" "$last" "$now"
  insert xen-platform-pci
done
took=$(($(hundredths) - start))
at_least "time by the wall, in seconds" $((took / 100 + 2)) $(($(date +%s) - began))
equal "clocksource, chosen before" "$(current)" xen
sleep 1
at_least "a second's sleep, in hundredths" $(($(hundredths) - start - took)) 100

# The system's core goes to sleep and wakes up after 5 s, without the machine having slept. Linux takes the time of the
# sleep from the RTC, whose unit is the second.
start=$(hundredths)
began=$(date +%s)
echo core >/sys/power/pm_test
echo mem >/sys/power/state
at_least "a sleep by the wall clock" $(($(date +%s) - began)) 4
at_least "a sleep in hundredths" $(($(hundredths) - start)) 400
equal "clocksource after a sleep" "$(current)" xen
now=$(hundredths)
sleep 1
at_least "a second after it, in hundredths" $(($(hundredths) - now)) 100
rmmod xen_platform_pci
equal "clocksource in the end" "$(current)" "$before"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Xen's debug interrupt comes to each CPU, one that was away too
# vcpus: 2
# load: none
# timeout: 120
. ./lib.sh

# interrupts CPU: what the handler on that CPU has seen; its line is the one of the CPU.
interrupts() {
  awk -v line="$(($1 + 1))" -v column="$(($1 + 2))" '/ selftest-debug$/ && ++n == line { print $column }' /proc/interrupts
}
came() { [ "$(interrupts 0)" -ge "$1" ] && [ "$(interrupts 1)" -ge "$1" ]; }

insert xen-platform-pci
insert xen-selftest debug=1
equal "channels" "$(grep -c ' selftest-debug$' /proc/interrupts)" 2
sync_send bound
wait_for 20 came 1
for cpu in 0 1; do
  equal "interrupts of CPU $cpu" "$(interrupts $cpu)" 1
done

echo 0 >/sys/devices/system/cpu/cpu1/online
sync_send away
sync_wait raised 200
equal "interrupts of CPU 0" "$(interrupts 0)" 2
echo 1 >/sys/devices/system/cpu/cpu1/online
wait_for 20 came 2
rmmod xen_selftest
rmmod xen_platform_pci
equal "interrupts left" "$(grep -c xen- /proc/interrupts)" 0
sync_send done

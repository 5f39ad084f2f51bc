#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Two CPUs send and receive at once, both ways with checksums, while the interrupt moves between them
# timeout: 150
# vcpus: 2
# load: xen-platform-pci,xen-vnif
. ./lib.sh
carrier() { [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

wait_for 20 [ -d /sys/class/net/eth0 ]
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier
irq=$(sed -n 's/^ *\([0-9]*\):.* vif-0$/\1/p' /proc/interrupts)
[ -n "$irq" ] || fail "no interrupt of vif-0: $(cat /proc/interrupts)"

mkdir -p /tmp/www
for n in 1 2; do
  head -c 6291456 /dev/urandom >"/tmp/www/data$n"
  md5sum <"/tmp/www/data$n" >"/tmp/www/sum$n"
done
httpd -p 80 -h /tmp/www
sync_send serving
sync_wait peer-serving 400
for n in 1 2; do
  (wget -q -O - "http://10.0.0.1/data$n" | md5sum >"/tmp/got$n") &
  eval "job$n=$!"
done
(while :; do for cpu in 0 1; do echo "$cpu" >"/proc/irq/$irq/smp_affinity_list" || exit 1; sleep 0.3; done; done) &
mover=$!
wait_for 60 ended "$job1"
wait_for 60 ended "$job2"
sync_wait fetched 400
kill -0 $mover 2>/dev/null || fail "the interrupt cannot be moved"
kill $mover
for n in 1 2; do
  equal "file $n from the other side" "$(cat "/tmp/got$n")" "$(wget -q -O - "http://10.0.0.1/sum$n")"
done
for cpu in 2 3; do
  at_least "events on CPU $((cpu - 2))" "$(awk -v cpu=$cpu '/ vif-0$/ { print $cpu }' /proc/interrupts)" 10
done
sync_send done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Three interfaces at once; they come and go idle and under traffic both ways; nothing hangs or leaks
# timeout: 180
# load: xen-platform-pci,xen-vnif
. ./lib.sh
PEER=10.0.0.1
used() { report grants in_use; }
no_leak() { [ "$(report grants deferred)" = 0 ] && [ "$(used)" = "$before" ]; }
exists() { [ -d "/sys/class/net/$1" ]; }
gone() { ! exists "$1"; }
carrier() { [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

wait_for 20 exists eth0
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier eth0
ping -c 1 -W 10 $PEER >/dev/null || fail "no ping by eth0"
before=$(used)

# Two more, each with its own address; all three work at once.
sync_send attach-two
wait_for 20 exists eth1
wait_for 20 exists eth2
equal "MAC of eth1" "$(cat /sys/class/net/eth1/address)" 00:16:3e:00:00:11
equal "MAC of eth2" "$(cat /sys/class/net/eth2/address)" 00:16:3e:00:00:12
for n in 1 2; do
  ip addr add "10.9.$n.2/24" dev "eth$n"
  ip link set "eth$n" up
  wait_for 20 carrier "eth$n"
done
sync_send addresses
sync_wait addresses-set 400
ping -c 2 -s 1000 -W 10 $PEER >/dev/null || fail "no ping by eth0"
for n in 1 2; do
  ping -c 2 -s 1000 -W 10 "10.9.$n.1" >/dev/null || fail "no ping by eth$n"
done
at_least "grants of connected interfaces" "$(used)" $((before + 1000))
echo "three interfaces at once"

# One is taken away while nothing happens, the other while both sides send as fast as they can.
sync_send detach-idle
wait_for 20 gone eth1
(while ping -c 1000 -i 0.01 -s 20000 -W 1 10.9.2.1 >/dev/null 2>&1; do :; done) &
pinger=$!
(cat /dev/zero | nc 10.9.2.1 9 >/dev/null 2>&1 || true) &
sender=$!
busy() { [ "$(cat /sys/class/net/eth2/statistics/tx_packets)" -gt 2000 ] && [ "$(cat /sys/class/net/eth2/statistics/rx_packets)" -gt 1000 ]; }
wait_for 30 busy
sync_send detach-busy
wait_for 20 gone eth2
kill $pinger $sender 2>/dev/null || true
wait_for 20 ended $pinger
sync_wait detached 400
wait_for 20 no_leak
echo "detached idle and under traffic, no grant left"

# The name and the slot are free again, five times.
for round in 1 2 3 4 5; do
  sync_send "attach$round"
  wait_for 20 exists eth1
  ip addr add 10.9.1.2/24 dev eth1
  ip link set eth1 up
  wait_for 20 carrier eth1
  sync_wait "attached$round" 400
  ping -c 1 -s 5000 -W 10 10.9.1.1 >/dev/null || fail "no ping by eth1 (round $round)"
  sync_send "detach$round"
  wait_for 20 gone eth1
  sync_wait "detached$round" 400
done
wait_for 20 no_leak
ping -c 1 -W 10 $PEER >/dev/null || fail "eth0 has stopped"
if kernel_log "breaks the protocol"; then fail "an honest backend is said to break the protocol"; fi
echo "attached and detached five times more"

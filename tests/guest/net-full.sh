#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: The interface goes down and up while the backend reads nothing and the ring is full: no packet is torn or stuck, no socket kept
# timeout: 180
# load: xen-platform-pci,xen-vnif
. ./lib.sh
PEER=10.0.0.1
stat() { cat "/sys/class/net/eth0/statistics/$1"; }
carrier() { [ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]; }
sent() { [ $(($(stat tx_packets) - before)) -ge "$1" ]; }
up() {
  ip link set eth0 up
  # No question that nobody answers must hold a packet back.
  ip neigh replace $PEER lladdr "$peer" dev eth0 nud permanent
}
# silence NUMBER: dom0 reads no more, and the ring is filled: 240 small packets leave 16 of 256 slots, with which the stack
# is stopped, for the next packet may need 17.
silence() {
  sync_send "silence$1"
  sync_wait "silent$1" 400
  before=$(stat tx_packets)
  ping -c 400 -i 0.005 -W 1 $PEER >/dev/null 2>&1 &
  filler=$!
  wait_for 30 sent 240
  kill $filler 2>/dev/null || true
  equal "packets in the ring" $(($(stat tx_packets) - before)) 240
}

wait_for 20 [ -d /sys/class/net/eth0 ]
# Nothing shall be sent but what is sent here.
echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier
ping -c 1 -W 10 $PEER >/dev/null || fail "no ping"
peer=$(ip neigh show $PEER dev eth0 | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p')
[ -n "$peer" ] || fail "no address of $PEER: $(ip neigh)"
# Packets of nine slots, of which one finds room in the 16 and a second one does not.
ip link set eth0 mtu 65000
up

silence 1
for _ in 1 2 3 4 5; do
  ip link set eth0 down
  up
  ping -c 3 -i 0.02 -s 36000 -W 1 $PEER >/dev/null 2>&1 &
  pinger=$!
  sleep 0.3
  kill $pinger 2>/dev/null || true
  equal "packets in the ring" $(($(stat tx_packets) - before)) 240
done
sync_send speak1
sync_wait spoken1 400
ping -c 3 -W 10 $PEER >/dev/null || fail "no ping after the ring was full"
ping -c 3 -s 1400 -W 10 $PEER >/dev/null || fail "no larger ping after the ring was full"
echo "down and up with a full ring five times"

# The backend reads all of it while the interface is down, when nobody listens to its event.
silence 2
ip link set eth0 down
sync_send speak2
sync_wait spoken2 400
up
ping -c 3 -s 1400 -W 10 $PEER >/dev/null || fail "no ping after the ring was emptied while the interface was down"
equal "dropped packets" "$(stat tx_dropped)" 0
echo "the ring emptied while the interface was down"

# A packet that nobody takes out of the ring does not keep its socket: ping's, which waits longer.
charged() {
  cat /proc/net/raw /proc/net/icmp | grep -qE ' [0-9A-F]{8}:[0-9A-F]{4} [0-9A-F]{8}:[0-9A-F]{4} [0-9A-F]{2} 0*[1-9A-F][0-9A-F]*:'
}
free() { ! charged; }
wait_for 20 free
sync_send silence3
sync_wait silent3 400
ping -c 1 -s 1000 -W 200 $PEER >/dev/null 2>&1 &
waiting=$!
wait_for 10 charged
wait_for 12 free
kill -0 $waiting || fail "ping has ended"
sync_send speak3
sync_wait spoken3 400
kill $waiting 2>/dev/null || true
ping -c 3 -s 1400 -W 10 $PEER >/dev/null || fail "no ping after a packet was not answered for long"
sync_send done
echo "a packet that was not answered was let go of"

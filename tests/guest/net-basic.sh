#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# One interface: address, MTU, ping of all sizes, 16 MiB of TCP each way, UDP, statistics.
set -eu
DEV=${DEV:-eth0}
PEER=10.0.0.1
fail() { echo "FAILED: $*"; ip -s link show "$DEV" || true; dmesg | tail -n 20; exit 1; }
stat() { cat "/sys/class/net/$DEV/statistics/$1"; }

# The interface appears when the module has found its device.
n=0
until [ -d "/sys/class/net/$DEV" ]; do
  n=$((n + 1)); [ "$n" -lt 100 ] || fail "$DEV has not appeared"
  usleep 100000
done
[ "$(cat "/sys/class/net/$DEV/address")" = 00:16:3e:00:00:02 ] || fail "the MAC is not that of the configuration"
[ "$(cat "/sys/class/net/$DEV/mtu")" = 1500 ] || fail "the MTU is not 1500"
ip addr add 10.0.0.2/24 dev "$DEV"
ip link set "$DEV" up
n=0
until [ "$(cat "/sys/class/net/$DEV/carrier")" = 1 ]; do
  n=$((n + 1)); [ "$n" -lt 100 ] || fail "no carrier"
  usleep 100000
done

# 1472 fills a packet, 1473 makes two, 20000 many; 18 and 214 are around the copied size.
for size in 0 18 56 213 214 215 215 1400 1472 1473 4000 20000 60000; do
  ping -c 2 -s "$size" -W 5 "$PEER" >/tmp/ping || { cat /tmp/ping; fail "ping of $size bytes"; }
done
echo "ping of 0 to 60000 bytes"

# Both sides serve a file of random bytes with its checksum, and fetch the other's.
mkdir -p /tmp/www
dd if=/dev/urandom of=/tmp/www/data bs=1M count=16 2>/dev/null
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 80 -h /tmp/www
sync_send serving
sync_wait sent 120
echo "16 MiB sent, checksums equal on the other side"
wget -q -O /tmp/in "http://$PEER/data" || fail "cannot fetch from the other side"
want=$(wget -q -O - "http://$PEER/sum")
[ "$(md5sum </tmp/in)" = "$want" ] || fail "16 MiB received: $(wc -c </tmp/in) bytes with another checksum"
echo "16 MiB received, checksums equal"
rm -r /tmp/www /tmp/in

[ "$(stat tx_bytes)" -gt 16777216 ] || fail "tx_bytes"
[ "$(stat rx_bytes)" -gt 16777216 ] || fail "rx_bytes"
[ "$(stat tx_packets)" -gt 250 ] || fail "tx_packets"
[ "$(stat rx_packets)" -gt 250 ] || fail "rx_packets"
for count in rx_errors tx_errors rx_dropped tx_dropped; do
  [ "$(stat "$count")" = 0 ] || fail "$count is $(stat "$count")"
done
echo "statistics: $(stat tx_packets) packets out, $(stat rx_packets) in, no errors"
if dmesg | grep -E 'BUG|Oops|WARNING|lockdep'; then fail "the kernel complains"; fi
sync_send done

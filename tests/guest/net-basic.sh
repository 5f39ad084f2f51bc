#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: One interface: MAC, MTU, ping of all sizes, 16 MiB of TCP each way with checksums, statistics, counters
# timeout: 120
# load: xen-platform-pci,xen-vnif
. ./lib.sh
DEV=eth0
PEER=10.0.0.1
stat() { cat "/sys/class/net/$DEV/statistics/$1"; }
counter() { ethtool -S "$DEV" | sed -n "s/^ *q0_$1: //p"; }
carrier() { [ "$(cat "/sys/class/net/$DEV/carrier" 2>/dev/null)" = 1 ]; }

wait_for 20 [ -d "/sys/class/net/$DEV" ]
equal "the MAC" "$(cat "/sys/class/net/$DEV/address")" 00:16:3e:00:00:02
equal "the MTU" "$(cat "/sys/class/net/$DEV/mtu")" 1500
ip addr add 10.0.0.2/24 dev "$DEV"
ip link set "$DEV" up
wait_for 20 carrier

# The ring's page and those of its slots, which stay the same whatever is sent: no page of a packet is ever granted.
equal "grants in use for sending" "$(counter tx_grants_in_use)" 257
equal "grants in use for receiving" "$(counter rx_grants_in_use)" 257
grants=$(report grants in_use)
at_least "grants in use" "$grants" 514
# 100 packets take a slot each way.
requests=$(counter tx_requests)
responses=$(counter rx_responses)
ping -c 100 -i 0.01 -s 56 -W 5 "$PEER" >/dev/null || fail "ping"
at_least "slots of 100 small packets" $(($(counter tx_requests) - requests)) 100
at_least "slots of 100 answers" $(($(counter rx_responses) - responses)) 100
echo "the counters follow the packets"

# 1472 fills a packet, 1473 makes two, 20000 many; 18 and 214 are around the copied size.
for size in 0 18 56 213 214 215 1400 1472 1473 4000 20000 60000; do
  ping -c 2 -s "$size" -W 5 "$PEER" >/tmp/ping || { cat /tmp/ping; fail "ping of $size bytes"; }
done
echo "ping of 0 to 60000 bytes"

# Both sides serve a file of random bytes with its checksum, and fetch the other's.
mkdir -p /tmp/www
dd if=/dev/urandom of=/tmp/www/data bs=1M count=16 2>/dev/null
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 80 -h /tmp/www
sync_send serving
(sync_wait sent 400 && echo yes || echo no) >/tmp/sent.new && mv /tmp/sent.new /tmp/sent &
samples=0
until [ -e /tmp/sent ]; do
  equal "grants in use while 16 MiB are sent" "$(report grants in_use)" "$grants"
  samples=$((samples + 1))
done
equal "sent" "$(cat /tmp/sent)" yes
at_least "looks at the grants meanwhile" $samples 10
echo "16 MiB sent, checksums equal on the other side"
wget -q -O /tmp/in "http://$PEER/data" || fail "cannot fetch from the other side"
want=$(wget -q -O - "http://$PEER/sum")
[ "$(md5sum </tmp/in)" = "$want" ] || fail "16 MiB received: $(wc -c </tmp/in) bytes with another checksum"
echo "16 MiB received, checksums equal"
rm -r /tmp/www /tmp/in

at_least tx_bytes "$(stat tx_bytes)" 16777216
at_least rx_bytes "$(stat rx_bytes)" 16777216
at_least tx_packets "$(stat tx_packets)" 250
at_least rx_packets "$(stat rx_packets)" 250
for count in rx_errors tx_errors rx_dropped tx_dropped; do
  equal "$count" "$(stat "$count")" 0
done
for way in tx rx; do
  equal "$way pages kept by the backend" "$(counter ${way}_deferred_frees)" 0
  sent=$(counter ${way}_notifies_sent) saved=$(counter ${way}_notifies_saved)
  equal "$way notifications" $((sent + saved)) "$(counter ${way}_requests)"
  at_least "$way slots without a notification of their own" "$saved" 1000
  echo "$way: $(counter ${way}_requests) slots, $sent notifications"
done
equal "posted pages" $(($(counter rx_requests) - $(counter rx_responses))) 256
at_least "polls that found something: half of $(counter polls)" "$(counter polls)" $((2 * $(counter spurious_polls)))
echo "$(counter events) events, $(counter polls) polls, $(counter spurious_polls) of them for nothing"
echo "statistics: $(stat tx_packets) packets out, $(stat rx_packets) in, no errors"
sync_send done

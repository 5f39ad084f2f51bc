#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A request that a slow backend has not answered at a suspend is answered when the domain goes on, or issued once more in a new one
# timeout: 150
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

slow() { cat "/sys/block/xvdf/xenpv/$1"; }
in_flight() { echo $(($(slow requests) - $(slow responses))); }
# write_pieces: one after the other, each of which takes seconds, until there is a file /tmp/stop.
write_pieces() {
  rm -f /tmp/stop
  while [ ! -e /tmp/stop ]; do
    piece=$((piece + 1))
    head -c 32768 /dev/urandom >"/tmp/piece$piece"
    dd if="/tmp/piece$piece" of=/dev/xvdf bs=32k seek=$piece oflag=direct conv=notrunc 2>/tmp/dd.err || cat /tmp/dd.err >/tmp/bad
  done
}
# goes_down HOW: lets dom0 suspend the guest with a request in flight, and waits for the request's end.
goes_down() {
  write_pieces &
  writer=$!
  one_in_flight() { [ "$(in_flight)" = 1 ]; }
  wait_for 20 one_in_flight
  sync_send "$1"
  suspended() { [ "$(report suspends "$1")" = 1 ]; }
  wait_for 200 suspended "$1"
  touch /tmp/stop
  wait $writer
  [ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
}

wait_for 20 [ -b /dev/xvde ]
sync_send ready
wait_for 60 [ -b /dev/xvdf ]
piece=0
goes_down cancelled
equal "requests without an answer" "$(in_flight)" 0
piece=100
goes_down resumed
# None if the backend answered while the guest came to rest, which takes seconds on a busy machine.
again=$(in_flight)
[ "$again" = 0 ] || equal "requests issued once more" "$again" 1
echo "requests issued once more: $again"
for file in /tmp/piece*; do
  piece=${file#/tmp/piece}
  got=$(dd if=/dev/xvdf bs=32k skip="$piece" count=1 iflag=direct 2>/dev/null | md5sum)
  equal "piece $piece" "$got" "$(md5sum <"$file")"
done
equal "errors" "$(slow errors)" 0
sync_send done

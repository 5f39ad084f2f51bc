#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: A suspend after which the guest goes on where it was: the devices stay connected, under disk I/O and a TCP connection
# timeout: 150
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

wait_for 20 [ -b /dev/xvde ]
network
before=$(owned)
head -c 1048576 /dev/urandom >/tmp/data
want=$(md5sum </tmp/data)
write_and_read() {
  while [ ! -e /tmp/stop ]; do
    dd if=/tmp/data of=/dev/xvde bs=64k oflag=direct conv=notrunc 2>/tmp/dd.err || { echo "write: $(cat /tmp/dd.err)" >/tmp/bad; return; }
    got=$(dd if=/dev/xvde bs=64k count=16 iflag=direct 2>/dev/null | md5sum)
    [ "$got" = "$want" ] || { echo "what was written came back as $got" >/tmp/bad; return; }
    echo "$got" >>/tmp/done
  done
}
write_and_read &
writer=$!
receive &
connection=$!
wait_for 60 [ -s /tmp/done ]
sync_send busy
wait_for 60 [ -s /tmp/lines ]
sync_send receiving

for round in 1 2 3 4; do
  sync_wait "round$round" 600
  # That the domain goes on is seen in dom0 before it is counted here.
  counted() { [ "$(report suspends cancelled)" = "$round" ]; }
  wait_for 20 counted
  times=$(wc -l </tmp/done)
  had=$(lines)
  goes_on() { [ -e /tmp/bad ] || { [ "$(wc -l </tmp/done)" -gt $((times + 1)) ] && [ "$(lines)" -gt "$had" ]; }; }
  wait_for 60 goes_on
  [ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
  echo "round $round: $times times written and read, $had lines received so far"
  sync_send "works$round"
done
sync_wait over 600
touch /tmp/stop
wait $writer $connection
[ ! -e /tmp/bad ] || fail "$(cat /tmp/bad)"
whole_stream

equal "requests without an answer" "$(($(count requests) - $(count responses)))" 0
equal "errors" "$(count errors)" 0
equal "what is owned" "$(owned)" "$before"
equal "suspends into a new domain" "$(report suspends resumed)" 0
equal "suspends that failed" "$(report suspends failed)" 0
echo "the devices never reconnected"
sync_send done

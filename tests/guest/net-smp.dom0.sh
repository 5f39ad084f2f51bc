#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-smp.sh.
. ./lib.sh
ended() { ! kill -0 "$1" 2>/dev/null; }
mkdir -p /tmp/www
for n in 1 2; do
  head -c 6291456 /dev/urandom >"/tmp/www/data$n"
  md5sum <"/tmp/www/data$n" >"/tmp/www/sum$n"
done
httpd -p 10.0.0.1:80 -h /tmp/www
sync_wait serving 400
sync_send peer-serving
for n in 1 2; do
  (wget -q -O - "http://10.0.0.2/data$n" | md5sum >"/tmp/got$n") &
  eval "job$n=$!"
done
wait_for 60 ended "$job1"
wait_for 60 ended "$job2"
for n in 1 2; do
  equal "file $n from the guest" "$(cat "/tmp/got$n")" "$(wget -q -O - "http://10.0.0.2/sum$n")"
done
sync_send fetched
sync_wait done 400

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-basic.sh.
. ./lib.sh
mkdir -p /tmp/www
dd if=/dev/urandom of=/tmp/www/data bs=1M count=16 2>/dev/null
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 10.0.0.1:80 -h /tmp/www
sync_wait serving 400
wget -q -O /tmp/in http://10.0.0.2/data || fail "cannot fetch from the guest"
want=$(wget -q -O - http://10.0.0.2/sum)
equal "the checksum of $(wc -c </tmp/in) bytes from the guest" "$(md5sum </tmp/in)" "$want"
sync_send sent
sync_wait done 400

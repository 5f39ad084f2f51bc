#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of net-basic.sh.
set -eu
mkdir -p /tmp/www
dd if=/dev/urandom of=/tmp/www/data bs=1M count=16 2>/dev/null
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 10.0.0.1:80 -h /tmp/www
sync_wait serving 120
wget -q -O /tmp/in http://10.0.0.2/data || { echo "FAILED: cannot fetch from the guest"; exit 1; }
want=$(wget -q -O - http://10.0.0.2/sum)
[ "$(md5sum </tmp/in)" = "$want" ] || { echo "FAILED: $(wc -c </tmp/in) bytes from the guest with another checksum"; exit 1; }
sync_send sent
sync_wait done 120

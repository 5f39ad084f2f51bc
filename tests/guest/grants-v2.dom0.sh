#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The dom0 half of grants-v2.
. ./lib.sh

mkdir -p /tmp/www
head -c 4194304 /dev/urandom >/tmp/www/data
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 10.0.0.1:80 -h /tmp/www
id=$(xl domid guest)
xenstore-write "/local/domain/$id/data/guest-refs" ""
xenstore-chmod "/local/domain/$id/data/guest-refs" "n$id"
sync_send serving

sync_wait refs 140
# shellcheck disable=SC2046 # many arguments
grant-file hold "$id" $(xenstore-read "/local/domain/$id/data/guest-refs") >/tmp/held &
holder=$!
wait_for 20 [ -s /tmp/held ]
sync_send mapped
sync_wait gone 140
kill -9 $holder
sync_send unmapped
sync_wait end 140

# SPDX-License-Identifier: GPL-2.0-only
# The demo's part in dom0: does what the guest asks for.
. ./lib.sh

got_whole_file() {
  [ "$(stat -c %s /tmp/got)" = 16777216 ] && md5sum </tmp/got | cmp - /tmp/got.sum
}

sync_wait attach-disk && guest-disk attach xvdf,size=16M && sync_send disk-attached
sync_wait detach-disk && guest-disk detach xvdf && sync_send disk-detached
random_file /tmp/sent && md5sum </tmp/sent >/tmp/sent.sum
sync_wait receive
# In the foreground, so that nc's input stays open: at its end nc would hang up.
nc -l -p 5001 >/tmp/got && nc -l -p 5002 >/tmp/got.sum
check "dom0 has got all 16 MiB, checksums are equal" got_whole_file
nc -l -p 5003 </tmp/sent && nc -l -p 5004 </tmp/sent.sum
sync_wait shrink && xl mem-set "$DOMAIN" 192 && sync_send shrunk
sync_wait grow && xl mem-set "$DOMAIN" 256 && sync_send grown
sync_wait the-end

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of vbd-disks.sh: disks of every kind, and what the guest wrote to them.
. ./lib.sh

pattern() { seq "$1" 300000 | head -c 1048576; }
content() { dd if="$1" bs=4096 count=256 iflag=direct 2>/dev/null | md5sum; }

mount -t configfs configfs /sys/kernel/config 2>/dev/null || true
mkdir /sys/kernel/config/nullb/nullb0
cd /sys/kernel/config/nullb/nullb0
echo 4096 >blocksize
echo 64 >size
echo 1 >memory_backed
echo 1 >power
cd /root
pattern 5 | dd of=/dev/ram0 bs=1M 2>/dev/null

sync_wait ready 400
xl block-attach guest phy:/dev/ram0,xvdf,r
xl block-attach guest phy:/dev/nullb0,xvdg,w
xl block-attach guest phy:/dev/ram1,xvdaa,w
xl block-attach guest phy:/dev/ram2,xvdh1,w
# Not for the guest to use: it has an emulated twin.
xl block-attach guest phy:/dev/ram3,hdb,w
# xvdf once more, by its extended number.
xl block-attach guest phy:/dev/ram0,0x10000500,r
sync_send attached
sync_wait written 400
equal "what xvdg holds" "$(content /dev/nullb0)" "$(pattern 7 | md5sum)"
equal "what xvdaa holds" "$(content /dev/ram1)" "$(pattern 8 | md5sum)"
equal "what xvdh1 holds" "$(content /dev/ram2)" "$(pattern 9 | md5sum)"
equal "what xvdf holds" "$(content /dev/ram0)" "$(pattern 5 | md5sum)"
echo "dom0 sees what the guest wrote, on every disk"
for disk in xvdf xvdg xvdaa xvdh1; do
  xl block-detach guest "$disk" || fail "detach of $disk"
done
sync_send detached

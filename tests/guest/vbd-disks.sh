#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Several disks at once, read-only, with blocks of 4096 bytes, past xvdz, one partition, and one to leave alone
# timeout: 120
# load: xen-platform-pci,xen-vbd
. ./lib.sh

has() { equal "$1/$2" "$(cat "/sys/class/block/$1/$2")" "$3"; }
pattern() { seq "$1" 300000 | head -c 1048576; }

wait_for 20 [ -b /dev/xvde ]
sync_send ready
sync_wait attached 400
for disk in xvdf xvdg xvdaa xvdh1; do wait_for 20 [ -b "/dev/$disk" ]; done
has xvdf dev 202:80
has xvdg dev 202:96
has xvdaa dev 202:6656
has xvdh1 dev 202:113
has xvdf ro 1
has xvdg queue/logical_block_size 4096
has xvdg queue/physical_block_size 4096
has xvdaa queue/logical_block_size 512
has xvdaa ext_range 256
has xvdh1 ext_range 1
has xvdf size 131072
has xvdg size 131072

equal "data of the read-only disk" "$(dd if=/dev/xvdf bs=64k count=16 iflag=direct 2>/dev/null | md5sum)" "$(pattern 5 | md5sum)"
pattern 6 >/tmp/data
must_fail dd if=/tmp/data of=/dev/xvdf bs=1M 2>/dev/null
seed=7
for disk in xvdg xvdaa xvdh1; do
  pattern "$seed" >/tmp/data
  dd if=/tmp/data of="/dev/$disk" bs=4096 oflag=direct conv=notrunc 2>/dev/null || fail "write to $disk"
  cmp -n 1048576 /tmp/data "/dev/$disk" || fail "data of $disk"
  seed=$((seed + 1))
done
echo "read-only, blocks of 4096, xvdaa and xvdh1 as they should be"
sync_send written

must_fail [ -e /dev/xvdb ]
kernel_log "vbd-832: left to the emulated disk" || fail "nothing is said about hdb"
wait_for 20 kernel_log "vbd-268436736: another vbd is xvdf already"
! kernel_log "cannot create duplicate filename" || fail "a disk was made that has another one's name"
sync_wait detached 400
for disk in xvdf xvdg xvdaa xvdh1; do wait_for 20 [ ! -e "/dev/$disk" ]; done
[ -b /dev/xvde ] || fail "xvde is gone"
echo "all detached"

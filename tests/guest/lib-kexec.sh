# SPDX-License-Identifier: GPL-2.0-only
# For the tests of kexec: `. ./lib-kexec.sh` after `. ./lib.sh`.

# ---- in dom0

# give_kernel: the disk xvdf, on which the guest finds the kernel and the initramfs that it was started with.
give_kernel() {
  xl block-attach guest phy:/dev/vdb,xvdf,r
}

# next_kernel SECONDS: waits until the guest's next kernel says that all is well.
next_kernel() {
  home=/local/domain/$(xl domid guest)/data
  said() { [ -n "$(xenstore-read "$home/next" 2>/dev/null)" ]; }
  wait_for "$1" said
  equal "the next kernel" "$(xenstore-read "$home/next")" ok
}

# ---- in the guest

# use_devices: writes a file for the next kernel to find, and brings the interface up.
use_devices() {
  wait_for 20 [ -b /dev/xvde ]
  mke2fs -q -F -t ext4 /dev/xvde
  mkdir -p /mnt
  mount -t ext4 /dev/xvde /mnt
  head -c 1048576 /dev/urandom >/mnt/file
  md5sum </mnt/file >/mnt/sum
  sync
  ip addr add 10.0.0.2/24 dev eth0
  ip link set eth0 up
  ping -c 2 -w 60 10.0.0.1 >/dev/null || fail "no answer in the first kernel"
}

# use_again: in the next kernel, finds the file, writes another one, and has the interface answered.
use_again() {
  modprobe xen-vbd
  modprobe xen-vnif
  wait_for 60 [ -b /dev/xvde ]
  mount -t ext4 /dev/xvde /mnt
  equal "the file" "$(md5sum </mnt/file)" "$(cat /mnt/sum)"
  dd if=/mnt/file of=/mnt/copy bs=64k conv=fsync 2>/dev/null
  umount /mnt
  mount -t ext4 -o ro /dev/xvde /mnt
  equal "the copy" "$(md5sum </mnt/copy)" "$(cat /mnt/sum)"
  wait_for 60 [ -e /sys/class/net/eth0 ]
  ip addr add 10.0.0.2/24 dev eth0
  ip link set eth0 up
  ping -c 2 -w 60 10.0.0.1 >/dev/null || fail "no answer"
  # What the kernel before had granted is over, and what it had asked the store for does no harm.
  none_deferred() { [ "$(report grants deferred)" = 0 ]; }
  wait_for 60 none_deferred
  equal "connections to the store that were lost" "$(report store losses)" 0
  echo "the next kernel has disk and network"
}

# load_next HOW [OPTION...]: has the same kernel ready (HOW: as the program kexec takes it), with what this guest has in its
# initramfs now (but for a large module that is of no use there). Its first process runs use_again and tells dom0 how it went.
# OPTIONs go to the kernel.
load_next() {
  how=$1
  shift
  wait_for 60 [ -b /dev/xvdf ]
  mkdir -p /tmp/next
  (cd /tmp/next && cpio -id vmlinuz </dev/xvdf 2>/dev/null)
  {
    # Not busybox's shell: it has a modprobe of its own.
    sed -e '1s,.*,#!/bin/sh,' -e '/^exec/d' /init
    echo 'exec </dev/null >/dev/kmsg 2>&1'
    echo 'echo 8 >/proc/sys/kernel/printk'
    echo 'cd /root'
    echo '. ./lib.sh'
    echo '. ./lib-kexec.sh'
    echo 'trap "[ \$? = 0 ] || xenstore-write data/next failed; sleep 1000" EXIT'
    echo 'use_again'
    echo 'xenstore-write data/next ok'
  } >/root/next
  chmod +x /root/next
  (
    cd /
    find . -xdev ! -path './tmp/*' ! -path './run/*' ! -path './mnt/*' ! -name xfs.ko | cpio -o -H newc 2>/dev/null
  ) >/tmp/next/initramfs
  kexec "$how" /tmp/next/vmlinuz /tmp/next/initramfs \
    "$(sed 's/crashkernel=[^ ]*//' /proc/cmdline) rdinit=/root/next $*" || fail "kexec $how"
  rm -r /tmp/next
}

# SPDX-License-Identifier: GPL-2.0-only
# The demo's part in the guest: what a user of the modules would do, checked.
. ./lib.sh

modules="xen-platform-pci xen-balloon xen-vbd xen-vnif"

insert_all() {
  for module in $modules; do
    insmod "/lib/modules/$(uname -r)/extra/$module.ko" || return 1
  done
}

remove_all() {
  rmmod xen-vnif && rmmod xen-vbd && rmmod xen-balloon && rmmod xen-platform-pci && ! grep -q '^xen_' /proc/modules
}

partition_and_mount() {
  echo ',,L' | sfdisk -q /dev/xvde && wait_for 30 test -b /dev/xvde1 &&
    mke2fs -q -F -t ext4 /dev/xvde1 && mkdir -p /mnt && mount -t ext4 /dev/xvde1 /mnt
}

write_tree() {
  cp -r /usr/bin /mnt/bin && cp -r "/lib/modules/$(uname -r)" /mnt/modules && random_file /mnt/random &&
    (cd /mnt && find . -type f -exec md5sum {} + >/tmp/sums) && umount /mnt
}

same_tree() {
  mount -t ext4 /dev/xvde1 /mnt && (cd /mnt && md5sum -c /tmp/sums >/tmp/compared) && [ -s /tmp/sums ]
}

second_disk() {
  sync_send attach-disk && sync_wait disk-attached 60 && wait_for 60 test -b /dev/xvdf &&
    dd if=/tmp/sums of=/dev/xvdf bs=4096 conv=fsync && echo 3 >/proc/sys/vm/drop_caches &&
    head -c "$(stat -c %s /tmp/sums)" /dev/xvdf | cmp - /tmp/sums
}

second_disk_gone() {
  sync_send detach-disk && sync_wait disk-detached 60 && wait_for 60 test ! -e /dev/xvdf
}

modprobe_eth0() {
  sed -i 's/^#alias eth0/alias eth0/' /etc/modprobe.d/xenpv.conf
  rmmod xen-vnif && [ ! -e /sys/class/net/eth0 ] && modprobe eth0 && wait_for 60 test -e /sys/class/net/eth0 &&
    ip addr add 10.0.0.2/24 dev eth0 && ip link set eth0 up && wait_for 60 grep -q 1 /sys/class/net/eth0/carrier
}

send_file() {
  random_file /tmp/sent && md5sum </tmp/sent >/tmp/sent.sum && sync_send receive &&
    wait_for 60 sh -c 'nc 10.0.0.1 5001 </tmp/sent' && wait_for 60 sh -c 'nc 10.0.0.1 5002 </tmp/sent.sum'
}

receive_file() {
  wait_for 60 sh -c 'nc 10.0.0.1 5003 >/tmp/got' && wait_for 60 sh -c 'nc 10.0.0.1 5004 >/tmp/got.sum' &&
    [ "$(stat -c %s /tmp/got)" = 16777216 ] && md5sum </tmp/got | cmp - /tmp/got.sum
}

memory() {
  sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# memory_is -le|-ge KIB
memory_is() {
  [ "$(memory)" "$1" "$2" ]
}

shrink() {
  sync_send shrink && sync_wait shrunk 60 && wait_for 60 memory_is -le $((before - 40 * 1024))
}

grow() {
  sync_send grow && sync_wait grown 60 && wait_for 60 memory_is -ge $((before - 4 * 1024))
}

all_again() {
  umount /mnt && remove_all && insert_all && wait_for 60 test -b /dev/xvde1 && same_tree &&
    wait_for 60 test -e /sys/class/net/eth0 && ip addr add 10.0.0.2/24 dev eth0 && ip link set eth0 up &&
    wait_for 30 ping -q -c 1 -W 2 10.0.0.1
}

check "the kernel is Debian's own and leaves Xen alone (xen_nopv)" grep -q xen_nopv /proc/cmdline
check "insmod: $modules" insert_all
check "the disk is there: /dev/xvde" wait_for 60 test -b /dev/xvde
check "it is partitioned, formatted and mounted" partition_and_mount
check "a file tree is written and unmounted" write_tree
check "mounted again, all checksums are equal" same_tree
check "a second disk is attached, written and read back" second_disk
check "and detached again" second_disk_gone
check "modprobe eth0 loads xen-vnif by its alias, eth0 comes up" modprobe_eth0
check "dom0 answers to ping" ping -q -c 3 -W 10 10.0.0.1
check "16 MiB are sent by TCP to dom0" send_file
check "16 MiB are received by TCP, checksums are equal" receive_file
before=$(memory)
check "xl mem-set takes memory away" shrink
check "xl mem-set gives it back" grow
check "all modules removed and inserted again: disk and network go on" all_again
sync_send the-end

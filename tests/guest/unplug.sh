#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: unplug= takes the emulated disk and card away, not before it is asked to and not while the disk is in use
# load: none
# timeout: 60
# emulated: yes
. ./lib.sh

MODULE=/lib/modules/$(uname -r)/extra/xen-platform-pci.ko
cards() { cat /sys/bus/pci/devices/*/class | grep -c 0x020000 || true; }
# refused ERROR LINE PARAMETER...
refused() {
  error=$1 line=$2
  shift 2
  if said=$(busybox insmod "$MODULE" "$@" 2>&1); then fail "loaded with \"$*\""; fi
  case $said in *"$error"*) ;; *) fail "insmod said \"$said\", not \"$error\"" ;; esac
  kernel_log "$line" || fail "no line \"$line\""
}

modprobe ata_piix
modprobe sd_mod
modprobe e1000
wait_for 20 [ -b /dev/sda ]
equal "emulated cards" "$(cards)" 1

for words in disks nics, all,nics ""; do
  refused "Invalid argument" "parameter unplug=$words is not known: use never, all, or" "unplug=$words"
done
insert xen-platform-pci
rmmod xen_platform_pci
dd if=/dev/sda of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null || fail "the disk went though nobody asked for it"
equal "cards after a load without unplug=" "$(cards)" 1
echo "never unless asked"

/usr/sbin/mkfs.ext4 -q -F /dev/sda
mkdir -p /mnt
mount -t ext4 /dev/sda /mnt
for words in all ide-disks nvme; do
  refused "resource busy" "unplug= would take the disk sda away, which is in use" "unplug=$words"
done
equal "cards after a refusal" "$(cards)" 1
echo "kept" >/mnt/file

insert xen-platform-pci unplug=aux-ide-disks
dd if=/dev/sda of=/dev/null bs=64k skip=16 count=4 iflag=direct 2>/dev/null || fail "the primary master went with the others"
rmmod xen_platform_pci
umount /mnt
echo "the primary master stays when it is to"

insert xen-platform-pci unplug=all
[ ! -e /dev/sda ] || fail "the disk is still there"
[ ! -e /sys/block/sda ] || fail "the disk is still in sysfs"
equal "cards after unplug=all" "$(cards)" 0
insert xen-vbd
wait_for 20 [ -b /dev/xvda ]
mount -t ext4 /dev/xvda /mnt
equal "the file, by the paravirtual twin" "$(cat /mnt/file)" kept
umount /mnt
echo "gone, and the paravirtual twin has the data"

rmmod xen_vbd
rmmod xen_platform_pci
insert xen-platform-pci unplug=all
rmmod xen_platform_pci

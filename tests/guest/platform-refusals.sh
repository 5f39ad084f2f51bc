#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: xen-platform-pci refuses wrong parameters, a missing device and a second owner, each with its line and errno
# load: none
# timeout: 30
. ./lib.sh

MODULE=/lib/modules/$(uname -r)/extra/xen-platform-pci.ko
PLATFORM=/sys/bus/pci/devices/0000:00:02.0

# refused ERROR LINE PARAMETER...: the module must not load, with that error and that line in the kernel log.
refused() {
  error=$1 line=$2
  shift 2
  dmesg -c >/dev/null
  # busybox's insmod, which says the errno in the C library's words; kmod's has words of its own.
  if said=$(busybox insmod "$MODULE" "$@" 2>&1); then fail "loaded with \"$*\""; fi
  case $said in *"$error"*) ;; *) fail "insmod said \"$said\", not \"$error\"" ;; esac
  kernel_log "xen-platform-pci: $line" || fail "no line \"$line\" in: $(dmesg)"
  # insmod tries a second way when the first fails, so each line may be there twice.
  equal "lines of the module" "$(dmesg | sed -n 's/.*xen-platform-pci: //p' | sort -u | wc -l)" "${LINES_EXPECTED:-1}"
  [ ! -e /sys/bus/pci/drivers/xenpv-platform ] || fail "the PCI driver stayed behind"
  [ ! -e /sys/bus/xenpv ] || fail "the bus stayed behind"
}

equal "the platform device" "$(cat $PLATFORM/vendor $PLATFORM/device | tr '\n' ' ')" "0x5853 0x0001 "

refused "Invalid argument" "parameter hypercall=fast is not known: use auto, insn or page" hypercall=fast
refused "Invalid argument" "parameter upcall= is not known: use auto, vector or intx" upcall=
refused "Invalid argument" "parameter upcall=INTX is not known: use auto, vector or intx" hypercall=page upcall=INTX
refused "Invalid argument" "parameter events=FIFO is not known: use 2level or fifo" events=FIFO
echo "wrong parameters"

# From here on hypercalls are up before the refusal, which takes a line of its own.
LINES_EXPECTED=2
modprobe pci-stub
echo pci-stub >$PLATFORM/driver_override
echo 0000:00:02.0 >/sys/bus/pci/drivers/pci-stub/bind
refused "resource busy" "another driver is bound to the Xen platform device"
echo 0000:00:02.0 >/sys/bus/pci/drivers/pci-stub/unbind
echo >$PLATFORM/driver_override
echo "a second owner"

echo 1 >$PLATFORM/remove
refused "No such device" "no Xen platform device (PCI 5853:0001)"
echo 1 >/sys/bus/pci/rescan
echo "a missing device"

# The PCI line first: Xen keeps to vectors once it was given one.
for parameters in "upcall=intx" "" "hypercall=page" "hypercall=insn upcall=vector"; do
  # shellcheck disable=SC2086 # several parameters
  insert xen-platform-pci $parameters
  [ -e /sys/bus/pci/drivers/xenpv-platform/0000:00:02.0 ] || fail "not bound"
  [ ! -e /sys/bus/pci/drivers/xenpv-platform/unbind ] || fail "user space could unbind the device"
  rmmod xen_platform_pci
done
echo "loads after all that"

insert xen-platform-pci
echo 1 >$PLATFORM/remove
echo 1 >/sys/bus/pci/rescan
[ -e /sys/bus/pci/drivers/xenpv-platform/0000:00:02.0 ] || fail "a device that was gone and came back is not taken again"
wait_for 10 test -e /sys/bus/xenpv/devices/vif-0
rmmod xen_platform_pci
echo "a device that goes and comes while the module is loaded"

modprobe "$(cat $PLATFORM/modalias)"
[ -e /sys/bus/pci/drivers/xenpv-platform/0000:00:02.0 ] || fail "the device's alias does not load the module"
echo "udev would load it"

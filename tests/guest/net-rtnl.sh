#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: While somebody holds RTNL disks come and come back, traffic goes on, and interfaces that come and go wait; then they catch up
# timeout: 150
# load: xen-platform-pci,xen-vbd,xen-vnif
. ./lib.sh
exists() { [ -d "/sys/class/net/$1" ]; }
gone() { ! exists "$1"; }
carrier() { [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }
mac() { cat "/sys/class/net/$1/address" 2>/dev/null; }
has_mac() { [ "$(mac "$1")" = "$2" ]; }
count() { cat "/sys/block/xvde/xenpv/$1"; }
no_leak() { [ "$(report grants deferred)" = 0 ] && [ "$(references)" = "$before" ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }
# hold, release: RTNL, by a thread of the kernel. Meanwhile nothing here may ask for it: no ip, ethtool or carrier.
hold() { insert xen-selftest rtnl=1; }
release() { rmmod xen_selftest; }
# disk_comes_back NAME: the backend of xvde restarts, which takes the bus's thread.
disk_comes_back() {
  sync_send "restart-$1"
  sync_wait "restarted-$1" 400
  dd if=/dev/xvde of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null || fail "read of xvde ($1)"
}

wait_for 20 [ -b /dev/xvde ]
wait_for 20 exists eth0
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier eth0
ping -c 1 -W 10 10.0.0.1 >/dev/null || fail "no ping by eth0"
before=$(references)
sync_send attach
wait_for 20 exists eth1
equal "MAC of eth1" "$(mac eth1)" 00:16:3e:00:00:11
ip link set eth1 up
wait_for 20 carrier eth1

hold
# eth1 is to be unregistered, for which the stack wants RTNL.
sync_send detach
sync_wait detached 400
sync_send attach-disk
wait_for 20 [ -b /dev/xvdf ]
dd if=/dev/xvdf of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null || fail "read of xvdf"
disk_comes_back held
exists eth1 || fail "eth1 was unregistered without RTNL"
echo "a disk came, another one came back"
# Another one takes the place of the one that waits to go.
sync_send replace
sync_wait replaced 400
disk_comes_back replaced
equal "MAC of eth1" "$(mac eth1)" 00:16:3e:00:00:11
must_fail exists eth2
ping -c 3 -W 10 10.0.0.1 >/dev/null || fail "no ping by eth0 while RTNL is held"
echo "another interface took the place of one that waits to go, eth0 goes on"
release

wait_for 20 has_mac eth1 00:16:3e:00:00:12
must_fail exists eth2
ip addr add 10.9.1.2/24 dev eth1
ip link set eth1 up
wait_for 20 carrier eth1
ping -c 2 -s 1000 -W 10 10.9.1.1 >/dev/null || fail "no ping by the new eth1"
ping -c 2 -W 10 10.0.0.1 >/dev/null || fail "no ping by eth0"
sync_send remove
wait_for 20 gone eth1
wait_for 20 [ ! -e /dev/xvdf ]
wait_for 20 no_leak
echo "with RTNL free the new interface came, under the old one's name"

# One that comes and goes again before it was ever registered leaves nothing behind.
hold
sync_send attach-late
sync_wait attached-late 400
sync_send detach-late
sync_wait detached-late 400
disk_comes_back late
release
ping -c 1 -W 10 10.0.0.1 >/dev/null || fail "no ping by eth0"
wait_for 20 [ ! -e /sys/bus/xenpv/devices/vif-1 ]
must_fail exists eth1
wait_for 20 no_leak
echo "an interface came and went while RTNL was held"

# Whoever removes the module waits, the disk does not.
hold
rmmod xen_vnif &
remover=$!
unbound() { [ ! -e /sys/bus/xenpv/devices/vif-0/driver ]; }
wait_for 20 unbound
disk_comes_back unload
kill -0 $remover 2>/dev/null || fail "the module went without its interface"
exists eth0 || fail "eth0 was unregistered without RTNL"
release
wait $remover || fail "rmmod"
must_fail exists eth0
equal "errors of the disk" "$(count errors)" 0
insert xen-vnif
exists eth0 || fail "the interface is not there when the module has been inserted"
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
wait_for 20 carrier eth0
ping -c 1 -W 10 10.0.0.1 >/dev/null || fail "no ping after the module was inserted again"
wait_for 20 no_leak
sync_send done
echo "the module's removal waited for RTNL, the disk did not"

# SPDX-License-Identifier: GPL-2.0-only
# For the soak test's steps in dom0 (src/soak.rs), after lib.sh of tests/guest.

attach_disk() { xl block-attach guest "phy:/dev/ram$1,$2,w"; }
detach_disk() { xl block-detach guest "$1"; }
attach_vif() { xl network-attach guest type=vif "mac=00:16:3e:00:00:1$1"; }
detach_vif() { xl network-detach guest "00:16:3e:00:00:1$1"; }

# address NUMBER: dom0's own end of an interface, beside the bridge. It may have been there all the time.
address() {
  device=vif$(xl domid guest).$1
  brctl delif xenbr0 "$device" 2>/dev/null || true
  ip addr flush dev "$device"
  ip addr add "10.9.$1.1/24" dev "$device"
  ip link set "$device" up
}

# memory MIB: takes so much away from all that the guest may have.
memory() {
  all=$(xenstore-read "/local/domain/$(xl domid guest)/memory/static-max")
  xl mem-set guest $((all / 1024 - $1))
}

# In the foreground, so that nc's input stays open: at its end nc would hang up.
get() {
  nc -l -p 5001 >/tmp/got
  md5sum </tmp/got
}
give() {
  head -c 1048576 /dev/urandom >/tmp/given
  md5sum </tmp/given
  nc -l -p 5002 </tmp/given
}

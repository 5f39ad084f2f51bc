#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of control-poweroff.sh: what xl sees of a guest that follows it.
. ./lib.sh

control=/local/domain/$(xl domid guest)/control
holds() { [ "$(xenstore-read "$control/$1")" = "$2" ]; }

sync_wait loaded 120
for feature in poweroff reboot; do wait_for 20 holds feature-$feature 1; done
xl sysrq guest h
wait_for 20 holds sysrq ""
sync_send pressed

sync_wait helped 120
xenstore-write "$control/shutdown" "$(printf 'explode\001now')"
for key in hello " " "
" bc; do
  xenstore-write "$control/sysrq" "$key"
  wait_for 20 holds sysrq ""
done
sync_send nonsense
sync_wait seen 120
for word in Poweroff poweroff-not "" stay; do xenstore-write "$control/shutdown" "$word"; done
xl sysrq guest h
wait_for 20 holds sysrq ""
sync_send more

sync_wait unloaded 120
holds shutdown stay || fail "nonsense was acknowledged"
for feature in poweroff reboot; do holds feature-$feature 0 || fail "feature-$feature after the unload"; done
must_fail xl shutdown guest
sync_send look

sync_wait ready 120
for feature in poweroff reboot; do wait_for 20 holds feature-$feature 1; done
xl shutdown guest || fail "xl shutdown"
wait_for 20 holds shutdown ""
sync_wait user-space 120
grep -q "has shut down" /var/log/xen/xl-guest.log && fail "the guest ended before its user space had its turn"
sync_send go
wait_for 30 grep -q "has shut down, reason code 0 " /var/log/xen/xl-guest.log
cat /var/log/xen/xl-guest.log

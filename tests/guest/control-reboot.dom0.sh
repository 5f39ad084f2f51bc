#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of control-reboot.sh.
. ./lib.sh

control=/local/domain/$(xl domid guest)/control
holds() { [ "$(xenstore-read "$control/$1")" = "$2" ]; }

sync_wait ready 120
wait_for 20 holds feature-reboot 1
xl reboot guest || fail "xl reboot"
wait_for 20 holds shutdown ""
sync_wait user-space 120
sync_send go
wait_for 30 grep -q "has shut down, reason code 1 " /var/log/xen/xl-guest.log
cat /var/log/xen/xl-guest.log

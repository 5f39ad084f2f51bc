#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of control-crash.sh. The guest's configuration says on_crash = "preserve".
. ./lib.sh

state() { xl list guest | sed -n 's/^guest  *[0-9]*  *[0-9]*  *[0-9]*  *\([^ ]*\).*/\1/p'; }

sync_wait ready 120
case $(state) in *c*) fail "the guest has crashed before it was asked to" ;; esac
xl sysrq guest c
wait_for 30 grep -q "has shut down, reason code 3 " /var/log/xen/xl-guest.log
case $(state) in *sc*) ;; *) fail "xl shows the state $(state)" ;; esac
cat /var/log/xen/xl-guest.log

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: xl sysrq and xl shutdown are followed and acknowledged, nonsense is not; an unload says that nobody follows
# load: none
# timeout: 60
# ends: guest
. ./lib.sh

lines() { dmesg | grep -cF -- "$1" || true; }
said() { [ "$(lines "$1")" -ge 1 ]; }

# What orderly_poweroff runs: it asks dom0 first, so that dom0 knows who ended the guest.
printf '#!/bin/sh\nsync_send user-space\nsync_wait go 100\nexec busybox poweroff -f\n' >/sbin/poweroff
chmod +x /sbin/poweroff

insert xen-platform-pci
sync_send loaded
sync_wait pressed 120
wait_for 20 said "sysrq: HELP"
sync_send helped
sync_wait nonsense 120
wait_for 20 said 'asks for "explode.now" in control/shutdown'
sync_send seen
sync_wait more 120
equal "lines about words" "$(lines "which this driver does not know")" 1
equal "lines about the key" "$(lines "control/sysrq holds no key")" 1
equal "keys" "$(lines "sysrq: HELP")" 2

rmmod xen_platform_pci
sync_send unloaded
sync_wait look 120
insert xen-platform-pci
sync_send ready

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: xl reboot lets the guest's user space restart it
# load: xen-platform-pci
# timeout: 40
# ends: guest
. ./lib.sh

printf '#!/bin/sh\nsync_send user-space\nsync_wait go 100\nexec busybox reboot -f\n' >/sbin/reboot
chmod +x /sbin/reboot
sync_send ready

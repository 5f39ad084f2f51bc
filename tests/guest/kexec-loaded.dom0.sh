#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of kexec-loaded.sh: sends to the guest all the while, and hears of its next kernel.
. ./lib.sh
. ./lib-kexec.sh

give_kernel
sync_wait ready 600
# By an address that need not be asked for: a backend that has not let go puts each packet into the next kernel's memory.
arp -i xenbr0 -s 10.0.0.2 00:16:3e:00:00:02
ping -i 0.1 -s 1400 10.0.0.2 >/dev/null 2>&1 &
pinger=$!
id=$(xl domid guest)
closed() {
  for back in "vbd/$id/51776" "vbd/$id/51792" "vif/$id/0"; do
    case $(xenstore-read "/local/domain/0/backend/$back/state") in 2 | 6) ;; *) return 1 ;; esac
  done
}
sync_send go
wait_for 60 closed
echo "the backends have let go"
next_kernel 240
kill $pinger

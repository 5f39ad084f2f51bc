#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of kexec-crash.sh: lets the guest crash, and hears of its next kernel.
. ./lib.sh
. ./lib-kexec.sh

give_kernel
sync_wait ready 600
xl sysrq guest c
next_kernel 240
id=$(xl domid guest)
for back in "vbd/$id/51776" "vbd/$id/51792" "vif/$id/0"; do
  equal "the state of $back" "$(xenstore-read "/local/domain/0/backend/$back/state")" 4
done

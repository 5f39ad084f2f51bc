#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The dom0 half of user-xenstore.
. ./lib.sh

home=/local/domain/$(xl domid guest)
sync_send ready
sync_wait watching
equal "what the guest wrote" "$(xenstore-read "$home/data/two")" 2
xenstore-write "$home/data/greeting" hello-1
xenstore-write "$home/data/greeting" hello-2

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of suspend-fifo.sh.
. ./lib.sh
. ./lib-suspend.sh

move_busy_guest save_and_restore "$(rounds 1)"

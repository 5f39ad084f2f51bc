#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of suspend-migrate-4cpus.sh.
. ./lib.sh
. ./lib-suspend.sh

move_busy_guest migrate "$(rounds 1)"

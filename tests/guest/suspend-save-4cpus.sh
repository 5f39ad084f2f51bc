#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Saved and restored with four vCPUs, as busy
# timeout: 200
# vcpus: 4
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

live_through "$(rounds 1)"

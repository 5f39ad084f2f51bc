#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Saved and restored with two vCPUs, as busy
# timeout: 150
# vcpus: 2
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

live_through "$(rounds 2)"

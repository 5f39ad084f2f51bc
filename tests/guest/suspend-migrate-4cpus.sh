#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Migrated live with four vCPUs, as busy
# timeout: 250
# vcpus: 4
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

live_through "$(rounds 1)"

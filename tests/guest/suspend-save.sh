#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: Saved and restored under disk I/O and with a TCP connection open: nothing is lost, nothing leaks
# timeout: 150
# vcpus: 1
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

live_through "$(rounds 3)"

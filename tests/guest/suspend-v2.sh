#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: grant table version 2 over a save and restore, with a busy disk and a connection
# load: none
# timeout: 150
# memory: 192
. ./lib.sh
. ./lib-suspend.sh

insert xen-platform-pci grant_version=2
insert xen-vbd
insert xen-vnif
live_through 1
equal "version" "$(report grants version)" 2

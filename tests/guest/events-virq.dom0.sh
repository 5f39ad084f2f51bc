#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of events-virq.sh.
. ./lib.sh

sync_wait bound 200
xl debug-keys q
sync_wait away 200
xl debug-keys q
sleep 1
sync_send raised
sync_wait done 200

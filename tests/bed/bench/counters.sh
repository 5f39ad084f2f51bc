#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Prints every counter of the frontends that the guest shows, one a line: name and value.
for directory in /sys/block/xvd[fg]/xenpv /sys/bus/xenpv/devices/*/counters /sys/kernel/debug/xenpv; do
  [ -d "$directory" ] || continue
  case $directory in
  /sys/kernel/debug/*) start=/sys/kernel/debug/xenpv/ ;;
  /sys/block/*) start=/sys/block/ ;;
  *) start=/sys/bus/xenpv/devices/ ;;
  esac
  find "$directory" -type f | while read -r file; do
    # A file has one number, or a line for each.
    sed "s|^[-0-9]*\$|: &|; s|^|${file#"$start"} |" "$file" 2>/dev/null
  done
done
ethtool -S eth0 2>/dev/null | sed 's|^ *|eth0 |'

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# name: The balloon follows memory/target down and up, keeps its floor, survives reloads, shows mainline's files
# timeout: 120
# load: xen-platform-pci,xen-balloon
# allow: memory/target or memory/static-max cannot be read (EACCES)
. ./lib.sh
D=/sys/devices/system/xen_memory/xen_memory0
total() { sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo; }
current() { cat "$D/info/current_kb"; }
has() { [ "$(current)" = "$1" ]; }
below() { [ "$(current)" -lt "$1" ]; }

for file in target target_kb schedule_delay max_schedule_delay retry_count max_retry_count scrub_pages info/current_kb info/low_kb info/high_kb; do
  [ -r "$D/$file" ] || fail "no file $file"
done
full=$(current)
all=$(total)
equal "the balloon at first" "$(cat "$D/info/low_kb")" 0
equal "the target at first" "$(cat "$D/target_kb")" "$full"
echo "the guest has $full KiB, MemTotal is $all KiB"

# The toolstack's way: 64 MiB down and up again, three times.
round=0
while [ "$round" -lt 3 ]; do
  round=$((round + 1))
  sync_send "down$round"
  wait_for 30 has $((full - 65536))
  equal "MemTotal without 64 MiB" "$(total)" $((all - 65536))
  sync_wait "down-seen$round" 400
  sync_send "up$round"
  wait_for 30 has "$full"
  equal "MemTotal again" "$(total)" "$all"
done
echo "64 MiB down and up, three times"

# The guest's own way, by both files, and numbers that are none.
echo $((full - 8192)) >"$D/target_kb"
wait_for 30 has $((full - 8192))
equal "the file target" "$(cat "$D/target")" $(((full - 8192) * 1024))
echo "$((full / 1024 - 16))M" >"$D/target"
wait_for 30 has $(((full / 1024 - 16) * 1024))
for wrong in "" x -1 1.5 0x100; do
  if echo "$wrong" >"$D/target_kb" 2>/dev/null; then fail "target_kb takes \"$wrong\""; fi
done

# Nobody gets the guest below its floor.
echo 0 >"$D/target_kb"
floor=$(cat "$D/target_kb")
at_least "the floor of a guest with $full KiB" "$floor" 65536
at_least "all there is" "$full" $((floor + 1))
wait_for 30 below $((full - 65536))
at_least "what the guest has left" "$(current)" "$floor"
echo "$full" >"$D/target_kb"
wait_for 30 has "$full"
equal "MemTotal at the end" "$(total)" "$all"
echo "floor $floor KiB"

# Unloaded while the guest is small, the module gets back what Xen lets it have, and finds the rest when it comes again.
sync_send down-for-reload
wait_for 30 has $((full - 65536))
sync_wait limited 400
rmmod xen_balloon
at_least "MemTotal without the module" "$(total)" $((all - 65536))
insert xen-balloon
wait_for 30 has $((full - 65536))
equal "MemTotal after the reload" "$(total)" $((all - 65536))
sync_send up-after-reload
wait_for 30 has "$full"
equal "MemTotal after all" "$(total)" "$all"
echo "reloaded with 64 MiB out"

# Nodes that cannot be read are read when they can, though nothing changes in them.
rmmod xen_balloon
sync_send hide
sync_wait hidden 400
insert xen-balloon
wait_for 20 kernel_log "memory/target or memory/static-max cannot be read"
equal "the balloon with a target that it cannot know" "$(current)" "$full"
sync_send show
wait_for 30 has $((full - 65536))
sync_send up-at-last
wait_for 30 has "$full"
echo "followed what could not be read at first"

# The memory is good: what is written to a large file comes back.
head -c 67108864 /dev/urandom >/tmp/data
equal "64 MiB read twice" "$(md5sum </tmp/data)" "$(md5sum </tmp/data)"
rm /tmp/data

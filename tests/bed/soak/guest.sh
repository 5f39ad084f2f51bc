# SPDX-License-Identifier: GPL-2.0-only
# For the soak test's steps in the guest (src/soak.rs), after lib.sh of tests/guest. A step is one call of one function.

BALLOON=/sys/devices/system/xen_memory/xen_memory0/info/current_kb
OWNED='^(channels|in_use|deferred|live|devices|watches) '

# owned: what the services have given out and what exists, without what only counts up.
owned() { grep -hE "$OWNED" /sys/kernel/debug/xenpv/*; }
nothing_owned() { [ "$(owned)" = "$(cat /tmp/nothing)" ]; }
exists() { [ -e "/sys/class/net/$1" ]; }
carrier() { [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }
reads() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; }
disk_came() { wait_for 30 reads "/dev/$1"; }
disk_gone() { wait_for 30 [ ! -e "/dev/$1" ]; }

# begin: the platform alone, what it owns then, and the drivers.
begin() {
  mount -t debugfs none /sys/kernel/debug 2>/dev/null || true
  insert xen-platform-pci
  wait_for 20 [ -e /sys/bus/xenpv/devices/vif-0 ]
  wait_for 20 grep -qx 'requests 0' /sys/kernel/debug/xenpv/store
  owned >/tmp/nothing
  for module in xen-balloon xen-vbd xen-vnif; do insert $module; done
  cat $BALLOON >/tmp/full
  disk_came xvde
  vif_came 0
}

# vif_came NUMBER: gives the interface its address.
vif_came() {
  wait_for 30 exists "eth$1"
  if [ "$1" = 0 ]; then net=10.0.0; else net=10.9.$1; fi
  ip addr add "$net.2/24" dev "eth$1"
  ip link set "eth$1" up
}

# reaches NUMBER: dom0 answers on it, large packets too.
reaches() {
  wait_for 30 carrier "eth$1"
  if [ "$1" = 0 ]; then net=10.0.0; else net=10.9.$1; fi
  answers() { ping -c 2 -s 8000 -W 5 "$net.1" >/dev/null; }
  wait_for 30 answers
}
vif_gone() { wait_for 30 sh -c "! [ -e /sys/class/net/eth$1 ]"; }

# balloon_out MIB: waits until the guest has so much less than all its memory.
balloon_out() {
  wanted=$(($(cat /tmp/full) - $1 * 1024))
  has() { [ "$(cat $BALLOON)" = $wanted ]; }
  wait_for 60 has
}

# data WORD: 1 MiB that is another each time.
data() {
  head -c 65536 /dev/urandom >"/tmp/part.$$"
  for part in $(seq 16); do
    echo "$1 $part"
    cat "/tmp/part.$$"
  done | head -c 1048576
  rm "/tmp/part.$$"
}

# disk_io DISK MIB: writes there, reads it back past every cache. A step and the load may be at it at once.
disk_io() {
  written=/tmp/written.$$ read=/tmp/read.$$ said=/tmp/said.$$
  data "$2" >$written
  dd if=$written "of=/dev/$1" bs=64k seek=$(($2 * 16)) conv=notrunc,fsync 2>$said || fail "write: $(cat $said)"
  dd "if=/dev/$1" of=$read bs=64k skip=$(($2 * 16)) count=16 iflag=direct 2>$said || fail "read: $(cat $said)"
  cmp $written $read || fail "$1 has not kept what was written at $2 MiB"
  rm $written $read $said
}

# send and receive: 1 MiB by TCP; prints its checksum.
send() {
  data net >/tmp/sent
  md5sum </tmp/sent
  wait_for 60 sh -c 'nc 10.0.0.1 5001 </tmp/sent 2>/dev/null'
}
receive() {
  wait_for 60 sh -c 'nc 10.0.0.1 5002 >/tmp/received 2>/dev/null && [ -s /tmp/received ]'
  md5sum </tmp/received
}

# load: writes and reads back on xvde until it is told to stop, and pings; prints how often.
load() {
  # Between two of its programs, too, the disk is in use.
  exec 7</dev/xvde
  echo $$ >/tmp/loaded
  round=0
  while [ ! -e /tmp/stop ]; do
    disk_io xvde $((round % 8))
    # The interface may just be away.
    ping -c 1 -s 4000 -W 1 10.0.0.1 >/dev/null 2>&1 || true
    round=$((round + 1))
  done
  rm /tmp/stop /tmp/loaded
  echo "$round MiB"
}
load_begun() { wait_for 30 [ -e /tmp/loaded ]; }
load_end() { touch /tmp/stop; }

# unload MODULE: waits for what still has it open, such as udev or a process that ends.
unload() {
  gone() { rmmod "$1" 2>/dev/null; }
  wait_for 30 gone "$1"
}

# refused MODULE: what the load uses stays.
refused() {
  kill -0 "$(cat /tmp/loaded)" || fail "the load has died"
  if rmmod "$1" 2>/dev/null; then fail "$1 was unloaded under load"; fi
}

# Only what is owned by frontends; devices and watches depend on what is attached.
frontends_own_nothing() {
  [ "$(owned | grep -E '^(in_use|deferred) ')" = "$(grep -E '^(in_use|deferred) ' /tmp/nothing)" ]
}

# unload_frontends: all of them, and they must have given everything back.
unload_frontends() {
  for module in xen-vnif xen-vbd xen-balloon; do unload $module; done
  frontends_back() { frontends_own_nothing; }
  wait_for 30 frontends_back
}

# end: without frontends and with nothing attached, everything is as in the beginning.
end() {
  unload_frontends
  deadline=$(($(cut -d. -f1 /proc/uptime) + 60))
  until nothing_owned; do
    [ "$(cut -d. -f1 /proc/uptime)" -lt $deadline ] || break
    sleep 0.2
  done
  owned | diff /tmp/nothing - || fail "the counters are not what they were (<)"
  owned | tr '\n' ' '
  rmmod xen_platform_pci
}

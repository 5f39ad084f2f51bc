# SPDX-License-Identifier: GPL-2.0-only
# Beside every test, in the guest and in dom0: `. ./lib.sh` at the top. Any failing command ends the test.
set -eu

# fail TEXT...: ends the test.
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# equal WHAT GOT WANTED
equal() {
  [ "$2" = "$3" ] || fail "$1: got \"$2\", wanted \"$3\""
}

# at_least WHAT GOT WANTED
at_least() {
  [ "$2" -ge "$3" ] || fail "$1: got $2, wanted at least $3"
}

# must_fail COMMAND...: the command must not succeed.
must_fail() {
  if "$@"; then
    fail "should have failed: $*"
  fi
}

# wait_for SECONDS COMMAND...: until the command succeeds. The test fails when it does not in time; the seconds are for
# an idle machine.
wait_for() {
  deadline=$(($(cut -d. -f1 /proc/uptime) + 4 * $1))
  shift
  until "$@"; do
    [ "$(cut -d. -f1 /proc/uptime)" -lt $deadline ] || fail "waited in vain for: $*"
    sleep 0.1
  done
}

# insert MODULE [PARAMETER=VALUE...]: inserts one of this project's modules by its file.
insert() {
  module=$1
  shift
  insmod "/lib/modules/$(uname -r)/extra/$module.ko" "$@"
}

# kernel_log TEXT: whether the kernel's log has a line with it.
kernel_log() {
  dmesg | grep -qF -- "$1"
}

# report FILE NAME: one of xen-platform-pci's own counters.
report() {
  [ -e /sys/kernel/debug/xenpv ] || mount -t debugfs none /sys/kernel/debug
  sed -n "s/^$2 //p" "/sys/kernel/debug/xenpv/$1"
}

# references: the grant references in use but for those of the disks' pools, of which larger requests have them get more.
references() {
  pools=0
  for pool in /sys/block/xvd*/xenpv/grants_in_use; do
    [ ! -e "$pool" ] || pools=$((pools + $(cat "$pool")))
  done
  echo $(($(report grants in_use) - pools))
}

# account NAME WHAT: what an account of grant references has of it: in_use, deferred, oldest or quota.
account() {
  report grant-accounts "$1" | sed -n "s/.*\\b$2 \\([^ ]*\\).*/\\1/p"
}

# self_test ROOM: runs the cases of xen-selftest.ko that a test of the kernel's inside needs.
self_test() {
  insert xen-selftest "room=$1" || fail "the self-test: $(dmesg | grep 'xen_selftest.*FAILED')"
  rmmod xen_selftest
}

# restart_backend DISK: in dom0, takes the guest's disk of that number from xen-blkback and gives it back.
restart_backend() {
  disk=vbd-$(xl domid guest)-$1
  nodes=/local/domain/0/backend/vbd/$(xl domid guest)/$1
  number=$(xenstore-read "$nodes/physical-device")
  # The backend's state stays Connected until it is bound again: there is nothing to wait for in between.
  echo "$disk" >/sys/bus/xen-backend/drivers/vbd/unbind || fail "unbind"
  echo "$disk" >/sys/bus/xen-backend/drivers/vbd/bind || fail "bind"
  # blkback forgets the number of its device when it goes; the hotplug script would write it anew.
  xenstore-write "$nodes/physical-device" "$number"
  backend_connected() { [ "$(xenstore-read "$nodes/state")" = 4 ]; }
  wait_for 60 backend_connected
}

# mute_backend DISK [NODE VALUE]: in dom0, gives the guest a disk of that number whose backend is a few nodes: it connects and then
# answers nothing; with a node of its own if there is one to be. `xenstore-rm "$front" "$back"` takes it away.
mute_backend() {
  id=$(xl domid guest)
  front=/local/domain/$id/device/vbd/$1
  back=/local/domain/0/mute/$id/$1
  xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$id" "$back/online" 1 "$back/state" 2
  xenstore-write "$back/sectors" 131072 "$back/sector-size" 512 "$back/info" 0
  [ $# -eq 1 ] || xenstore-write "$back/$2" "$3"
  xenstore-chmod -r "$back" n0 "r$id"
  xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/virtual-device" "$1" \
    "$front/device-type" disk "$front/state" 1
  xenstore-chmod -r "$front" "n$id" r0
  frontend_published() { [ "$(xenstore-read "$front/state")" = 3 ]; }
  wait_for 30 frontend_published
  xenstore-write "$back/state" 4
}

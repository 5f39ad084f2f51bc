#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of bus-lifecycle.sh: plays the backend of a device of type xtest.
. ./lib.sh

domid=$(xl domid guest)
front=/local/domain/$domid/device/xtest/0
back=/local/domain/0/backend/xtest/$domid/0
state() { xenstore-read "$front/state" 2>/dev/null || true; }
is() { [ "$(state)" = "$1" ]; }
traced() { [ "$(xenstore-read "$front/trace" 2>/dev/null)" = "$1" ]; }
# expect STATE: waits until the frontend shows it.
expect() { wait_for 20 is "$1"; }
# trace "PUBLISH CONNECT CHANGED CLOSING": waits until the driver has been called this often.
trace() { wait_for 20 traced "$1"; }
backend() { xenstore-write "$back/state" "$1"; }
# The frontend has published: answer as Linux's backends do.
up() {
  backend 2
  expect 3
  backend 4
  expect 4
}
make_backend() {
  xenstore-write "$back/frontend" "$front" "$back/frontend-id" "$domid" "$back/online" 1 "$back/state" 2
  xenstore-chmod -r "$back" n0 "r$domid"
}
make() {
  make_backend
  # Children are their parent's owner's.
  xenstore-write "$front" ""
  xenstore-chmod "$front" "n$domid" r0
  xenstore-write "$front/backend" "$back" "$front/backend-id" 0 "$front/state" 1
}
# Follows the frontend down to Closed and up again, as xen-blkback does.
follow() {
  expect 5
  backend 5
  expect 6
  backend 6
  expect 1
}

make
sync_send made
sync_wait inserting 400
expect 3
trace "1 0 0 0"
backend 4
expect 4
trace "1 1 0 0"
sync_send connected
sync_wait seen 400

# Announcements again are passed on, nonsense is not.
backend 4
trace "1 1 1 0"
for nonsense in banana 99 +4 "" 4294967300; do
  backend "$nonsense"
done
backend 7
trace "1 1 2 0"
backend 8
trace "1 1 3 0"
is 4 || fail "nonsense has an effect"

# The backend closes, but the device stays: back again.
backend 5
trace "1 1 3 1"
expect 6
backend 6
expect 1
up
trace "2 2 3 1"

# The backend's nodes vanish, as when its domain dies, and come back.
xenstore-rm "$back"
trace "2 2 3 2"
expect 6
make_backend
expect 3
backend 4
expect 4
trace "3 3 3 2"

# A backend restarted behind the frontend's back.
backend 2
trace "4 3 3 3"
expect 3
backend 4
trace "4 4 3 3"

# A violation of the protocol.
xenstore-write "$back/break-protocol" 1
backend 4
trace "4 4 4 4"
follow
xenstore-rm "$back/break-protocol"
up
trace "5 5 4 4"
sync_send violated

# A driver that fails: it is tried again, and says why in the store.
xenstore-write "$back/fail-connect" 1
backend 5
expect 6
backend 6
expect 1
backend 2
expect 3
backend 4
trace "6 6 4 6"
xenstore-rm "$back/fail-connect"
xenstore-write "$back/fail-publish" 1
follow
backend 2
trace "7 6 4 7"
xenstore-rm "$back/fail-publish"
message=$(xenstore-read "/local/domain/$domid/error/device/xtest/0/error")
equal "error node" "$message" "28 asked to fail"
expect 3
backend 4
expect 4
trace "8 7 4 7"

# Detached as xl does it.
xenstore-write "$back/online" 0 "$back/state" 5
expect 6
trace "8 7 4 8"
backend 6
sleep 2
expect 6
xenstore-rm "$front"
xenstore-rm "$back"
sync_send detached
sync_wait gone 400

# Attached again.
make
up
trace "1 1 0 0"
sync_send again

# Surprise.
sync_wait vanish 400
xenstore-rm "$front"
sync_send vanished
sync_wait gone-again 400
xenstore-rm "$back"

# Replaced: another backend under the same name.
make
up
old=$back
back=/local/domain/0/backend/xtest/$domid/1
make_backend
xenstore-write "$front/backend" "$back" "$front/state" 1
expect 3
backend 4
expect 4
trace "1 1 0 0"
xenstore-rm "$old"

# From here on the backend is a loop of its own, as a driver would be.
(
  while [ ! -e /tmp/silent ]; do
    mine=$(xenstore-read "$back/state")
    case "$(state),$mine" in
      1,6) backend 2 ;;
      3,2) backend 4 ;;
      5,4) backend 5 ;;
      6,4 | 6,5) backend 6 ;;
    esac
    usleep 20000
  done
) &
loop=$!
sync_send replaced
sync_wait silence 400
touch /tmp/silent
wait "$loop"
sync_send silent
sync_wait finished 400
rm /tmp/silent
is 6 || fail "a frontend whose backend holds on to it shows $(state)"
xenstore-rm "$front"
xenstore-rm "$back"
sync_send cleaned

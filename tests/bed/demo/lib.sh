# SPDX-License-Identifier: GPL-2.0-only
# For the demo's scripts on both sides. A line "@pass …" or "@fail …" is one line of the summary.

# check WHAT COMMAND...: one check. A failed one ends the script (the next ones build on it) and shows what was said.
check() {
  what=$1
  shift
  if "$@" >/tmp/said 2>&1; then
    echo "@pass $what"
  else
    echo "@fail $what"
    tail -n 20 /tmp/said | sed 's/^/      /'
    exit 1
  fi
}

# wait_for SECONDS COMMAND...: until the command succeeds, or fails for too long.
wait_for() {
  until_uptime=$(($(cut -d. -f1 /proc/uptime) + $1))
  shift
  until "$@" >/tmp/tried 2>&1; do
    if [ "$(cut -d. -f1 /proc/uptime)" -ge $until_uptime ]; then
      cat /tmp/tried
      echo "waited in vain for: $*"
      return 1
    fi
    sleep 0.1
  done
}

# random_file FILE: 16 MiB, different each time.
random_file() {
  head -c 1048576 /dev/urandom >/tmp/part &&
    for part in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
      cat /tmp/part && echo $part
    done | head -c 16777216 >"$1"
}

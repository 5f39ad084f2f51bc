#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: bench-host.sh [CRITERION ARGUMENT …]
#
# Times the pure crates beside C built from Xen's macros, here on the host, and prints one table of ratios; an argument
# picks the lines that contain it. Without one the table goes into docs/performance.md, too. `make bench-host` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/xen-headers.sh
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
log=$target/bench-host.log
mkdir -p "$target"
echo "About a minute, and as much to build it the first time. What Criterion says goes to $log"
BENCH_HOST_JSON=$target/bench-host.json cargo bench --quiet -p micro --bench host -- "$@" > "$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
sed -n '/^Each line/,$p' "$log"
[ $# -gt 0 ] || cargo run --quiet -p bench-report -- host "$target/bench-host.json" docs/performance.md

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: bench-host.sh [CRITERION ARGUMENT …]
#
# Times the pure crates beside C built from Xen's macros, here on the host, and prints one table of ratios; an argument
# picks the lines that contain it. `make bench-host` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/xen-headers.sh
log=${CARGO_TARGET_DIR:-target}/bench-host.log
mkdir -p "$(dirname "$log")"
echo "About a minute, and as much to build it the first time. What Criterion says goes to $log"
cargo bench --quiet -p micro --bench host -- "$@" > "$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
sed -n '/^Each line/,$p' "$log"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: xenbed.sh ARGUMENT …
#
# Builds xenbed, the test bed's command line, and runs it here.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(scripts/with-cargo.sh cargo build -p xenbed --release --message-format=json-render-diagnostics |
	sed -n 's/^{"reason":"compiler-artifact".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$program" ] || { echo "xenpv: xenbed was not built" >&2; exit 1; }
exec "$program" "$@"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: unsafe-inventory.sh [--check]
#
# Lists the unsafe blocks and impls of each file as a Markdown table; with --check, fails when docs/unsafe.md holds
# another table, or a file outside of the rooms that may hold unsafe code has any.
set -euo pipefail
cd "$(dirname "$0")/.."

# The rooms that may: the kernel glue, the one file of ring, and tests.
rooms='^(linux/|ring/src/shared|xen-platform-pci/hypercall/|[a-z-]+/kernel/|tests/)'

table() {
	echo '| File | `unsafe` blocks and impls |'
	echo '|---|---|'
	git ls-files -co --exclude-standard '*.rs' | grep -v '^third_party/\|^tests/' | LC_ALL=C sort | while read -r file; do
		count=$(grep -cE '^[^/]*\bunsafe (\{|impl\b)' "$file" || true)
		[ "$count" = 0 ] || echo "| \`$file\` | $count |"
	done
}

if [ "${1:-}" != --check ]; then
	table
	exit
fi
stray=$(table | sed -n 's/^| `\([^`]*\)`.*/\1/p' | grep -vE "$rooms" || true)
[ -z "$stray" ] || { echo "unsafe code outside of the rooms that may hold it: $stray"; exit 1; }
if ! diff <(table) <(grep '^|' docs/unsafe.md); then
	echo 'docs/unsafe.md is not up to date: put in what scripts/unsafe-inventory.sh prints'
	exit 1
fi

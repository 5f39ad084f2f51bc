#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: xen-headers.sh
#
# Sees to it that Xen's public headers are there (Debian's libxen-dev): tests and benches compare our ABI with them.
set -euo pipefail
[ ! -e /usr/include/xen/io/ring.h ] || exit 0

fail() {
	echo "xenpv: $*" >&2
	exit 1
}

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	fail "Xen's headers are not there: install libxen-dev, or be root on Debian"
fi
echo "Installing libxen-dev"
install=(apt-get install -y -q --no-install-recommends libxen-dev)
export DEBIAN_FRONTEND=noninteractive
"${install[@]}" >/dev/null 2>&1 || { apt-get update -q >/dev/null && "${install[@]}" >/dev/null; } ||
	fail "cannot install libxen-dev"

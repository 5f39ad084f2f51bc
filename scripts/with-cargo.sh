#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: with-cargo.sh COMMAND [ARGUMENT …]
#
# Runs a command where there is a Cargo that can build the host tools: here, if the machine has one that is new enough or
# Debian offers it; or else in a small Debian tree kept in the cache, with this checkout at the same place. What is
# built there is linked statically, so that it runs outside of it.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=trixie
packages=(cargo rust-clippy rustfmt gcc libc6-dev libxen-dev git ca-certificates)
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

fail() {
	echo "xenpv: $*" >&2
	exit 1
}

new_enough() {
	local version=$1
	[ -n "$version" ] && [ "$(printf '%s\n' "$needed" "$version" | sort -V | head -n 1)" = "$needed" ]
}

version=$(cargo --version 2>/dev/null | cut -d' ' -f2) || version=
if new_enough "$version" && command -v cc >/dev/null; then
	exec "$@"
fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	fail "there is no Cargo $needed or newer here: install one (rustup, or apt-get install cargo on Debian 13), or be root"
fi
offered=$(apt-cache policy cargo 2>/dev/null | sed -n 's/^  Candidate: //p')
if new_enough "$version" || new_enough "${offered%%[+-]*}"; then
	wanted=(gcc libc6-dev)
	new_enough "$version" || wanted=("${packages[@]}")
	echo "Installing ${wanted[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}" >/dev/null ||
		fail "cannot install ${wanted[*]}: run apt-get update"
	exec "$@"
fi

# --- A Debian tree with a Cargo -------------------------------------------------------------------------------------
cache=${XENPV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xenpv}/cargo
mkdir -p "$cache/home"
exec 9> "$cache/lock"
flock 9
if [ ! -e "$cache/$suite" ]; then
	echo "No Cargo $needed here: making a Debian tree that has one (once, about a minute)"
	command -v mmdebstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends mmdebstrap >/dev/null || fail "cannot install mmdebstrap: run apt-get update"
	# shellcheck disable=SC2016 # the variables are apt's
	mirror=${XENPV_MIRROR:-$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian|//p' | head -n 1)}
	[ -n "$mirror" ] || fail "apt knows no Debian mirror here: run apt-get update, or set XENPV_MIRROR"
	rm -rf --one-file-system "$cache/$suite.tmp"
	mmdebstrap --mode=root --variant=apt --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--include="$(IFS=,; echo "${packages[*]}")" $suite "$cache/$suite.tmp" "$mirror" 2> "$cache/$suite.log" ||
		fail "the Debian tree could not be made: see $cache/$suite.log"
	mv "$cache/$suite.tmp" "$cache/$suite"
fi
flock -u 9

# The machine's own resolver and certificates, as its network may need them.
tree=$cache/$suite
cp /etc/resolv.conf "$tree/etc/resolv.conf"
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ ! -r "$certificates" ] || cp "$certificates" "$tree/etc/ssl/host.crt"
mkdir -p "$tree$PWD" "$tree/cargo"
export TREE=$tree CARGO_CACHE=$cache/home
# shellcheck disable=SC2016 # the variables are the inner shell's
exec unshare --mount --propagation=private sh -c '
	mount -t proc proc "$TREE/proc" && mount --bind "$PWD" "$TREE$PWD" && mount --bind "$CARGO_CACHE" "$TREE/cargo" &&
	exec chroot "$TREE" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
		CARGO_HOME=/cargo CARGO_HTTP_CAINFO="$(test ! -e "$TREE/etc/ssl/host.crt" || echo /etc/ssl/host.crt)" \
		CARGO_BUILD_TARGET=x86_64-unknown-linux-gnu RUSTFLAGS="-C target-feature=+crt-static" sh -c "cd \"\$0\" && exec \"\$@\"" "$PWD" "$@"' sh "$@"

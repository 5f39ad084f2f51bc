#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: check-kdir.sh KDIR RUSTC
#
# Can the modules be built against the kernel at KDIR with this rustc? If not: one line saying why, and what to do.
kdir=$1 rustc=$2

fail() {
	echo "xenpv: $*" >&2
	exit 1
}

[ -n "$(command -v make)" ] || fail "make is missing: run apt-get install make"
[ -f "$kdir/Makefile" ] || fail "no kernel headers at $kdir: run apt-get install linux-headers-$(uname -r)," \
	"or give those of another kernel by KDIR=/usr/src/linux-headers-…"
config=$kdir/include/config/auto.conf
[ -r "$config" ] || fail "$kdir is not configured: it has no include/config/auto.conf"
release=$(cat "$kdir/include/config/kernel.release" 2>/dev/null)
grep -q '^CONFIG_RUST=y' "$config" || fail "the kernel $release was built without Rust (CONFIG_RUST):" \
	"install a newer one, such as linux-image-amd64 and linux-headers-amd64 of trixie-backports"
# There a spinlock_t sleeps; the handlers of events take some in hard interrupt context.
! grep -q '^CONFIG_PREEMPT_RT=y' "$config" || fail "$release is a real-time kernel (CONFIG_PREEMPT_RT), on which these" \
	"modules cannot run: install an ordinary one, such as linux-image-amd64 and linux-headers-amd64"
[ -r "$kdir/rust/libkernel.rmeta" ] || fail "the headers of $release lack the kernel's Rust metadata:" \
	"run make rust-metadata${KDIR_GIVEN:+ KDIR=$kdir} (as root, once; it takes some minutes)"

# Older kernels have quotes there.
wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT=//p' "$config" | tr -d '"')
version=$(printf %s "$wanted" | cut -d' ' -f2)
found=$("$rustc" --version 2>/dev/null | head -n 1)
[ -n "$found" ] || fail "$rustc is missing: run apt-get install rustc (it must be $wanted)"
if [ "$found" != "$wanted" ]; then
	if [ "$(/usr/bin/rustc --version 2>/dev/null)" = "$wanted" ]; then
		fail "$rustc is \"$found\", but $release needs \"$wanted\": run make RUSTC=/usr/bin/rustc"
	fi
	fail "$rustc is \"$found\", but $release was built with \"$wanted\":" \
		"install that rustc (apt-get install rustc=$version*) and give it by RUSTC="
fi

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: rust-metadata.sh KDIR [SOURCE]
#
# Debian's kernel headers come without the metadata of the kernel's Rust crates (rust/*.rmeta), by which modules use
# them. This compiles those crates once more, from the same source (SOURCE: the tree or tarball of the linux-source
# package, by default the one in /usr/src), with the same configuration and the same compilers, and puts the metadata
# beside the headers. The compiler gives the same source the same symbol names, and that is checked in the end
# against the kernel's own list: what passes here links and loads.
# Needs 3 GB below ${TMPDIR:-/var/tmp}, and root when KDIR is a package's.
set -eu
kdir=${1:?usage: rust-metadata.sh KDIR [SOURCE]}
source=${2-}
RUSTC=${RUSTC:-rustc}
export LC_ALL=C
# This may itself be run by a make, whose settings are not meant for the kernel's.
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES

fail() {
	echo "xenpv: $*" >&2
	exit 1
}

[ -r "$kdir/.config" ] && [ -r "$kdir/Module.symvers" ] || fail "no kernel headers at $kdir"
grep -q '^CONFIG_RUST=y' "$kdir/.config" || fail "the kernel at $kdir was built without Rust"
[ -w "$kdir" ] || fail "cannot write to $kdir: run this as root"
release=$(cat "$kdir/include/config/kernel.release")
version=${release%%[+-]*}
series=$(echo "$version" | cut -d. -f1-2)
cc=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' "$kdir/.config")
wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"$/\1/p' "$kdir/.config")

packages=
need() { [ -n "$(command -v "$1")" ] || packages="$packages $2"; }
need make make; need "$cc" "${cc#*-linux-gnu-}"; need "$RUSTC" rustc; need bindgen bindgen; need openssl openssl
need bc bc; need bison bison; need flex flex; need pahole pahole; need python3 python3; need xz xz-utils
[ -e /usr/include/gelf.h ] || packages="$packages libelf-dev"
[ -e /usr/include/openssl/evp.h ] || packages="$packages libssl-dev"
[ -e /usr/include/dwarf.h ] || packages="$packages libdw-dev"
[ -d "$("$RUSTC" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core" ] || packages="$packages rust-src"
[ -n "$source" ] || source=/usr/src/linux-source-$series.tar.xz
if [ ! -e "$source" ]; then
	exact=$(dpkg-query -Wf '${Version}' "linux-headers-$release" 2>/dev/null || echo "$version-*")
	packages="$packages linux-source-$series=$exact"
fi
[ -z "$packages" ] || fail "packages are missing: run apt-get install$packages"
found=$("$RUSTC" --version)
[ "$found" = "$wanted" ] || fail "$RUSTC is \"$found\", but $release was built with \"$wanted\": give that one by RUSTC="

work=$(mktemp -d "${TMPDIR:-/var/tmp}/xenpv-rust.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
if [ ! -d "$source" ]; then
	echo "Unpacking $source"
	mkdir "$work/source"
	tar -C "$work/source" --strip-components=1 --exclude='*/Documentation/*.rst' -xf "$source"
	source=$work/source
fi
[ -e "$source/rust/kernel/lib.rs" ] || fail "$source is no kernel source"
has=$(sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' "$source/Makefile" | paste -sd.)
[ "$has" = "$version" ] || fail "the source is Linux $has, but the headers are of $version: give the right one by KSRC="

mkdir "$work/build"
cp "$kdir/.config" "$kdir/Module.symvers" "$work/build/"
kernel_make() {
	make -C "$source" O="$work/build" CC="$cc" RUSTC="$RUSTC" LOCALVERSION="${release#"$version"}" \
		-j"$(nproc)" "$@"
}
kernel_make olddefconfig
# Any difference would be a tool that differs from the one the kernel was built with. It must not change a thing.
diff -u "$kdir/.config" "$work/build/.config" ||
	fail "the tools here differ from those $release was built with (see above): no usable metadata can be made"
kernel_make prepare

rust=$work/build/rust
sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));$/\1/p' "$rust"/exports_*_generated.h | sort -u > "$work/ours"
cut -f2 "$kdir/Module.symvers" | sort -u > "$work/theirs"
count=$(wc -l < "$work/ours")
missing=$(comm -23 "$work/ours" "$work/theirs" | wc -l)
[ "$count" -gt 0 ] && [ "$missing" -eq 0 ] ||
	fail "$missing of the $count Rust symbols compiled here are not in the kernel $release: it is of another build"

mkdir -p "$kdir/rust"
cp "$rust"/*.so "$kdir/rust/"
[ -e "$kdir/scripts/target.json" ] || cp "$work/build/scripts/target.json" "$kdir/scripts/"
# Last, as its presence says that all is there.
cp "$rust"/*.rmeta "$kdir/rust/"
echo "The Rust metadata of $release is in $kdir/rust ($count symbols checked)."

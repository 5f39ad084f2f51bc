#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: bindgen-blocklist.sh bindings_generated.rs
#
# Prints the bindgen options that keep it from defining again what the kernel's own bindings define. A type that those
# know by name only (bindgen gives it one private field) is left out of the list, so that ours may define it.
# Each pattern also covers the nested types bindgen names after the outer one.
awk '
function flush() { if (list != "") print "--blocklist-type (" list ")(__bindgen_ty_.*)?"; list = "" }
function add(name) {
	if (name ~ /^__(kernel_s?size_t|kernel_ptrdiff_t|.*Bindgen.*)$|__bindgen_/) return
	list = list (list == "" ? "" : "|") name
	if (length(list) > 60000) flush()
}
/^pub (struct|union) [A-Za-z_0-9]+ \{/ { pending = $3; next }
pending != "" { if ($0 !~ /_unused: \[u8; 0|_address: u8/) add(pending); pending = "" }
/^pub type [A-Za-z_0-9]+ =/ { add($3) }
/^pub struct [A-Za-z_0-9]+\(/ { sub(/\(.*/, "", $3); add($3) }
END { flush() }
' "$1"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# usage: check-host.sh [step …]
#
# All checks that need no guest; `make check-host` runs them. One line a step, and the whole output of one that fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export CARGO_TERM_COLOR=never

# The crates of which the kernel modules are made; all but ring (its shared.rs) do without unsafe code.
pure=(xen-sys ring clock grant-table event-channel xenbus xen-platform-pci xen-vbd xen-vnif xen-balloon xen-wdt)

# Our own source files. A tree that is no git checkout (an unpacked archive) has them all the same.
sources() {
	{ git ls-files -co --exclude-standard 2>/dev/null || find . -path ./target -prune -o -type f -print; } |
		sed 's,^\./,,' | grep -v '^third_party/' |
		while read -r file; do [ ! -f "$file" ] || echo "$file"; done
}

step_format() {
	sources | grep '\.rs$' | grep -v 'generated\.rs$' | xargs rustfmt --check --edition 2021 --quiet
}

step_clippy() {
	scripts/xen-headers.sh && cargo clippy --quiet --workspace --all-targets -- -D warnings
}

step_tests() {
	scripts/xen-headers.sh && cargo test --quiet --workspace
}

# Loom replaces the atomics of every crate, so it gets a build of its own. It explores fast only when optimised.
step_loom() {
	local crates=()
	for crate in "${pure[@]}"; do
		! grep -q loom "$crate/Cargo.toml" || crates+=(-p "$crate")
	done
	[ ${#crates[@]} -gt 0 ] || { echo "no crate has loom tests"; return 1; }
	RUSTFLAGS="--cfg loom" cargo test --quiet --release --lib --target-dir "${CARGO_TARGET_DIR:-target}/loom" "${crates[@]}" -- loom
}

step_docs() {
	scripts/xen-headers.sh && RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --workspace --document-private-items
}

# Ours is GPL-2.0-only; what is generated from Xen's public headers keeps their MIT.
step_licences() {
	local missing
	missing=$(sources | grep -E '\.(rs|c|h|S|sh|mk|toml|conf|lds)$|(^|/)(Kbuild|Makefile|run)$' | grep -v '^Cargo.lock' |
		while read -r file; do
			head -n 2 "$file" | grep -qE 'SPDX-License-Identifier: (GPL-2.0-only|MIT)( |$)' || echo "$file"
		done)
	[ -z "$missing" ] || { echo "no SPDX-License-Identifier line in: $missing"; return 1; }
}

# The pure crates hold every decision about what a peer says, and the compiler vouches for their memory safety.
step_unsafe() {
	local bad=0 crate found
	for crate in "${pure[@]}"; do
		if [ "$crate" = ring ]; then
			found=$(grep -rlE '\bunsafe (impl|fn|\{|extern|trait)' ring/src | grep -v '^ring/src/shared' || true)
			[ -z "$found" ] || { echo "unsafe code outside ring/src/shared.rs: $found"; bad=1; }
		else
			grep -q '^#!\[forbid(unsafe_code)\]' "$crate/src/lib.rs" ||
				{ echo "$crate/src/lib.rs does not forbid unsafe code"; bad=1; }
		fi
	done
	scripts/unsafe-inventory.sh --check || bad=1
	return $bad
}

# What is vendored is what the registry has, and the very version that Cargo tests.
step_vendored() {
	local bad=0 crate name version checksum
	for crate in third_party/*/; do
		name=$(basename "$crate")
		version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$crate/Cargo.toml" | head -n 1)
		checksum=$(sed -n 's/.*"package":"\([0-9a-f]*\)".*/\1/p' "$crate/.cargo-checksum.json")
		grep -A 3 "^name = \"$name\"" Cargo.lock | grep -q "checksum = \"$checksum\"" ||
			{ echo "third_party/$name is $version, which is not what Cargo.lock has"; bad=1; }
		grep -o '"[^"]*":"[0-9a-f]\{64\}"' "$crate/.cargo-checksum.json" | grep -v '"package"' |
			sed 's/"\([^"]*\)":"\([0-9a-f]*\)"/\2  \1/' | (cd "$crate" && sha256sum --quiet -c) || bad=1
	done
	return $bad
}

all=(licences unsafe vendored format clippy tests loom docs)
failed=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for step in "${@:-${all[@]}}"; do
	start=$SECONDS
	if "step_$step" > "$log" 2>&1; then
		printf 'ok      %-9s %3d s\n' "$step" $((SECONDS - start))
	else
		printf 'FAILED  %-9s %3d s\n' "$step" $((SECONDS - start))
		cat "$log"
		failed+=("$step")
	fi
done
[ ${#failed[@]} -eq 0 ] || { echo "xenpv: failed: ${failed[*]} (once more: scripts/check-host.sh ${failed[*]})" >&2; exit 1; }

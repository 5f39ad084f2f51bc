#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The other side of hypervisor.sh: compares with /sys/hypervisor of dom0, whose kernel is Debian's with mainline's files.
. ./lib.sh

said=/local/domain/$(xl domid guest)/data/hypervisor
guest() { xenstore-read "$said/$1"; }

sync_wait told 120
# Those that dom0 alone has, and those that kernels got later than dom0's.
(cd /sys/hypervisor && find ./* -type f | cut -c 3- | grep -v '^pmu/\|^start_flags/' | sort) >/tmp/mainline
{ xenstore-read -R "${said%/hypervisor}/files"; echo; } >/tmp/ours
diff /tmp/mainline /tmp/ours || fail "other files than mainline's (<)"
for file in type version/major version/minor version/extra compilation/compiler compilation/compiled_by \
  compilation/compile_date properties/capabilities properties/changeset properties/pagesize; do
  equal "$file" "$(guest $file)" "$(cat /sys/hypervisor/$file)"
done
vm=$(xenstore-read "/local/domain/$(xl domid guest)/vm")
equal uuid "$(guest uuid)" "${vm#/vm/}"
version="$(guest version/major).$(guest version/minor)$(guest version/extra)"
equal "xl info's version" "$version" "$(xl info | sed -n 's/^xen_version *: //p')"
echo "Xen $version, compiled by $(guest compilation/compiled_by) with $(guest compilation/compiler)"
echo "features $(guest properties/features), virtual_start $(guest properties/virtual_start), buildid $(guest properties/buildid)"
sync_send compared

# SPDX-License-Identifier: GPL-2.0-only
# What Kbuild generates for the modules (see ../Kbuild).

# Every global symbol of the exported objects becomes EXPORT_SYMBOL_GPL, as the kernel's own rust/Makefile does it.
quiet_cmd_xenpv_exports = EXPORTS $@
      cmd_xenpv_exports = $(NM) -p --defined-only $(real-prereqs) | \
	awk '$$2 ~ /[TRDB]/ && $$3 !~ /__(pfx|cfi|odr_asan)/ { printf "EXPORT_SYMBOL_XENPV(%s);\n", $$3 }' > $@
$(obj)/xen-platform-pci/exports_generated.h: $(addprefix $(obj)/,$(exported)) FORCE
	$(call if_changed,xenpv_exports)

# The kernel checks no versions of Rust symbols, so a module built from other sources would call into whatever lies
# there now. One symbol's name carries a hash over all that decides the exported crates' layout: their sources, the
# kernel's release and the compiler. The user modules refer to it, and a stale one is refused by name at load.
abi-sources := $(sort $(shell find $(addprefix $(src)/,$(sort $(dir $(exported)))) -name '*.rs' -o -name '*.[ch]'))
quiet_cmd_xenpv_abi = ABI     $@
      cmd_xenpv_abi = { echo '$(KERNELRELEASE) $(CONFIG_RUSTC_VERSION_TEXT)'; cat $(real-prereqs); } | \
	sha256sum | sed 's/^\(.\{16\}\).*/\#define XENPV_ABI xenpv_abi_\1/' > $@
$(obj)/xen-platform-pci/abi_generated.h: $(abi-sources) FORCE
	$(call if_changed,xenpv_abi)

$(obj)/xen-platform-pci/exports.o: $(addprefix $(obj)/xen-platform-pci/,exports_generated.h abi_generated.h)
$(obj)/xen-platform-pci/abi_user.o: $(obj)/xen-platform-pci/abi_generated.h
CFLAGS_xen-platform-pci/exports.o := -I$(obj)/xen-platform-pci
CFLAGS_xen-platform-pci/abi_user.o := -I$(obj)/xen-platform-pci

targets += xen-platform-pci/exports_generated.h xen-platform-pci/abi_generated.h
clean-files += lib*.rmeta xen-platform-pci/exports_generated.h xen-platform-pci/abi_generated.h

# SPDX-License-Identifier: GPL-2.0-only
# How Kbuild compiles a Rust library crate that others use (see ../Kbuild for the list of crates).

# Warnings are errors in our crates. For an unfinished crate: make XENPV_LINTS=
# Kbuild adds a no_std of its own to that of the pure crates: hence the two allowed lints, which Cargo still checks.
XENPV_LINTS ?= -Dwarnings
vendored := --cap-lints=allow

# $(call objects,crate names): their object files, relative to the source tree.
objects = $(foreach name,$(1),$(object-of-$(name)))

# $(call crate,name,root file without .rs,crates it uses): the stock rule makes the object; besides it emits the
# metadata by which other crates use it. A crate is compiled again when one that it uses has changed. The extra
# `-C metadata` keeps our mangled names apart from those of any other module that vendors the same crate.
crate = $(eval $(value crate-rule))
define crate-rule
object-of-$(1) := $(2).o
RUSTFLAGS_$(2).o := --crate-name $(1) -Cmetadata=xenpv --emit=metadata=$(obj)/lib$(1).rmeta -L $(obj) \
	$(addprefix --extern ,$(3)) $(if $(filter third_party/%,$(2)),$(vendored),$(XENPV_LINTS) -Aunused_attributes -Aclippy::duplicated_attributes)
$(obj)/$(2).o: $(addprefix $(obj)/,$(call objects,$(3)))
endef

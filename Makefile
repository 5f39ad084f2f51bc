# SPDX-License-Identifier: GPL-2.0-only
# The door for people; the picture of the composition is in Kbuild. `make help` lists the targets.

KDIR_GIVEN := $(filter command environment,$(firstword $(origin KDIR)))
KDIR  ?= /lib/modules/$(shell uname -r)/build
RUSTC ?= rustc
export KDIR_GIVEN

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) RUSTC=$(RUSTC)
# Distributions' headers come without the key that signs their own modules. (Secure Boot: scripts/sign-file of the headers.)
unsigned = $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)
xenbed = scripts/xenbed.sh
with-cargo = scripts/with-cargo.sh

.PHONY: modules install clean rust-metadata demo check check-host soak bench bench-host doc help check-kdir

modules: check-kdir
	+$(kbuild) modules

install: check-kdir
	+$(kbuild) modules_install DEPMOD=true $(unsigned)
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $$(cat $(KDIR)/include/config/kernel.release)
	install -D -m 644 modprobe.d/xenpv.conf $(INSTALL_MOD_PATH)/etc/modprobe.d/xenpv.conf

clean:
	@if [ -f $(KDIR)/Makefile ]; then $(kbuild) clean; else \
		echo "xenpv: no kernel headers at $(KDIR): nothing of the modules to clean"; fi
	rm -rf target

rust-metadata:
	@RUSTC=$(RUSTC) scripts/rust-metadata.sh $(KDIR) $(KSRC)

check-kdir:
	@scripts/check-kdir.sh $(KDIR) $(RUSTC)

demo:
	@$(xenbed) demo

check: check-host
	@$(xenbed) check

check-host:
	@$(with-cargo) scripts/check-host.sh

soak:
	@$(xenbed) soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

bench:
	@$(xenbed) bench $(if $(QUICK),--quick,--document docs/performance.md)

bench-host:
	@$(with-cargo) scripts/bench-host.sh

doc:
	$(with-cargo) cargo doc --no-deps --workspace

help:
	@echo 'In a Xen guest, or wherever the kernel headers are (KDIR=, default: those of the running kernel):'
	@echo '  make                build the five modules'
	@echo '  make install        install them (INSTALL_MOD_PATH= for another root), run depmod, configure modprobe'
	@echo '  make rust-metadata  once before, on Debian: make the Rust metadata that the headers lack (KSRC=source)'
	@echo '  make clean          remove what was built'
	@echo 'On any Debian machine, as root, with a real Xen of its own (downloads and builds what it needs):'
	@echo '  make demo           watch the modules work in a Xen guest with the stock kernel'
	@echo '  make check          the whole test suite, host and guest'
	@echo '  make check-host     the part of it that needs no guest'
	@echo '  make soak           the modules through everything in random order (MINUTES=5, SEED= the one it prints)'
	@echo '  make bench          the modules beside the kernel'"'"'s own drivers, measured in turns (QUICK=1: in minutes)'
	@echo '  make bench-host     how fast the pure crates are beside C, on this machine itself (about a minute)'
	@echo '  make doc            the documentation of all crates that Cargo builds'
	@echo 'Options: RUSTC= the compiler the kernel was built with; KVER= the kernel that demo and check take.'

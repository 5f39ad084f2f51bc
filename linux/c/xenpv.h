/* SPDX-License-Identifier: GPL-2.0-only */
/* The C shims: what the Rust side of linux/ calls because C has it inline, as a macro, or in a shifting shape. */
#ifndef XENPV_H
#define XENPV_H

#include <linux/types.h>

/* mm.c */
void *xenpv_pages_alloc(gfp_t gfp, unsigned int order);
void xenpv_pages_free(void *pages);
u64 xenpv_pages_live(void);
u64 xenpv_pages_pfn(const void *pages);

/* pci.c; mirrored by RawDevice in linux/src/pci.rs */
struct xenpv_pci_device {
	u32 irq;
	u16 domain;
	u16 device;
	u8 bus;
	u8 devfn;
	u8 pin;		/* 1 for INTA to 4 for INTD, 0 for none */
	u8 bound;	/* it has a driver */
};

int xenpv_pci_find(struct xenpv_pci_device *found);
int xenpv_pci_claim(struct xenpv_pci_device *claimed);
void xenpv_pci_release(void);
bool xenpv_builtin_xen_active(void);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* The module's string parameters: the kernel crate has none. Their values are checked in params.rs. */
#include <linux/module.h>

#include "params.h"

static char *hypercall = "auto";
module_param(hypercall, charp, 0444);
MODULE_PARM_DESC(hypercall, "How Xen is called: auto (default), insn (vmcall or vmmcall), page (Xen's hypercall page)");

static char *upcall = "auto";
module_param(upcall, charp, 0444);
MODULE_PARM_DESC(upcall, "How Xen calls us: auto (default), vector (an interrupt vector for each vCPU), intx (the platform device's PCI line, vCPU 0 only)");

const char *xenpv_param_hypercall(void)
{
	return hypercall;
}

const char *xenpv_param_upcall(void)
{
	return upcall;
}

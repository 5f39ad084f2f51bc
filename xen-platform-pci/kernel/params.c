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

static char *events = "2level";
module_param(events, charp, 0444);
MODULE_PARM_DESC(events, "Event channel ABI: 2level (default, 4095 ports), fifo (32767 ports; the guest keeps it until it is started anew)");

static char *unplug = "never";
module_param(unplug, charp, 0444);
MODULE_PARM_DESC(unplug, "Emulated devices to take away: never (default), all, or some of ide-disks, aux-ide-disks, nics and nvme with commas between");

static bool unplug_force;
module_param(unplug_force, bool, 0444);
MODULE_PARM_DESC(unplug_force, "Take emulated disks away even if they are in use: n (default), y");

/* Mainline's xen_gntalloc.limit and xen_gntdev.limit. */
static uint gntalloc_limit = 1024;
module_param(gntalloc_limit, uint, 0444);
MODULE_PARM_DESC(gntalloc_limit, "Pages that all files of /dev/xen/gntalloc together may grant (default 1024)");

static uint gntdev_limit = 65536;
module_param(gntdev_limit, uint, 0444);
MODULE_PARM_DESC(gntdev_limit, "Pages of other domains that a file of /dev/xen/gntdev may have (default 65536)");

static char *grant_version = "auto";
module_param(grant_version, charp, 0444);
MODULE_PARM_DESC(grant_version, "Version of the grant table: auto (default; 1 unless the guest has frames above 16 TiB), 1, 2");

static uint grant_quota;
module_param(grant_quota, uint, 0444);
MODULE_PARM_DESC(grant_quota, "Grant references that one device, or all files of /dev/xen/gntalloc, may have (default 0: half of what the table can have)");

const char *xenpv_param_hypercall(void)
{
	return hypercall;
}

const char *xenpv_param_upcall(void)
{
	return upcall;
}

const char *xenpv_param_events(void)
{
	return events;
}

const char *xenpv_param_unplug(void)
{
	return unplug;
}

bool xenpv_param_unplug_force(void)
{
	return unplug_force;
}

unsigned int xenpv_param_gntalloc_limit(void)
{
	return gntalloc_limit;
}

unsigned int xenpv_param_gntdev_limit(void)
{
	return gntdev_limit;
}

unsigned int xenpv_param_grant_quota(void)
{
	return grant_quota;
}

const char *xenpv_param_grant_version(void)
{
	return grant_version;
}

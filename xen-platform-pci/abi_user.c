// SPDX-License-Identifier: GPL-2.0-only
/*
 * Part of each user module: refers to the symbol that names the build of xen-platform-pci.ko it was compiled against.
 * Against another build, the module is refused with "Unknown symbol xenpv_abi_…" instead of being run on a wrong ABI.
 */
#include <linux/compiler.h>
#include <linux/init.h>

#include "abi_generated.h"

extern const int XENPV_ABI;
static const int *const xenpv_abi_wanted __used __initconst = &XENPV_ABI;

// SPDX-License-Identifier: GPL-2.0-only
/* The module's parameters, mainline's by name and default: the kernel crate has none that say yes or no. */
#include <linux/module.h>
#include <linux/watchdog.h>

#include "params.h"

static unsigned int timeout = 60;
module_param(timeout, uint, 0444);
MODULE_PARM_DESC(timeout, "Seconds without a ping after which Xen ends the domain (default 60)");

static bool nowayout = WATCHDOG_NOWAYOUT;
module_param(nowayout, bool, 0444);
MODULE_PARM_DESC(nowayout, "Once started, the watchdog cannot be stopped (default: as the kernel is configured)");

unsigned int xenpv_wdt_timeout(void)
{
	return timeout;
}

bool xenpv_wdt_nowayout(void)
{
	return nowayout;
}

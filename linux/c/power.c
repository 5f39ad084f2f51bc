// SPDX-License-Identifier: GPL-2.0-only
/* Ending the system, and its magic keys. See linux/src/power.rs. */
#include <linux/kernel.h>
#include <linux/reboot.h>
#include <linux/sysrq.h>

#include "xenpv.h"

/* Asks user space to power off; forced if there is none yet. False when the system is on its way down already. */
bool xenpv_power_off(void)
{
	if (system_state > SYSTEM_RUNNING)
		return false;
	orderly_poweroff(system_state < SYSTEM_RUNNING);
	return true;
}

/* Asks user space to restart; the kernel does it when that cannot even be started. False as above. */
bool xenpv_restart(void)
{
	if (system_state > SYSTEM_RUNNING)
		return false;
	orderly_reboot();
	return true;
}

void xenpv_sysrq(u8 key)
{
	handle_sysrq(key);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Ending the system, and its magic keys; making room for another kernel. See linux/src/power.rs. */
#include <linux/kernel.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/string.h>
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

static void (*xenpv_kexec_hook)(void);

static int xenpv_reboot(struct notifier_block *block, unsigned long how, void *command)
{
	/* kernel_kexec()'s word; modules are not told in another way. Who gives it to reboot(2) loses nothing by it. */
	if (how == SYS_RESTART && command && !strcmp(command, "kexec reboot"))
		xenpv_kexec_hook();
	return NOTIFY_DONE;
}

static struct notifier_block xenpv_reboot_block = {
	.notifier_call = xenpv_reboot,
};

int xenpv_kexec_register(void (*hook)(void))
{
	xenpv_kexec_hook = hook;
	return register_reboot_notifier(&xenpv_reboot_block);
}

void xenpv_kexec_unregister(void)
{
	unregister_reboot_notifier(&xenpv_reboot_block);
}

void xenpv_sysrq(u8 key)
{
	handle_sysrq(key);
}

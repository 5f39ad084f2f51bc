// SPDX-License-Identifier: GPL-2.0-only
/* A function to be called when the kernel panics. See linux/src/panic.rs. */
#include <linux/kexec.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>

#include "xenpv.h"

static void (*xenpv_panic_hook)(void);

static int xenpv_panic(struct notifier_block *block, unsigned long event, void *data)
{
	/* With a crash kernel at hand the system's administrator wants that one to have its turn. */
	if (!kexec_crash_loaded())
		xenpv_panic_hook();
	return NOTIFY_DONE;
}

/* Last of all, for it may not come back. */
static struct notifier_block xenpv_panic_block = {
	.notifier_call = xenpv_panic,
	.priority = INT_MIN,
};

int xenpv_panic_register(void (*hook)(void))
{
	xenpv_panic_hook = hook;
	return atomic_notifier_chain_register(&panic_notifier_list, &xenpv_panic_block);
}

void xenpv_panic_unregister(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &xenpv_panic_block);
}

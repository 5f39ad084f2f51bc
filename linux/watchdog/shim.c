// SPDX-License-Identifier: GPL-2.0-only
/* A watchdog device: see shim.h, and lib.rs for the rules of use. */
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/syscore_ops.h>
#include <linux/watchdog.h>

#include "shim.h"

#define XENPV_WATCHDOG_TIMEOUT 60	/* seconds, unless the user says otherwise */

struct xenpv_watchdog {
	struct watchdog_device device;
	struct watchdog_info info;
	struct syscore syscore;
	const struct xenpv_watchdog_hooks *hooks;
	void *data;
};

static struct xenpv_watchdog *to_watchdog(struct watchdog_device *device)
{
	return container_of(device, struct xenpv_watchdog, device);
}

static int xenpv_watchdog_set(struct watchdog_device *device)
{
	struct xenpv_watchdog *watchdog = to_watchdog(device);

	return watchdog->hooks->set(watchdog->data, device->timeout);
}

static int xenpv_watchdog_stop(struct watchdog_device *device)
{
	struct xenpv_watchdog *watchdog = to_watchdog(device);

	return watchdog->hooks->stop(watchdog->data);
}

/* Linux pings next, if the watchdog runs. */
static int xenpv_watchdog_set_timeout(struct watchdog_device *device, unsigned int seconds)
{
	device->timeout = seconds;
	return 0;
}

static unsigned int xenpv_watchdog_left(struct watchdog_device *device)
{
	struct xenpv_watchdog *watchdog = to_watchdog(device);

	return watchdog->hooks->left(watchdog->data);
}

static void xenpv_watchdog_resume(void *data)
{
	struct xenpv_watchdog *watchdog = data;

	watchdog->hooks->resume(watchdog->data);
}

static const struct syscore_ops xenpv_watchdog_syscore_ops = {
	.resume = xenpv_watchdog_resume,
};

/* As long as the watchdog runs, Linux does not let the owner be unloaded. */
static const struct watchdog_ops xenpv_watchdog_ops = {
	.owner = THIS_MODULE,
	.start = xenpv_watchdog_set,
	.stop = xenpv_watchdog_stop,
	.ping = xenpv_watchdog_set,
	.set_timeout = xenpv_watchdog_set_timeout,
	.get_timeleft = xenpv_watchdog_left,
};

/*
 * Whether the watchdog hears that the system or its domain goes on. A suspend of the domain walks the list with all tasks
 * where they are, perhaps at the list: hence the lock, which every suspend takes.
 */
static void xenpv_watchdog_follow_sleep(struct xenpv_watchdog *watchdog, bool follow)
{
	unsigned int flags = lock_system_sleep();

	if (follow)
		register_syscore(&watchdog->syscore);
	else
		unregister_syscore(&watchdog->syscore);
	unlock_system_sleep(flags);
}

/* Shows /dev/watchdogN. Hooks and data outlive it. */
struct xenpv_watchdog *xenpv_watchdog_register(const char *identity, unsigned int timeout, bool nowayout,
					       const struct xenpv_watchdog_hooks *hooks, void *data)
{
	struct xenpv_watchdog *watchdog = kzalloc(sizeof(*watchdog), GFP_KERNEL);
	int err;

	if (!watchdog)
		return ERR_PTR(-ENOMEM);
	watchdog->hooks = hooks;
	watchdog->data = data;
	watchdog->info.options = WDIOF_KEEPALIVEPING | WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE;
	strscpy(watchdog->info.identity, identity);
	watchdog->device.info = &watchdog->info;
	watchdog->device.ops = &xenpv_watchdog_ops;
	watchdog->device.min_timeout = 1;
	watchdog->device.max_timeout = UINT_MAX / 1000;	/* as many as Linux can count */
	watchdog->device.timeout = XENPV_WATCHDOG_TIMEOUT;
	/* It says so when the number is of no use, and leaves the other one. */
	watchdog_init_timeout(&watchdog->device, timeout, NULL);
	watchdog_set_nowayout(&watchdog->device, nowayout);
	watchdog_stop_on_reboot(&watchdog->device);
	watchdog_stop_on_unregister(&watchdog->device);
	watchdog->syscore.ops = &xenpv_watchdog_syscore_ops;
	watchdog->syscore.data = watchdog;
	err = watchdog_register_device(&watchdog->device);
	if (!err) {
		xenpv_watchdog_follow_sleep(watchdog, true);
		return watchdog;
	}
	kfree(watchdog);
	return ERR_PTR(err);
}

/* Stops the watchdog. No hook is being called after this. */
void xenpv_watchdog_unregister(struct xenpv_watchdog *watchdog)
{
	xenpv_watchdog_follow_sleep(watchdog, false);
	watchdog_unregister_device(&watchdog->device);
	kfree(watchdog);
}

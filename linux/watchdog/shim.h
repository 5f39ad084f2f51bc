/* SPDX-License-Identifier: GPL-2.0-only */
/* What the crate linux_watchdog asks of C: a watchdog device. */
#ifndef XENPV_LINUX_WATCHDOG_SHIM_H
#define XENPV_LINUX_WATCHDOG_SHIM_H

#include <linux/types.h>

struct xenpv_watchdog;

/* Mirrored by RawHooks in lib.rs. Linux calls one at a time, but resume at any time. */
struct xenpv_watchdog_hooks {
	int (*set)(void *data, unsigned int seconds);
	int (*stop)(void *data);
	unsigned int (*left)(void *data);
	void (*resume)(void *data);	/* interrupts off, all other CPUs at rest */
};

struct xenpv_watchdog *xenpv_watchdog_register(const char *identity, unsigned int timeout, bool nowayout,
					       const struct xenpv_watchdog_hooks *hooks, void *data);
void xenpv_watchdog_unregister(struct xenpv_watchdog *watchdog);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/* A clocksource, and the CPU's counter. See linux/src/clocksource.rs. */
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>
#include <linux/time64.h>
#include <asm/tsc.h>

#include "xenpv.h"

static const struct xenpv_clock_hooks *xenpv_clock;

static notrace u64 xenpv_clock_read(struct clocksource *cs)
{
	u64 now;

	preempt_disable_notrace();
	now = xenpv_clock->read(raw_smp_processor_id());
	preempt_enable_notrace();
	return now;
}

static void xenpv_clock_resume(struct clocksource *cs)
{
	xenpv_clock->resume();
}

/*
 * Without an owner: one that names a module would pin it for as long as the clock is in use, and the module hands the
 * clock over when it goes. Not for the vDSO, whose page of Xen's time only the kernel itself can set up.
 */
static struct clocksource xenpv_clocksource = {
	.read = xenpv_clock_read,
	.resume = xenpv_clock_resume,
	.mask = CLOCKSOURCE_MASK(64),
	.flags = CLOCK_SOURCE_IS_CONTINUOUS,
};

/* One clock at a time; it counts nanoseconds. */
int xenpv_clock_register(const char *name, int rating, const struct xenpv_clock_hooks *hooks)
{
	xenpv_clock = hooks;
	xenpv_clocksource.name = name;
	xenpv_clocksource.rating = rating;
	return clocksource_register_hz(&xenpv_clocksource, NSEC_PER_SEC);
}

/* Returns when nobody reads it any more. */
void xenpv_clock_unregister(void)
{
	while (clocksource_unregister(&xenpv_clocksource)) {
		pr_warn("xen-platform-pci: the kernel has no other clock than Xen's to go on with; waiting for one\n");
		ssleep(5);
	}
	/* Somebody may have been preempted on his way into or out of the read function. */
	synchronize_rcu_tasks();
}

notrace u64 xenpv_tsc(void)
{
	return rdtsc_ordered();
}

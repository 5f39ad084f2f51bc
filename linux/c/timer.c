// SPDX-License-Identifier: GPL-2.0-only
/* A timer in hard interrupt context. See linux/src/timer.rs. */
#include <linux/hrtimer.h>
#include <linux/slab.h>

#include "xenpv.h"

struct xenpv_timer {
	struct hrtimer timer;
	void (*run)(const void *data);
	const void *data;
};

static enum hrtimer_restart xenpv_timer_expired(struct hrtimer *timer)
{
	struct xenpv_timer *this = container_of(timer, struct xenpv_timer, timer);

	this->run(this->data);
	return HRTIMER_NORESTART;
}

struct xenpv_timer *xenpv_timer_new(void)
{
	struct xenpv_timer *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (timer)
		hrtimer_setup(&timer->timer, xenpv_timer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	return timer;
}

void xenpv_timer_start(struct xenpv_timer *timer, u64 nanoseconds, void (*run)(const void *data), const void *data)
{
	timer->run = run;
	timer->data = data;
	hrtimer_start(&timer->timer, ns_to_ktime(nanoseconds), HRTIMER_MODE_REL_PINNED_HARD);
}

void xenpv_timer_free(struct xenpv_timer *timer)
{
	hrtimer_cancel(&timer->timer);
	kfree(timer);
}
